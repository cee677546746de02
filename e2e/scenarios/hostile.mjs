// Some viewers forge, withhold or drip what they send. Nobody may see a wrong picture or wait for it.

import { sum } from "../lib/report.mjs";
import { forger, mute, slow } from "../lib/attacks.mjs";
import { showing, stage, viewerRows } from "../lib/stage.mjs";

const ATTACKS = { forger, mute, slow };

/**
 * @param {import("../lib/report.mjs").Report} report
 * @param {{ viewers: number, attackers: (keyof typeof ATTACKS)[], seconds: number, gapMs: number, ladder: string, preset?: string }} how
 *   The attackers come first, so that they have what the others want.
 */
export async function hostile(report, how) {
    const { viewers, attackers, seconds, gapMs, ladder, preset } = how;
    const on = await stage({ seconds, ladder, preset });
    try {
        const files = await on.hashes();
        const limitMs = seconds * 1000 + 60_000;
        const hash = () => ({ hash: true });
        const peaceful = await showing(on, { mode: "braidcast", viewers, gapMs, limitMs, options: hash });
        const deeds = {};
        const among = await showing(on, {
            mode: "braidcast",
            viewers,
            gapMs,
            limitMs,
            options: (number) => ({ hash: true, scripts: attackers[number] ? [ATTACKS[attackers[number]]] : [] }),
            // Read while the pages are there; the showing goes on.
            during: async (all) => {
                const read = async () => {
                    for (const [number, what] of attackers.entries()) {
                        deeds[what] = await all[number].page.evaluate(() => ({ pieces: window.attack.pieces, peers: window.attack.peers }));
                    }
                };
                const timer = setInterval(() => read().catch(() => clearInterval(timer)), 1000);
                await read();
            },
        });

        const media = (one) => one.appended.filter((piece) => piece.box === "styp" || piece.box === "moof");
        const wrong = (results) => sum(results.map((one) => media(one).filter((piece) => !files.has(piece.sha256)).length));
        report.figure("segments given to players", sum(among.map((one) => media(one).length)), { min: viewers });
        report.figure("of them not the publisher's", wrong(among), { max: 0 });
        report.figure("of them not the publisher's, without attackers", wrong(peaceful), { max: 0 });
        report.holds("every viewer saw the film to its end", among.every((one) => one.ended));
        report.figure("stalls of the worst viewer", Math.max(...among.map((one) => one.stalls)), {
            max: Math.max(...peaceful.map((one) => one.stalls)),
        });
        for (const [what, { pieces, peers }] of Object.entries(deeds)) {
            report.figure(`${what}: pieces it meant to spoil`, pieces, { min: what === "slow" ? 0 : 1 });
            report.figure(`${what}: viewers it did that to`, peers);
        }
        if (attackers.includes("forger")) {
            const victims = among.filter((_, number) => attackers[number] !== "forger");
            const hit = victims.filter((one) => one.stats.refused > 0);
            report.figure("viewers that refused a forged piece", hit.length, { min: 1 });
            // What was on its way when the first was found forged dies with the connection.
            report.figure("forged pieces refused by one viewer, most", Math.max(...victims.map((one) => one.stats.refused)), { max: 1 });
            report.figure("viewers the forger reached", deeds.forger.peers, { max: victims.length });
        }
        const refusedBefore = sum(peaceful.map((one) => one.stats.refused));
        report.figure("pieces refused without attackers", refusedBefore, { max: 0 });
        report.rows(`with ${attackers.join(", ")} (the first viewers)`, viewerRows(among));
        report.rows("without attackers", viewerRows(peaceful));
        return { peaceful, among, deeds };
    } finally {
        await on.close();
    }
}
