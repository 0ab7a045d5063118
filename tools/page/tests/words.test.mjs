// The words of an answer, and numbers, are those of Python in every language: vectors/words.json.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { imported } from "./bundle.mjs";

const said = await imported("said.ts");
const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url)));
const { numbers, written, cases, spoken } = read("../vectors/words.json");
const statistics = new Map(read("../vectors/statistics.json").map((one) => [one.case.seed, one]));

for (const [code, rows] of Object.entries(written)) {
  test(`numbers in ${code}`, () => {
    const words = new said.Language(code, spoken[code]);
    numbers.forEach((value, at) => {
      assert.deepEqual([
        words.decimals(value, 0), words.decimals(value, 3), words.share(value), words.level(value), words.rounded(value),
        words.pValue(value),
      ], rows[at], String(value));
    });
  });
}

for (const { seed, without, words: wanted } of cases) {
  test(`words of case ${seed}${without ? ` without ${without}` : ""}`, () => {
    const { case: one, answer } = statistics.get(seed), verdict = { ...answer.verdict };
    if (without) verdict[without] = null;
    const found = {
      verdict, controls: [], images: one.asked, flagged: seed % 3, alpha: one.alpha, members: one.members,
      drawnFrom: seed % 2 ? one.asked * 7 : null,
    };
    for (const [code, texts] of Object.entries(wanted)) {
      const words = new said.Language(code, spoken[code]);
      assert.deepEqual({
        name: words.say(said.NAMES[verdict.kind]),
        sentence: said.sentence(found, words),
        not_meant: said.notMeant(found, words),
        error_rate: said.errorRate(found, words),
        second: said.secondWords(found, words),
        share: said.shareWords(found, words),
        noticed: said.noticedWords(found, words),
        units: said.unitsWords(found, words),
        drawn: said.drawnWords(found, words),
        flagged: said.flaggedWords(found, words),
      }, texts, code);
    }
  });
}

test("every message of the page is in the catalogues", async () => {
  const folder = new URL("../src/", import.meta.url), messages = new Set(Object.keys(spoken.de.messages));
  const html = readFileSync(new URL("../../../onnxmint/page/page.html", import.meta.url), "utf8");
  const asked = new Set([...html.matchAll(/data-say="([^"{]+)"/g)].map((found) => found[1]));
  for (const name of readdirSync(folder).filter((one) => one.endsWith(".ts"))) {
    const text = readFileSync(new URL(name, folder), "utf8").replace(/"\s*\n?\s*\+ "/g, "");
    for (const found of text.matchAll(/(?:\btell|\bsay|new Told)\(\s*"([^"]+)"/g)) asked.add(found[1]);
  }
  for (const message of asked) assert.ok(messages.has(message), `not in the catalogues: ${message}`);
  assert.ok(asked.size > 50, String(asked.size));
});
