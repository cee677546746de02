// Real browsers for tests.
import puppeteer from "puppeteer-core";

export async function startChromium() {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
      "--disable-features=WebRtcHideLocalIpsWithMdns", "--disable-background-timer-throttling",
      "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows"],
  });
}

/** A page of its own browser context: nothing is shared with other pages, no cache. Errors of the page are collected. */
export async function openPage(browser, url) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(error.message));
  page.on("console", (message) => { if (process.env.VERBOSE) console.log(`[page] ${message.text()}`); });
  await page.goto(url);
  return page;
}

/** Waits until `check` (run in the page) gives something true, and returns it. */
export async function until(page, check, timeoutMs = 20_000, ...args) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await page.evaluate(check, ...args);
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
