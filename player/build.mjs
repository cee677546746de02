// Builds everything in dist/: the WASM core (with cargo), for films and for live streams, the player for one script tag, the modules for bundlers, hls.js,
// the watch and catalogue pages, and the type declarations.
//
//   node build.mjs            everything
//   node build.mjs --no-wasm  reuses dist/braidcast.wasm and dist/braidcast-live.wasm
//
// The core is compiled by scripts/wasm.sh; CARGO, CARGO_TARGET_DIR and BRAIDCAST_WASM are honoured.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import binaryen from "binaryen";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..");
const dist = join(here, "dist");
mkdirSync(dist, { recursive: true });

function run(program, args, options = {}) {
  const { status, error } = spawnSync(program, args, { stdio: "inherit", ...options });
  if (error || status !== 0) {
    console.error(`${program} ${args.join(" ")} failed${error ? `: ${error.message}` : ""}`);
    process.exit(status || 1);
  }
}

/** Whichever compiler of this machine can: see scripts/wasm.sh. */
function wasm(kind, name) {
  const { status, stdout } = spawnSync(join(root, "scripts/wasm.sh"), [kind], { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" });
  if (status !== 0) process.exit(status || 1);
  const features = ["simd", "bulk-memory", "bulk-memory-opt", "sign-ext", "nontrapping-float-to-int", "mutable-globals", "reference-types", "multivalue"];
  // Most of what makes the code smaller makes it larger once it is compressed: only what is there twice or for nothing goes.
  const idle = ["remove-unused-module-elements", "dae", "remove-unused-brs", "coalesce-locals", "rse", "dce", "vacuum"];
  const passes = [...idle, "duplicate-function-elimination", "strip-debug", "strip-producers"];
  const options = [...features.map((name) => `--enable-${name}`), ...passes.map((name) => `--${name}`)];
  const wasmOpt = join(here, "node_modules/binaryen/bin/wasm-opt");
  const module = join(dist, name);
  writeFileSync(module, prepared(readFileSync(stdout.trim())));
  run(process.execPath, [wasmOpt, ...options, module, "-o", module]);
}

/** Functions of the standard library that never return: what they would say, nobody hears. */
const LAST_WORDS = new RegExp(
  "\\d(panic_fmt|panic_bounds_check|panic_nounwind_fmt|panic_already_borrowed|panic_access_error|panic_const_div_by_zero|panic_on_ord_violation|" +
    "slice_index_fail|slice_error_fail|slice_error_fail_rt|len_mismatch_fail|assert_failed|assert_failed_inner|" +
    "unwrap_failed|expect_failed|handle_error|capacity_overflow|rust_begin_unwind)(?![a-z_])",
);

/** What only those would have called: nothing that is shown is made with `Debug` (clippy's `use_debug` sees to that). */
const DEBUG = /5Debug3fmt|core\.\.fmt\.\.Debug/;

/**
 * The module with those functions ending at once, as they do in the end; and with all functions in the order of their names: what was
 * made of the same source for several types stands together then, where a compressor sees that it is nearly the same.
 */
function prepared(bytes) {
  const module = binaryen.readBinary(bytes);
  const functions = Array.from({ length: module.getNumFunctions() }, (_, at) => binaryen.getFunctionInfo(module.getFunctionByIndex(at)));
  functions.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name } of functions) module.removeFunction(name);
  for (const { name, params, results, vars, body } of functions) {
    if (LAST_WORDS.test(name) || DEBUG.test(name)) module.addFunction(name, params, results, [], module.unreachable());
    else module.addFunction(name, params, results, vars, body);
  }
  const made = module.emitBinary();
  module.dispose();
  return made;
}

const common = { bundle: true, metafile: true, minify: true, target: "es2022", legalComments: "none", logLevel: "warning", absWorkingDir: here };
const esm = { ...common, format: "esm", define: { BRAIDCAST_SCRIPT_URL: "import.meta.url" } };
// A classic script knows its address only while it first runs.
const script = {
  ...common,
  format: "iife",
  globalName: "Braidcast",
  define: { BRAIDCAST_SCRIPT_URL: "__braidcastScript" },
  banner: {
    js: 'var __braidcastScript=(document.currentScript||document.querySelector(\'script[src*="braidcast-player.js"]\')||{src:location.href}).src;',
  },
};

/** Returns the names of the files it has written. */
async function scripts() {
  const built = await Promise.all([
    build({ ...script, entryPoints: ["src/index.ts"], outfile: "dist/braidcast-player.js" }),
    build({
      ...esm,
      splitting: true,
      entryPoints: { player: "src/index.ts", hlsjs: "src/hlsjs.ts", engine: "src/engine.ts" },
      outdir: "dist",
      outExtension: { ".js": ".mjs" },
      chunkNames: "shared-[hash]",
    }),
    // As modules are: what is not wrapped into one function is not parsed twice.
    build({ ...common, format: "esm", stdin: { contents: 'export {default} from "hls.js/dist/hls.mjs"', resolveDir: here }, outfile: "dist/hls.js" }),
    build({ ...common, format: "esm", entryPoints: ["src/live/index.ts"], outfile: "dist/braidcast-live.js" }),
    build({ ...common, format: "esm", entryPoints: ["src/tokens.ts"], outfile: "dist/braidcast-tokens.js" }),
    build({ ...common, format: "esm", entryPoints: { watch: "src/watch/watch.ts", catalogue: "src/watch/catalogue.ts" }, outdir: "dist" }),
    build({ ...common, entryPoints: ["src/watch/style.css"], outfile: "dist/style.css" }),
  ]);
  const pages = ["index.html", "watch.html", "icon.svg"];
  for (const page of pages) copyFileSync(join(here, "src/watch", page), join(dist, page));
  copyFileSync(join(here, "node_modules/hls.js/LICENSE"), join(dist, "hls.js.LICENSE"));
  const outputs = built.flatMap(({ metafile }) => Object.keys(metafile.outputs).map((path) => basename(path)));
  return [...outputs, ...pages, "hls.js.LICENSE"];
}

/** What every viewer loads is worth compressing well, once: a fifth less than with gzip. Gives the names of what it has written. */
function compressed(names) {
  const worth = names.filter((name) => /\.(m?js|wasm)$/.test(name));
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  for (const name of worth) writeFileSync(join(dist, `${name}.br`), brotliCompressSync(readFileSync(join(dist, name)), options));
  return worth.map((name) => `${name}.br`);
}

/** What plays films has to stay small, so that what plays live streams is a module of its own. */
const MODULES = { "braidcast.wasm": "web", "braidcast-live.wasm": "live" };
for (const [name, kind] of Object.entries(MODULES)) {
  if (!process.argv.includes("--no-wasm") || !existsSync(join(dist, name))) wasm(kind, name);
}
// What an earlier build left goes last: a server may be reading this folder.
const made = [...(await scripts()), ...Object.keys(MODULES)];
const fresh = new Set([...made, ...compressed(made), "types"]);
for (const name of readdirSync(dist)) if (!fresh.has(name)) rmSync(join(dist, name), { recursive: true });
run(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), "--project", here, "--emitDeclarationOnly"], { cwd: here });
console.log(`dist/braidcast-player.js ${readFileSync(join(dist, "braidcast-player.js")).length} bytes`);
