// One page in headless Chromium, as the tests drive it; firefox.mjs drives the other browser by the same words.

import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

export async function openChromium({ width = 1000, dark = false, language = "en-GB" } = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"],
  });
  const context = await browser.newContext({
    offline: true, acceptDownloads: true, locale: language, viewport: { width, height: 900 },
    colorScheme: dark ? "dark" : "light",
  });
  return new Chromium(browser, await context.newPage());
}

class Chromium {
  constructor(browser, page) {
    Object.assign(this, { browser, page, requests: [], problems: [], choosing: false });
    page.on("filechooser", () => { this.choosing = true; }); // from the beginning: a later ear may miss the first
    page.on("request", (request) => {
      if (!/^(file|blob|data):/.test(request.url())) this.requests.push(request.url());
    });
    page.on("pageerror", (problem) => this.problems.push(String(problem)));
    page.on("console", (message) => { if (message.type() === "error") this.problems.push(message.text()); });
  }

  /** Requests to a network, and errors, since this was asked before. */
  async heard() {
    return { requests: this.requests.splice(0), problems: this.problems.splice(0) };
  }

  async network(on) {
    await this.page.context().setOffline(!on);
  }

  async goto(address) {
    await this.page.goto(address);
  }

  /** What a function gives in the page; it sees nothing of what is around it here. */
  async run(made, given) {
    return this.page.evaluate(made, given);
  }

  async until(made, most = 120_000) {
    await this.page.waitForFunction(made, null, { timeout: most });
  }

  async click(selector) {
    await this.page.click(selector);
  }

  /** Choose a folder, or a file where the input takes files. */
  async choose(selector, path) {
    await this.page.setInputFiles(selector, path);
  }

  /** Drop a folder onto the page. */
  async drop(path) {
    const session = await this.page.context().newCDPSession(this.page);
    const data = { items: [], files: [path], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"]) {
      await session.send("Input.dispatchDragEvent", { type, x: 300, y: 300, data });
    }
  }

  /** The text of the file that a button gives. */
  async saved(selector) {
    const [download] = await Promise.all([this.page.waitForEvent("download"), this.page.click(selector)]);
    return readFileSync(await download.path(), "utf8");
  }

  async shot(path) {
    await this.page.screenshot({ path, fullPage: true });
  }

  /** What a screen reader is told, as lines of roles and names. */
  async spoken() {
    return this.page.locator("body").ariaSnapshot();
  }

  /** The elements that the key Tab comes to, one after the other. */
  async tabs() {
    await this.page.evaluate(() => {
      document.body.tabIndex = -1; // the focus goes on from where it was, even where nothing has it
      document.body.focus();
    });
    const found = [];
    for (;;) {
      await this.page.keyboard.press("Tab");
      const name = await this.page.evaluate(() => document.activeElement.id || document.activeElement.tagName);
      if (name === "BODY" || name === found[0]) return found;
      found.push(name);
    }
  }

  /** Whether a key on an element opens the browser's own choice of files. */
  async keyed(selector, key) {
    await this.page.focus(selector);
    await this.page.keyboard.press(key);
    for (const end = performance.now() + 10_000; !this.choosing && performance.now() < end;) {
      await this.page.waitForTimeout(50);
    }
    return this.choosing;
  }

  async close() {
    await this.browser.close();
  }
}
