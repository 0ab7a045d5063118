// Open a page in headless Chromium, network off, choose a folder, and write what the page said:
//   node tests/open.mjs '{"page": "audit.html", "images": "folder", "out": "said.json", ...}'
// Further words: "model" (file to pick), "language", "shots" (folder of screenshots), "width", "dark", "sample", "address".

import { chromium } from "playwright-core";
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const asked = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"],
});
const context = await browser.newContext({
  offline: asked.address === undefined, acceptDownloads: true, locale: asked.language ?? "en-GB",
  viewport: { width: asked.width ?? 1000, height: 900 }, colorScheme: asked.dark ? "dark" : "light",
});
const page = await context.newPage(), said = { requests: [], problems: [], progress: [] };
page.on("request", (request) => {
  if (!/^(file|blob|data):/.test(request.url())) said.requests.push(request.url());
});
page.on("pageerror", (problem) => said.problems.push(String(problem)));
page.on("console", (message) => { if (message.type() === "error") said.problems.push(message.text()); });

async function shot(name) {
  if (asked.shots) await page.screenshot({ path: `${asked.shots}/${name}.png`, fullPage: true });
}

async function downloaded(button) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  return readFileSync(await download.path(), "utf8");
}

try {
  const begun = performance.now();
  await page.goto(asked.address ?? pathToFileURL(asked.page).href);
  if (asked.model) {
    await page.waitForSelector("#pick:not([hidden])");
    await page.setInputFiles("#model-file", asked.model);
  }
  await page.waitForFunction(() => !document.getElementById("folder").disabled, null, { timeout: 120_000 });
  said.ready = (performance.now() - begun) / 1000;
  said.threads = await page.evaluate(() => document.documentElement.dataset.threads);
  await shot("ready");
  const started = performance.now();
  await page.setInputFiles("#folder", asked.images);
  if (asked.sample) {
    await page.waitForSelector("#offer:not([hidden])", { timeout: 120_000 });
    await page.click("#sample");
  }
  if (asked.stop) await page.click("#stop");
  await page.waitForFunction(() => document.documentElement.dataset.ended === "1", null, { timeout: 280_000 });
  said.status = await page.textContent("#status");
  said.seconds = (performance.now() - started) / 1000;
  if (await page.isVisible("#saves")) {
    said.shown = await page.innerText("#answer");
    said.focus = await page.evaluate(() => document.activeElement?.id);
    await shot("answer");
    said.result = JSON.parse(await downloaded("#save-report"));
    said.csv = await downloaded("#save-scores");
    said.wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  }
} finally {
  await browser.close();
}
writeFileSync(asked.out, JSON.stringify(said));
