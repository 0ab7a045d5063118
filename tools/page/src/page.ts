// The page: what is chosen goes to the worker, what the worker says is shown. Nothing is fetched, nothing is sent.

import { answerView } from "./answer_view.ts";
import { ofDrop, ofInput } from "./chosen.ts";
import { byId, element, save } from "./elements.ts";
import { Given } from "./folders.ts";
import { sha256 } from "./hashes.ts";
import { Language } from "./language.ts";
import { bytesOf, PageFacts } from "./page_facts.ts";
import { Answer, Binaries, ToPage, ToWorker } from "./protocol.ts";

type Said = [string, Record<string, string | number>];

const FOLDER = document.documentElement.dataset.folder !== undefined; // parts lie beside the page, on a server
const UNHEARD = 10_000; // ms
const pictures = new Map<string, string>();
let facts: PageFacts;
let words: Language;
let worker: Worker;
let answer: Answer | null = null;
let files = new Map<string, File>();
let status: Said = ["Getting ready ...", {}];
let step = ""; // of a judgement
let read = 0; // when the status was last read out
let busy = true;
let ended = 0;
let licences: string | null = null;
let offer: Extract<ToPage, { kind: "offer" }> | null = null;

async function unpacked(data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** A part of the page: from a block of it, or from a file beside it. */
async function part(name: string): Promise<ArrayBuffer> {
  if (FOLDER) return unpacked(new Uint8Array(await (await fetch(`${name}.gz`)).arrayBuffer()));
  const block = byId(`part-${name}`), data = bytesOf(block.textContent ?? "");
  block.remove(); // the text is several times the part
  return unpacked(data);
}

function tell(message: string, values: Said[1] = {}, often = false): void {
  status = [message, values];
  show(words.say(message, values), often);
}

/** Write what is going on; what changes many times a second is read to who cannot see it every ten seconds only. */
function show(text: string, often = false): void {
  byId("status").textContent = text;
  if (often && performance.now() - read < UNHEARD) return;
  byId("heard").textContent = text;
  read = performance.now();
}

function ask(message: ToWorker, moved: Transferable[] = []): void {
  worker.postMessage(message, moved);
}

async function start(): Promise<void> {
  facts = JSON.parse(new TextDecoder().decode(await part("facts")));
  const wanted = [...navigator.languages.map((code) => code.slice(0, 2)), facts.language];
  speak(wanted.find((code) => code in facts.spoken) ?? "en");
  const scripts = FOLDER ? "worker.js" : URL.createObjectURL(new Blob([await part("worker")], { type: "text/javascript" }));
  worker = new Worker(scripts);
  worker.onmessage = ({ data }: MessageEvent<ToPage>) => { heard(data); };
  worker.onerror = (problem) => { failed(problem.message); };
  listen();
  if (facts.model.embedded) await open(await part("model"));
  else tell("This page needs the auditor's file {name} ({size} MB): choose it first.", modelWords());
}

function modelWords(): Said[1] {
  return { name: facts.model.name, size: words.decimals(facts.model.bytes / 1e6, 1) };
}

async function open(model: ArrayBuffer): Promise<void> {
  tell("Getting ready ...");
  const names = ["runtime", "jpeg", "png", "webp"] as const;
  const parts = await Promise.all(names.map((name) => part(name)));
  const binaries = Object.fromEntries(names.map((name, at) => [name, parts[at]])) as unknown as Binaries;
  const threads = FOLDER && crossOriginIsolated ? new URL("threads.mjs", location.href).href : null;
  ask({ kind: "open", facts, binaries, model, threads }, [model, ...parts]);
}

function failed(why: string): void {
  setBusy(false);
  tell("Something went wrong: {why}", { why });
}

function heard(message: ToPage): void {
  if (message.kind === "ready") {
    setBusy(false);
    document.documentElement.dataset.threads = String(message.threads);
    tell("Ready. Choose a folder of images.");
  } else if (message.kind === "progress") {
    progress(message);
  } else if (message.kind === "offer") {
    offer = message;
    showOffer();
  } else if (message.kind === "stopped") {
    setBusy(false);
    tell("Stopped. Nothing was judged.");
  } else if (message.kind === "failed") {
    setBusy(false);
    tell(message.message, message.values);
  } else {
    setBusy(false);
    answer = message;
    tell("Judged in {seconds} seconds.", { seconds: words.decimals(message.seconds, 1) });
    showAnswer();
    byId("verdict").focus();
  }
}

function progress({ step: now, done, all, left }: Extract<ToPage, { kind: "progress" }>): void {
  const bar = byId<HTMLProgressElement>("bar");
  bar.max = all;
  bar.value = done;
  const values = { done: words.number(done), all: words.number(all) };
  const minutes = left === null ? "" : words.decimals(left / 60, left < 600 ? 1 : 0);
  if (now === "looking") tell("Looking at the images: {done} of {all}", values, now === step);
  else tell("Asking the model: {done} of {all}, about {minutes} minutes left", { ...values, minutes }, now === step);
  step = now;
}

function showOffer(): void {
  byId("offer").hidden = offer === null;
  if (offer === null) return;
  byId("offer-words").textContent = words.say(
    "All {images} images take about {minutes} minutes. A random sample of {sample} takes about one.",
    {
      images: words.number(offer.images), minutes: words.decimals(offer.seconds / 60, 0),
      sample: words.number(offer.sample),
    },
  );
}

function setBusy(now: boolean): void {
  busy = now;
  byId("progress").hidden = !now;
  byId<HTMLInputElement>("folder").disabled = now;
  byId("drop").classList.toggle("busy", now);
  if (!now) {
    offer = null;
    showOffer();
    document.documentElement.dataset.ended = String(ended++); // of getting ready, then of each time images were chosen
  }
}

function judge(given: Given[]): void {
  if (busy) return;
  if (!given.length) {
    tell("There is no image in what was chosen.");
    return;
  }
  for (const address of pictures.values()) URL.revokeObjectURL(address);
  pictures.clear();
  answer = null;
  byId("answer").replaceChildren();
  byId("saves").hidden = true;
  files = new Map(given.map(({ path, file }) => [path, file]));
  setBusy(true);
  step = "";
  ask({ kind: "judge", given });
}

function picture(path: string): string | null {
  const file = files.get(path);
  if (file === undefined) return null;
  if (!pictures.has(path)) pictures.set(path, URL.createObjectURL(file));
  return pictures.get(path)!;
}

function showAnswer(): void {
  if (answer === null) return;
  byId("answer").replaceChildren(...answerView(answer, words, picture));
  byId("saves").hidden = false;
}

async function picked(input: HTMLInputElement): Promise<void> {
  const file = input.files?.[0];
  if (file === undefined) return;
  const model = await file.arrayBuffer(), hash = sha256(new Uint8Array(model));
  if (hash !== facts.model.sha256) {
    tell("That is another file: this page belongs to the auditor with SHA-256 {hash}.", { hash: facts.model.sha256 });
    return;
  }
  byId("pick").hidden = true;
  await open(model);
}

function listen(): void {
  const folder = byId<HTMLInputElement>("folder"), drop = byId("drop");
  folder.addEventListener("change", () => {
    if (folder.files !== null) judge(ofInput(folder.files));
    folder.value = "";
  });
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", () => { drop.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const items = (event as DragEvent).dataTransfer?.items;
    if (items !== undefined && !busy) {
      void ofDrop(items).then(judge, () => {
        tell("What was dropped cannot be read here: choose the folder with the button.");
      });
    }
  });
  byId("stop").addEventListener("click", () => { ask({ kind: "stop" }); });
  byId("sample").addEventListener("click", () => {
    if (offer !== null) ask({ kind: "sample", most: offer.sample });
    offer = null;
    showOffer();
  });
  byId("save-report").addEventListener("click", () => {
    if (answer !== null) save("report.json", "application/json", `${JSON.stringify(answer.result, null, 1)}\n`);
  });
  byId("save-scores").addEventListener("click", () => {
    if (answer !== null) save("scores.csv", "text/csv", answer.csv);
  });
  byId("save-licences").addEventListener("click", () => { void saveLicences(); });
  const model = byId<HTMLInputElement>("model-file");
  model.addEventListener("change", () => { void picked(model).catch((problem) => { failed(String(problem)); }); });
  byId("pick").hidden = facts.model.embedded;
  const language = byId<HTMLSelectElement>("language");
  language.append(...Object.entries(facts.spoken).map(([code, { name }]) => element("option", { value: code }, name)));
  language.value = words.code;
  language.addEventListener("change", () => { speak(language.value); });
}

async function saveLicences(): Promise<void> {
  licences ??= new TextDecoder().decode(await part("licences"));
  save("LICENCES.txt", "text/plain", licences);
}

/** Say everything in a language. */
function speak(code: string): void {
  words = new Language(code, facts.spoken[code]);
  document.documentElement.lang = code;
  for (const one of document.querySelectorAll<HTMLElement>("[data-say]")) one.textContent = words.say(one.dataset.say!);
  const { evidence, performance: measured, method } = facts.result, { auc } = measured ?? { auc: null };
  const known = words.number(evidence.members + evidence.nonmembers);
  byId("known").textContent = known;
  byId("auc").textContent = auc === null
    ? words.say("unknown")
    : `${words.decimals(auc.value, 3)} (${words.decimals(auc.low, 3)} – ${words.decimals(auc.high, 3)})`;
  byId("model").textContent = `${facts.model.name}, SHA-256 ${facts.model.sha256.slice(0, 16)}`;
  const classes = facts.classes?.names.slice(0, 12).join(", ") ?? "0, 1, 2";
  byId("classes").textContent = method.labels
    ? words.say("The folder has to hold one sub-folder for each class: {classes}.", { classes })
    : "";
  show(words.say(...status));
  showOffer();
  showAnswer();
}

start().catch((problem) => {
  show(`Something went wrong: ${String(problem)}. Use a current Firefox, Chrome or Edge.`);
});
