// What becomes of the files of vectors/images.json in a browser: some only it can decode.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { options } from "../options.mjs";

const wasm = (path) => readFileSync(new URL(`../node_modules/@jsquash/${path}`, import.meta.url)).toString("base64");

/** Runs inside the page: from outside, Firefox shows arrays that are none. */
async function decodeAll([codes, listed, made]) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)), rows = [];
  const [jpeg, png, webp] = await Promise.all(codes.map((code) => WebAssembly.compile(bytes(code))));
  await images.openDecoders({ jpeg, png, webp });
  for (const data of listed) {
    try {
      const picture = await images.decoded(bytes(data)), row = { digest: images.digestOf(picture.rgb).toString(16) };
      for (const [name, spec] of Object.entries(made)) {
        try {
          row[name] = images.sha256(images.prepared(picture, spec).level);
        } catch (problem) { row[name] = null; }
      }
      rows.push(row);
    } catch (problem) { rows.push({ refused: String(problem) }); }
  }
  return rows;
}

/** For each file its digest and the SHA-256 of each preparation, or why it is refused. */
export async function decodedFiles(browser, folder) {
  const { outputFiles } = await build({
    ...options, entryPoints: [new URL("../src/images.ts", import.meta.url).pathname], format: "iife",
    globalName: "images", platform: "browser",
  });
  const place = join(folder, "decoder.html");
  const script = `${outputFiles[0].text}\nwindow.decodeAll = ${decodeAll};`;
  writeFileSync(place, `<!doctype html><meta charset="utf-8"><title>decoder</title><script>${script}</script>`);
  await browser.goto(pathToFileURL(place).href);
  const { files, specs } = JSON.parse(readFileSync(new URL("../vectors/images.json", import.meta.url)));
  const codes = ["jpeg/codec/dec/mozjpeg_dec.wasm", "png/codec/pkg/squoosh_png_bg.wasm", "webp/codec/dec/webp_dec.wasm"];
  return browser.run((given) => window.decodeAll(given), [codes.map(wasm), files.map(({ data }) => data), specs]);
}
