// Open a page in a headless browser, network off, choose a folder, and write what the page said:
//   node tests/open.mjs '{"page": "audit.html", "images": "folder", "out": "said.json", ...}'
// Further words: "browser" ("firefox"), "model" (file to pick), "drop", "language", "shots" (folder of screenshots),
// "width", "dark", "sample", "stop", "address" (of a page on a server), "leaks" (try all ways out), "files" (decode those
// of the vectors), "spoken" (what a screen reader is told), "graph" (run an auditor's own graph), "entries" (no handles of what is
// dropped, as in older browsers), "also" (further pages in the same browser, each by what is otherwise).

import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { openBrowser } from "./browsers.mjs";
import { decodedFiles } from "./decoding.mjs";
import { graphOutputs } from "./graph.mjs";
import { waysOut } from "./leaks.mjs";

const wanted = JSON.parse(process.argv[2]), aside = dirname(wanted.out);
const browser = await openBrowser(wanted.browser, { width: wanted.width, dark: wanted.dark, language: wanted.language });

async function shot(folder, name) {
  if (!folder) return;
  await browser.run(() => { for (const one of document.images) one.loading = "eager"; });
  await browser.until(() => [...document.images].every((one) => one.complete));
  await browser.shot(`${folder}/${name}.png`);
}

/** Click a button as soon as what holds it is shown: from here it might be too late. */
async function clickOnce(holder, button) {
  await browser.run(([around, within]) => {
    new MutationObserver((_, observer) => {
      observer.disconnect();
      document.getElementById(within).click();
    }).observe(document.getElementById(around), { attributes: true, attributeFilter: ["hidden"] });
  }, [holder, button]);
}

/** Keep what the page shows of its progress, and what it reads out. */
async function listen() {
  await browser.run(() => {
    for (const name of ["status", "heard"]) {
      const place = document.getElementById(name), heard = [];
      new MutationObserver(() => {
        heard.push(place.textContent);
        document.documentElement.dataset[name] = JSON.stringify(heard);
      }).observe(place, { childList: true, characterData: true, subtree: true });
    }
  });
}

async function begin(asked) {
  await browser.network(asked.address !== undefined);
  await browser.goto(asked.address ?? pathToFileURL(asked.page).href);
  if (asked.model) {
    await browser.until(() => document.getElementById("pick")?.hidden === false);
    await browser.choose("#model-file", asked.model);
  }
  await browser.until(() => document.getElementById("folder")?.disabled === false);
  await listen();
  if (asked.sample) await clickOnce("offer", "sample");
  if (asked.stop) await clickOnce("progress", "stop");
  await shot(asked.shots, "ready");
}

/** Keep what a page says of itself to who cannot see it, before anything is asked. */
async function read(asked, said) {
  if (!asked.spoken) return;
  said.keyed = await browser.keyed("#folder", "Enter");
  said.first = await browser.spoken();
}

/** What a page says of a folder. */
async function judged(asked) {
  const begun = performance.now();
  await begin(asked);
  const started = performance.now(), said = { ready: (started - begun) / 1000 };
  await read(asked, said);
  said.threads = await browser.run(() => document.documentElement.dataset.threads);
  if (asked.entries) await browser.run(() => { delete DataTransferItem.prototype.getAsFileSystemHandle; });
  if (asked.drop) await browser.drop(asked.images);
  else await browser.choose("#folder", asked.images);
  await browser.until(() => {
    const { ended, status } = document.documentElement.dataset; // nothing begins where nothing can be read
    return ended === "1" || (status !== undefined && document.getElementById("progress").hidden);
  }, 280_000);
  said.seconds = (performance.now() - started) / 1000;
  said.status = await browser.run(() => document.getElementById("status").textContent);
  const { status, heard } = await browser.run(() => ({ ...document.documentElement.dataset }));
  Object.assign(said, { progress: JSON.parse(status), heard: JSON.parse(heard) });
  if (await browser.run(() => !document.getElementById("saves").hidden)) {
    said.shown = await browser.run(() => document.getElementById("answer").innerText);
    said.focus = await browser.run(() => document.activeElement?.id);
    await shot(asked.shots, "answer");
    said.result = JSON.parse(await browser.saved("#save-report"));
    said.csv = await browser.saved("#save-scores");
    said.wide = await browser.run(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (asked.spoken) Object.assign(said, { spoken: await browser.spoken(), tabs: await browser.tabs() });
  }
  return Object.assign(said, await browser.heard());
}

try {
  const said = await judged(wanted);
  await browser.network(true);
  if (wanted.leaks) said.ways = await waysOut(browser, aside);
  if (wanted.files) said.files = await decodedFiles(browser, aside);
  if (wanted.graph) said.graph = await graphOutputs(browser, aside, wanted.graph);
  await browser.heard(); // of tests, not of a page
  said.also = [];
  for (const other of wanted.also ?? []) said.also.push(await judged({ ...wanted, ...other }));
  writeFileSync(wanted.out, JSON.stringify(said));
} finally {
  await browser.close();
}
