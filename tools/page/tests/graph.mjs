// What an auditor's own graph gives in a browser's runtime, every output of it: the page asks for some only.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { options } from "../options.mjs";

const modules = (path) => readFileSync(new URL(`../node_modules/${path}`, import.meta.url));

/** Runs inside the page. */
async function runGraph([model, feeds]) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  ort.env.wasm.wasmBinary = bytes(document.getElementById("runtime").textContent).buffer;
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(bytes(model), { executionProviders: ["wasm"] });
  const kinds = { uint8: Uint8Array, int64: BigInt64Array };
  const given = Object.fromEntries(Object.entries(feeds).map(([name, { type, dims, data }]) => (
    [name, new ort.Tensor(type, new kinds[type](bytes(data).buffer), dims)]
  )));
  const found = await session.run(given);
  return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, Array.from(data, Number)]));
}

/** Every output of a graph for what is fed to it, as plain numbers. */
export async function graphOutputs(browser, folder, { model, feeds }) {
  const { outputFiles } = await build({
    ...options, stdin: { contents: 'export * from "onnxruntime-web/wasm"', resolveDir: new URL("..", import.meta.url).pathname },
    format: "iife", globalName: "ort", platform: "browser",
  });
  const place = join(folder, "graph.html");
  const runtime = modules("onnxruntime-web/dist/ort-wasm-simd-threaded.wasm").toString("base64");
  writeFileSync(place, `<!doctype html><meta charset="utf-8"><title>graph</title><script type="text/plain" id="runtime">${
    runtime}</script><script>${outputFiles[0].text}\nwindow.runGraph = ${runGraph};</script>`);
  await browser.goto(pathToFileURL(place).href);
  return browser.run((given) => window.runGraph(given), [readFileSync(model).toString("base64"), feeds]);
}
