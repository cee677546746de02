// One package in everybody's players: hls.js, Shaka and dash.js in Chromium, ffmpeg, mpv; and what validators say of it.

import { execFile } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { viewer } from "../lib/browser.mjs";
import { clip } from "../lib/clip.mjs";
import { braidcast, cache } from "../lib/paths.mjs";
import { sleep } from "../lib/serve.mjs";
import { result, stage, viewerRows } from "../lib/stage.mjs";

const require = createRequire(import.meta.url);

/** Player, page, manifest. */
const IN_CHROMIUM = [
    ["hls.js 1.7", "plain", "master.m3u8"],
    ["Shaka 5, HLS", "shaka", "master.m3u8"],
    ["Shaka 5, DASH", "shaka", "manifest.mpd"],
    ["dash.js 5", "dash", "manifest.mpd"],
];

/**
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ seconds: number, ladder: string, preset?: string }} how
 */
export async function players(report, { seconds, ladder, preset }) {
    const on = await stage({ seconds, ladder, preset });
    try {
        await inChromium(report, on, seconds);
        await outside(report, on);
        await validators(report, on);
    } finally {
        await on.close();
    }
    await remuxed(report, seconds);
}

async function inChromium(report, on, seconds) {
    const files = await on.hashes();
    const all = [];
    for (const [name, page, manifest] of IN_CHROMIUM) {
        const src = encodeURIComponent(on.at(`/s/${on.card.slug}/${manifest}`));
        all.push(await viewer(on.chromium, { name: `p${all.length}`, url: on.at(`/bench/${page}.html?src=${src}`), hash: true }));
        all.at(-1).title = name;
    }
    const until = Date.now() + seconds * 1000 + 30_000;
    while (Date.now() < until && !(await Promise.all(all.map((one) => one.probe()))).every((one) => one.ended)) await sleep(250);
    const results = await Promise.all(all.map((one) => result(on, one)));
    for (const [at, one] of results.entries()) {
        const strange = one.appended.filter((piece) => !files.has(piece.sha256)).length;
        const good = one.ended && one.stalls === 0 && one.errors.length === 0 && strange === 0 && one.frames > 0;
        const detail = `${one.playedS.toFixed(1)} s, ${one.frames} frames, ${one.stalls} stalls, ${strange} of ${one.appended.length} appended not ours${one.errors.length ? `, ${one.errors}` : ""}`;
        report.holds(`${all[at].title} plays it to the end`, good, detail);
    }
    report.rows("in Chromium", viewerRows(results));
    for (const one of all) await one.close();
}

async function outside(report, on) {
    for (const manifest of ["master.m3u8", "manifest.mpd"]) {
        const url = on.at(`/s/${on.card.slug}/${manifest}`);
        const decoded = await run("ffmpeg", ["-nostdin", "-v", "warning", "-i", url, "-map", "0", "-f", "null", "-"]);
        report.holds(`ffmpeg decodes every rendition of ${manifest}`, decoded.code === 0 && errors(decoded.err) === "", errors(decoded.err) || "yes");
        // As fast as it can: its clock is the null output's.
        const flags = ["--no-config", "--vo=null", "--ao=null", "--ao-null-untimed", "--untimed", "--msg-level=all=error"];
        const played = await run("mpv", [...flags, url]);
        report.holds(`mpv plays ${manifest}`, played.code === 0 && played.err === "", (played.err || played.out).trim() || "yes");
    }
}

/** ffmpeg's probing notes are no errors: it reads DASH renditions of one set as so many streams. */
function errors(text) {
    return text
        .split("\n")
        .filter((line) => /error|invalid|corrupt|missing|non-monoton|failed/i.test(line))
        .join("; ");
}

async function validators(report, on) {
    const url = on.at(`/s/${on.card.slug}/master.m3u8`).replace(/\/master\.m3u8$/, "");
    const checked = await run(braidcast(), ["check", url, "--key", on.key]);
    report.holds("`braidcast check` finds nothing", checked.code === 0, (checked.out + checked.err).trim().split("\n").at(-1));

    const folder = join(on.data, "streams", on.card.slug);
    const packager = require.resolve("shaka-packager");
    for (const { id } of on.card.renditions) {
        const segments = readdirSync(join(folder, id))
            .filter((name) => name.endsWith(".m4s"))
            .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
        const whole = join(cache("players"), `${id}.mp4`);
        writeFileSync(whole, Buffer.concat(["init.mp4", ...segments].map((name) => readFileSync(join(folder, id, name)))));
        const kind = id.startsWith("a") ? "audio" : "video";
        const output = join(cache("players"), `${id}.out.mp4`);
        const packed = await run(process.execPath, [packager, `in=${whole},stream=${kind},output=${output}`]);
        report.holds(`Shaka Packager repackages ${id}`, packed.code === 0 && existsSync(output), packed.code === 0 ? "yes" : packed.err.trim());
        rmSync(whole, { force: true });
        rmSync(output, { force: true });
    }

    const mpd = join(folder, "manifest.mpd");
    const formed = await run("xmllint", ["--noout", mpd]);
    report.holds("the MPD is well-formed XML", formed.code === 0, formed.err.trim() || "yes");
    // MPEG's schema may not be redistributed: who has it gives its path.
    const schema = process.env.DASH_XSD ?? join(cache("dash-schema"), "DASH-MPD.xsd");
    if (existsSync(schema)) {
        const valid = await run("xmllint", ["--noout", "--nonet", "--schema", withoutXlink(schema), mpd]);
        report.holds("the MPD is valid by MPEG's schema", valid.code === 0, valid.code === 0 ? "yes" : valid.err.trim().split("\n")[0]);
    } else {
        report.figure("the MPD by MPEG's schema: schema missing (github.com/MPEGGroup/DASHSchema; give DASH_XSD)", null);
    }
}

/** The schema imports xlink's from the web. Four attributes of it are used; this stands in for them. */
function withoutXlink(schema) {
    const folder = cache("dash-schema");
    const attribute = (name) => `<xs:attribute name="${name}" type="xs:string"/>`;
    writeFileSync(
        join(folder, "xlink.xsd"),
        `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/1999/xlink">${["href", "actuate", "type", "show", "title"].map(attribute).join("")}</xs:schema>`,
    );
    const local = join(folder, "local.xsd");
    writeFileSync(local, readFileSync(schema, "utf8").replaceAll(/schemaLocation="http[^"]*xlink\.xsd"/g, 'schemaLocation="xlink.xsd"'));
    return local;
}

/** A film that is packaged without encoding decodes to the same pictures and the same sound. */
async function remuxed(report, seconds) {
    const source = await clip({ seconds });
    const folder = join(cache("players"), "remuxed");
    rmSync(folder, { recursive: true, force: true });
    const packaged = await run(braidcast(), ["package", source, "--out", folder, "--no-transcode", "--data", cache("data", "remuxed")]);
    report.holds("the film is packaged without encoding", packaged.code === 0, packaged.code === 0 ? "yes" : packaged.err.trim());
    const web = await anyWebServer(folder);
    for (const [kind, stream] of [["pictures", "0:v:0"], ["sound", "0:a:0"]]) {
        const expected = await frames(source, stream);
        for (const manifest of ["master.m3u8", "manifest.mpd"]) {
            const got = await frames(`${web.base}/${manifest}`, stream);
            const same = expected.length > 0 && got.length === expected.length && got.every((frame, at) => frame === expected[at]);
            report.holds(`${kind} of ${manifest} are the source's`, same, `${got.length} frames, ${expected.length} in the source`);
        }
    }
    web.close();
    rmSync(folder, { recursive: true, force: true });
}

/** What any web server does with a package: the file at the path, whatever the query. */
function anyWebServer(folder) {
    const server = createServer((request, response) => {
        const path = new URL(request.url, "http://localhost").pathname;
        const file = join(folder, basename(dirname(path)), basename(path));
        if (!existsSync(file)) return response.writeHead(404).end();
        response.end(readFileSync(file));
    });
    return new Promise((resolve) => {
        server.listen(0, "127.0.0.1", () => resolve({ base: `http://127.0.0.1:${server.address().port}`, close: () => server.close() }));
    });
}

/**
 * Time and digest of every decoded frame that is shown: what an encoder put before time 0 is not. Times count from the first
 * frame, because ffmpeg 5 and 6 read fragments whose pictures are reordered with all times later by the depth of reordering.
 */
async function frames(input, stream) {
    const decoded = await run("ffmpeg", ["-nostdin", "-v", "error", "-copyts", "-i", input, "-map", stream, "-f", "framemd5", "-"]);
    const shown = decoded.out
        .split("\n")
        .filter((line) => line && !line.startsWith("#"))
        .map((line) => line.split(",").map((field) => field.trim()))
        .filter((fields) => Number(fields[2]) >= 0);
    return shown.map((fields) => `${Number(fields[2]) - Number(shown[0][2])} ${fields[5]}`);
}

function run(program, options) {
    return new Promise((resolve) => {
        execFile(program, options, { maxBuffer: 64 << 20, timeout: 300_000 }, (error, out, err) => {
            resolve({ code: error ? (error.code ?? 1) : 0, out, err });
        });
    });
}
