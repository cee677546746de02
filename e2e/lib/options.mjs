// Command lines of the benches: every number and text of a scenario is an option of the same name.

import { parseArgs } from "node:util";

/**
 * @template {Record<string, number | string | string[] | boolean>} T
 * @param {string} about what `--help` says
 * @param {T} defaults
 * @param {string[]} [cases] names of which some may be given to run them alone
 * @returns {T & { cases: string[] }} with what the command line changed
 */
export function options(about, defaults, cases = []) {
    const names = Object.keys(defaults).filter((name) => ["number", "string"].includes(typeof defaults[name]));
    const flag = (name) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const known = Object.fromEntries(names.map((name) => [flag(name), { type: "string" }]));
    const usage = () => `${about}\n\n${cases.length ? `Cases: ${cases.join(", ")}\n\n` : ""}${names.map((name) => `  --${flag(name)} ${defaults[name]}`).join("\n")}`;
    let values;
    let positionals;
    try {
        ({ values, positionals } = parseArgs({ options: { ...known, help: { type: "boolean", short: "h" } }, allowPositionals: true }));
        const strange = positionals.find((name) => !cases.includes(name));
        if (strange !== undefined) throw new Error(`there is no case ${strange}`);
    } catch (error) {
        console.error(`${error.message}\n\n${usage()}`);
        process.exit(2);
    }
    if (values.help) {
        console.log(usage());
        process.exit(0);
    }
    const chosen = { ...defaults, cases: positionals.length ? positionals : cases };
    for (const name of names) {
        const text = values[flag(name)];
        if (text === undefined) continue;
        if (typeof defaults[name] === "string") {
            chosen[name] = text;
            continue;
        }
        if (!Number.isFinite(Number(text))) {
            console.error(`--${flag(name)} is a number, not ${text}`);
            process.exit(2);
        }
        chosen[name] = Number(text);
    }
    return chosen;
}
