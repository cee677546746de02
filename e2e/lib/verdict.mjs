// A report as a test: its figures are shown when a bound is broken, and only then.

import assert from "node:assert/strict";

/** @param {import("./report.mjs").Report} report */
export function verdict(report) {
    const broken = report.broken();
    if (broken.length) console.log(report.text());
    assert.deepEqual(broken, []);
}
