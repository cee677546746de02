// What viewers of a camera saw, worked out from the times of capture that were read from their screens.

/** What passes more than this faster than time itself was never shown. Who catches up plays a tenth faster, between two readings 25 ms. */
const JUMP_MS = 500;

/**
 * The readings of one screen, oldest first.
 *
 * @param {import("puppeteer-core").Page} page
 * @returns {Promise<{ shown: number, captured: number, delay: number }[]>} milliseconds since 1970, and between the two
 */
export async function readings(page) {
    const pairs = await page.evaluate(() => window.delays);
    return pairs.map(([shown, delay]) => ({ shown, captured: shown - delay, delay }));
}

/** Seconds of the camera's time that were left out: a leap to the edge, or what an origin lost. */
export function skippedS(seen) {
    let skipped = 0;
    for (let at = 1; at < seen.length; at += 1) {
        const ahead = seen[at].captured - seen[at - 1].captured - (seen[at].shown - seen[at - 1].shown);
        if (ahead > JUMP_MS) skipped += ahead;
    }
    return skipped / 1000;
}

/** Seconds after `since` until a picture was shown that was taken after it; null if none was. */
export function recoveredS(seen, since) {
    const first = seen.find(({ captured }) => captured >= since);
    return first ? (first.shown - since) / 1000 : null;
}

/** The value below which so much of all lies; null of nothing. */
export function quantile(values, share) {
    const sorted = values.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}

/** Seconds between capture and screen: half of all pictures are not older, and so are 95 of 100. */
export function delaysS(seen) {
    const delays = seen.map(({ delay }) => delay / 1000);
    return { p50: quantile(delays, 0.5), p95: quantile(delays, 0.95) };
}
