// bench/players.mjs with a shorter film.

import { test } from "node:test";
import { Report } from "./lib/report.mjs";
import { LADDER } from "./lib/stage.mjs";
import { verdict } from "./lib/verdict.mjs";
import { players } from "./scenarios/players.mjs";

test("one package plays everywhere, decodes to the source's frames and satisfies the validators", { timeout: 300_000 }, async () => {
    const report = new Report("players, short");
    await players(report, { seconds: 20, ladder: LADDER });
    verdict(report);
});
