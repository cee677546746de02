// Loads a TypeScript module of src/ into Node.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

export async function load(name) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../../src/${name}`, import.meta.url))],
    bundle: true, format: "esm", target: "es2022", write: false, logLevel: "warning",
    define: { BRAIDCAST_SCRIPT_URL: "import.meta.url" },
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`);
}
