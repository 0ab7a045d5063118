// Build what the page is made of into onnxmint/page/assets, or with --check compare it with what lies there.
// Compressed files are compared by what they hold: another zlib may pack the same bytes otherwise.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { options } from "./options.mjs";

const here = (path) => new URL(path, import.meta.url);
const assets = (name) => here(`../../onnxmint/page/assets/${name}`);
const modules = (path) => readFileSync(here(`node_modules/${path}`));
const sha256 = (data) => createHash("sha256").update(data).digest("hex");

async function script(entry) {
  const { outputFiles } = await build({
    ...options, entryPoints: [here(`src/${entry}`).pathname], format: "iife", platform: "browser", minify: true,
  });
  const text = outputFiles[0].text.trimEnd();
  if (/<\/script|<!--/i.test(text)) throw new Error(`${entry} would end its own element`);
  return Buffer.from(text);
}

async function style() {
  const { outputFiles } = await build({
    ...options, entryPoints: [here("src/page.css").pathname], minify: true, bundle: false,
  });
  return Buffer.from(outputFiles[0].text.trimEnd());
}

function licences() {
  const parts = [
    ["onnxruntime-web 1.30.0", readFileSync(here("licences/onnxruntime.txt"))],
    ["ONNX Runtime: third-party notices", readFileSync(here("licences/onnxruntime-third-party.txt"))],
    ["@jsquash/jpeg 1.6.0, @jsquash/png 3.1.1, @jsquash/webp 1.5.0", modules("@jsquash/jpeg/LICENSE")],
    ["decoder of @jsquash/jpeg", modules("@jsquash/jpeg/codec/LICENSE.codec.md")],
    ["decoder of @jsquash/png", modules("@jsquash/png/codec/LICENSE.codec.md")],
    ["decoder of @jsquash/webp", modules("@jsquash/webp/codec/LICENSE.codec.md")],
    ["erfc in special.ts, after fdlibm", "Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Developed at "
      + "SunPro, a Sun Microsystems, Inc. business. Permission to use, copy, modify, and distribute this software is "
      + "freely granted, provided that this notice is preserved."],
  ];
  return Buffer.from(parts.map(([name, text]) => `==== ${name} ====\n\n${text}\n`).join("\n"));
}

const made = {
  "page.js": await script("page.ts"),
  "worker.js": await script("worker.ts"),
  "threads.mjs": modules("onnxruntime-web/dist/ort-wasm-simd-threaded.mjs"),
  "page.css": await style(),
  "LICENCES.txt": licences(),
  "runtime.wasm.gz": modules("onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"),
  "jpeg.wasm.gz": modules("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm"),
  "png.wasm.gz": modules("@jsquash/png/codec/pkg/squoosh_png_bg.wasm"),
  "webp.wasm.gz": modules("@jsquash/webp/codec/dec/webp_dec.wasm"),
};
const hashes = {}, other = [];
for (const [name, content] of Object.entries(made)) {
  const packs = name.endsWith(".gz"), there = existsSync(assets(name)) ? readFileSync(assets(name)) : null;
  const same = there !== null && content.equals(packs ? gunzipSync(there) : there);
  if (!same) other.push(name);
  const kept = same ? there : packs ? gzipSync(content, { level: 9 }) : content;
  hashes[name] = sha256(kept);
  if (!same && !process.argv.includes("--check")) writeFileSync(assets(name), kept);
}
const listed = `${JSON.stringify(hashes, null, 1)}\n`;
if (!process.argv.includes("--check")) writeFileSync(assets("hashes.json"), listed);
else if (listed !== readFileSync(assets("hashes.json"), "utf8")) other.push("hashes.json");
if (process.argv.includes("--check") && other.length) {
  console.error(`not what the sources give: ${other.join(", ")}; run npm run build in tools/page and commit the assets`);
  process.exit(1);
}
console.log(process.argv.includes("--check") ? "the assets are what the sources give" : `written: ${other.join(", ")}`);
