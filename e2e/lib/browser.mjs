// Headless Chromium, and viewers in it: each a browser context of its own (own cache, own connections, own window).

import puppeteer from "puppeteer-core";
import { chromium } from "./paths.mjs";
import { probeSource } from "./probe.mjs";

const FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    // Every viewer counts as looked at: a real one's tab is in front.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    // The addresses of this machine, not mDNS names: containers often have no multicast.
    "--disable-features=WebRtcHideLocalIpsWithMdns,CalculateNativeWinOcclusion",
];

/** @returns {Promise<import("puppeteer-core").Browser>} */
export async function browser({ flags = [], executablePath = chromium() } = {}) {
    return puppeteer.launch({
        executablePath,
        headless: true,
        pipe: true,
        args: [...FLAGS, ...flags],
        // The harness closes it in order.
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
    });
}

/** Any of Chromium's processes may be slow to come up on a busy machine. */
const OPEN_MS = 60_000;

/**
 * Opens one viewer. `scripts` run in the page before its own.
 *
 * @param {import("puppeteer-core").Browser} chromium
 * @param {{ name: string, url: string, hash?: boolean, scripts?: string[], size?: { width: number, height: number } }} what
 */
export async function viewer(chromium, { name, url, hash = false, scripts = [], size = { width: 400, height: 240 } }) {
    const context = await chromium.createBrowserContext();
    const page = await context.newPage();
    const log = [];
    page.on("console", (message) => log.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => log.push(`pageerror: ${error.message}`));
    await page.setViewport(size);
    await page.setUserAgent({ userAgent: `${await chromium.userAgent()} viewer/${name}` });
    await page.evaluateOnNewDocument(probeSource({ hash }));
    for (const script of scripts) await page.evaluateOnNewDocument(script);
    const opened = performance.now();
    await page.goto(url, { waitUntil: "domcontentloaded", timeout: OPEN_MS });
    return {
        name,
        page,
        log,
        openedAt: opened,
        /** What the probe saw. */
        probe: () => page.evaluate(() => window.readProbe()),
        /** What the engine says of itself; null where there is none. */
        stats: () => page.evaluate(() => {
            const engine = window.braidcast ?? window.player?.engine ?? null;
            return engine?.stats ? JSON.parse(JSON.stringify(engine.stats())) : null;
        }),
        /** Resolves when `test` (run in the page) holds; fails with the page's log after `ms`. */
        async until(test, what, ms = 30_000) {
            try {
                await page.waitForFunction(test, { timeout: ms, polling: 100 });
            } catch {
                const seen = await page.evaluate(() => window.readProbe()).catch(() => null);
                throw new Error(`viewer ${name}: not ${what} within ${ms / 1000} s\n${JSON.stringify(seen)}\n${log.join("\n")}`);
            }
        },
        close: () => context.close(),
    };
}
