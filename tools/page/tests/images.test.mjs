// Images become the pixels that Python makes of them: files and answers in vectors/images.json.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { imported } from "./bundle.mjs";

globalThis.ImageData ??= class {
  constructor(data, width, height) { Object.assign(this, { data, width, height }); }
};
const images = await imported("images.ts");
const { specs, files } = JSON.parse(readFileSync(new URL("../vectors/images.json", import.meta.url)));
const compiled = (path) => new WebAssembly.Module(readFileSync(new URL(`../node_modules/@jsquash/${path}`, import.meta.url)));
await images.openDecoders({
  jpeg: compiled("jpeg/codec/dec/mozjpeg_dec.wasm"),
  png: compiled("png/codec/pkg/squoosh_png_bg.wasm"),
  webp: compiled("webp/codec/dec/webp_dec.wasm"),
});
const sha256 = (data) => createHash("sha256").update(data).digest("hex");

async function made(decode) {
  try {
    return { pixels: await decode() };
  } catch (problem) {
    if (!(problem instanceof images.Refused)) throw problem;
    return { refused: problem.message };
  }
}

test("there are 111 files", () => assert.equal(files.length, 111));

for (const { name, data, page_alone: alone, upright_alone: uprightAlone, answer } of files) {
  test(`${name} is as in Python, or refused`, async (context) => {
    const bytes = Uint8Array.from(Buffer.from(data, "base64"));
    assert.equal(images.sha256(bytes), sha256(bytes));
    const { pixels: picture, refused } = await made(() => images.decoded(bytes)), pixels = picture?.rgb;
    if (refused?.startsWith("needs a browser")) return context.skip("only a browser decodes it: tests/page/test_in_browser.py");
    if (alone || answer.refused) return assert.ok(refused, "taken, though Python or the page's rule refuses it");
    assert.equal(refused, undefined);
    assert.equal(uprightAlone || Number(picture.orientation > 1), uprightAlone || answer.turned);
    assert.equal(images.digestOf(pixels).toString(16).padStart(16, "0"), answer.digest);
    assert.equal(images.perceptualHash(pixels).toString(16).padStart(16, "0"), answer.phash);
    assert.equal(Buffer.from(images.thumbnail(pixels)).toString("hex"), answer.thumb);
    for (const [key, wanted] of Object.entries(answer.made)) {
      const found = await made(() => images.prepared(picture, specs[key]));
      if (wanted.refused || (uprightAlone && specs[key].orientation === "apply")) {
        assert.ok(found.refused, `${key}: taken, but ${wanted.refused ?? "it has to be turned"}`);
        continue;
      }
      const { height, width, channels, level } = found.pixels ?? assert.fail(`${key}: ${found.refused}`);
      assert.deepEqual([height, width, channels], wanted.shape, key);
      assert.equal(sha256(level), wanted.sha256, key);
    }
  });
}

test("sizes around a block hash as Node hashes them", () => {
  for (const size of [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 1000]) {
    const data = Uint8Array.from({ length: size }, (_, at) => at * 7);
    assert.equal(images.sha256(data), sha256(data), String(size));
  }
});
