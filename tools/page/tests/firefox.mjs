// One page in headless Firefox, driven by what is in every Firefox: Marionette, the protocol behind geckodriver.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LONGEST = 60_000; // ms that starting takes on a busy machine

const pause = (time) => new Promise((resolve) => { setTimeout(resolve, time); });

async function until(asked, most, what) {
  for (const end = performance.now() + most; performance.now() < end; await pause(30)) {
    const found = await asked();
    if (found) return found;
  }
  throw new Error(`Firefox: ${what} within ${most / 1000} seconds`);
}

function preferences({ dark, language, downloads }) {
  return {
    "marionette.port": 0, "browser.startup.page": 0, "browser.shell.checkDefaultBrowser": false,
    "datareporting.policy.dataSubmissionEnabled": false, "app.update.enabled": false, "browser.backup.enabled": false,
    "network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false,
    "services.settings.server": "", "extensions.getAddons.cache.enabled": false,
    "browser.safebrowsing.provider.google4.updateURL": "", "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.newtabpage.enabled": false, "browser.topsites.contile.enabled": false,
    "dom.filesystem.pathcheck.disabled": true, // the test chooses folders, where a person would
    "layout.css.prefers-color-scheme.content-override": dark ? 0 : 1, "intl.accept_languages": language,
    "browser.download.folderList": 2, "browser.download.dir": downloads,
    "browser.download.always_ask_before_handling_new_types": false, "browser.download.alwaysOpenPanel": false,
  };
}

export async function openFirefox({ width = 1000, dark = false, language = "en-GB" } = {}) {
  const home = mkdtempSync(join(tmpdir(), "firefox-"));
  const wanted = preferences({ dark, language, downloads: home });
  writeFileSync(join(home, "user.js"), Object.entries(wanted).map(([name, value]) => (
    `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`
  )).join("\n"));
  const child = spawn(process.env.FIREFOX ?? "/usr/bin/firefox-esr", [
    "--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", home, "about:blank",
  ], { env: { PATH: "/usr/bin:/bin", HOME: home, MOZ_CRASHREPORTER_DISABLE: "1" }, stdio: "ignore" });
  process.once("exit", () => { child.kill("SIGKILL"); }); // whatever a test ends by
  const port = join(home, "MarionetteActivePort");
  await until(() => existsSync(port) && Number(readFileSync(port, "utf8")), LONGEST, "did not start");
  const found = new Firefox(child, home, await connected(Number(readFileSync(port, "utf8"))));
  await found.begin(width);
  return found;
}

/** A connection that answers each command: messages are JSON behind their length. */
async function connected(port) {
  const socket = createConnection(port, "127.0.0.1"), waiting = new Map();
  let rest = Buffer.alloc(0), sent = 0;
  socket.on("data", (data) => {
    rest = Buffer.concat([rest, data]);
    for (let colon; (colon = rest.indexOf(":")) > 0;) {
      const end = colon + 1 + Number(rest.subarray(0, colon));
      if (rest.length < end) return;
      const message = JSON.parse(rest.subarray(colon + 1, end));
      rest = rest.subarray(end);
      if (!Array.isArray(message)) continue; // it says hello
      const [, number, problem, result] = message, { take, refuse } = waiting.get(number);
      if (problem) refuse(new Error(`Firefox: ${problem.error}: ${problem.message}`));
      else take(result);
    }
  });
  await new Promise((take, refuse) => { socket.once("connect", take).once("error", refuse); });
  return {
    send: (name, given = {}) => new Promise((take, refuse) => {
      const message = JSON.stringify([0, ++sent, name, given]);
      waiting.set(sent, { take, refuse });
      socket.write(`${Buffer.byteLength(message)}:${message}`);
    }),
    end: () => socket.destroy(),
  };
}

class Firefox {
  constructor(child, home, connection) {
    Object.assign(this, { child, home, connection });
  }

  async begin(width) {
    await this.connection.send("WebDriver:NewSession", { capabilities: { alwaysMatch: { timeouts: { script: 300_000 } } } });
    await this.connection.send("WebDriver:SetWindowRect", { width: 1300, height: 1000 });
    await this.inChrome((wide) => {
      Services.io.offline = true;
      const seen = window.asked = [], shown = window.gBrowser.selectedBrowser;
      Services.obs.addObserver((subject) => {
        const channel = subject.QueryInterface(Ci.nsIHttpChannel);
        if (channel.loadInfo?.browsingContextID) seen.push(channel.URI.spec); // the browser's own have none
      }, "http-on-modify-request");
      Services.console.reset();
      shown.style.minWidth = shown.style.maxWidth = `${wide}px`;
      shown.style.minHeight = shown.style.maxHeight = "900px";
    }, width);
  }

  async inChrome(made, given) {
    await this.connection.send("Marionette:SetContext", { value: "chrome" });
    try {
      return await this.evaluated(made, given);
    } finally {
      await this.connection.send("Marionette:SetContext", { value: "content" });
    }
  }

  async evaluated(made, given, sandbox) {
    const { value } = await this.connection.send("WebDriver:ExecuteAsyncScript", {
      script: `const [given, done] = arguments;
        (async () => (${made})(given))().then((value) => done({ value }), (problem) => done({ problem: String(problem) }));`,
      args: [given], ...(sandbox ? { sandbox } : {}),
    });
    if (value.problem !== undefined) throw new Error(value.problem);
    return value.value;
  }

  async heard() {
    return this.inChrome(() => {
      const requests = window.asked.splice(0), problems = Services.console.getMessageArray().flatMap((message) => {
        if (!(message instanceof Ci.nsIScriptError) || message.flags & Ci.nsIScriptError.warningFlag) return [];
        return /^(file|blob|http)/.test(message.sourceName) ? [message.errorMessage] : [];
      });
      Services.console.reset();
      return { requests, problems };
    });
  }

  async network(on) {
    await this.inChrome((now) => { Services.io.offline = !now; }, on);
  }

  async goto(address) {
    await this.connection.send("WebDriver:Navigate", { url: address });
  }

  async run(made, given) {
    return this.evaluated(made, given);
  }

  async until(made, most = 120_000) {
    await until(() => this.run(made), most, `not ${made}`);
  }

  async click(selector) {
    await this.run((one) => { document.querySelector(one).click(); }, selector);
  }

  async choose(selector, path) {
    await this.evaluated(async ([one, place]) => {
      const input = document.querySelector(one);
      const chosen = input.webkitdirectory ? new Directory(place) : await File.createFromFileName(place);
      input.mozSetDndFilesAndDirectories([chosen]);
    }, [selector, path], "system");
  }

  /** Drop a folder. Only a hand can fill the list of a drop; the folder's entries are those that it would be given. */
  async drop(path) {
    await this.evaluated((place) => {
      const input = document.createElement("input");
      Object.assign(input, { type: "file", id: "dropped", hidden: true });
      document.body.append(input);
      input.mozSetDndFilesAndDirectories([new Directory(place)]);
    }, path, "system");
    await this.run(() => {
      const [entry] = document.getElementById("dropped").webkitEntries;
      const items = [{ kind: "file", webkitGetAsEntry: () => entry }];
      const event = new DragEvent("drop", { bubbles: true, cancelable: true });
      Object.defineProperty(event, "dataTransfer", { value: { items } });
      document.getElementById("drop").dispatchEvent(event);
      document.getElementById("dropped").remove();
    });
  }

  async saved(selector) {
    const before = new Set(readdirSync(this.home));
    await this.click(selector);
    const name = await until(() => {
      const made = readdirSync(this.home).filter((one) => !before.has(one) && /\.(json|csv|txt|part)$/.test(one));
      return made.length === 1 && !made[0].endsWith(".part") && readFileSync(join(this.home, made[0])).length ? made[0] : "";
    }, 20_000, `${selector} gave no file`);
    return readFileSync(join(this.home, name), "utf8");
  }

  async shot(path) {
    const { value } = await this.connection.send("WebDriver:TakeScreenshot", { full: true });
    writeFileSync(path, Buffer.from(value, "base64"));
  }

  async close() {
    const gone = new Promise((resolve) => { this.child.once("exit", resolve); });
    await this.connection.send("Marionette:Quit", { flags: ["eForceQuit"] }).catch(() => this.child.kill("SIGKILL"));
    await gone;
    this.connection.end();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}
