// What works beside the page, so that the page stays quick: images in, an answer out. Nothing here asks a network.

import * as ort from "onnxruntime-web/wasm";
import { decoded, openDecoders } from "./decode.ts";
import { Given, listed } from "./folders.ts";
import { count } from "./format.ts";
import { prepared } from "./geometry.ts";
import { sha256 } from "./hashes.ts";
import { copies, digestOf, knownAlready, Looks, perceptualHash, thumbnail } from "./looks.ts";
import { Measure } from "./measure.ts";
import { knownLooks, measureOf, PageFacts } from "./page_facts.ts";
import { ToPage, ToWorker } from "./protocol.ts";
import { Refused, Told } from "./refused.ts";
import { finished, Seen, Skipped } from "./result.ts";
import { batchesOf, Observed, Scorer } from "./scoring.ts";

const KEPT = 200_000_000; // bytes of prepared pixels that stay in memory; others are decoded again
const AT_ONCE = 8;

interface Opened {
  facts: PageFacts;
  measure: Measure;
  scorer: Scorer;
}

interface Looked {
  given: Given;
  label: number | null;
  digest: bigint;
  phash: bigint;
  thumb: Uint8Array;
  turned: boolean; // says that it is to be shown turned or mirrored
  pixels: Uint8Array | null;
}

class Stopped extends Error {}

let opened: Opened | null = null;
let stopping = false;
let most: number | null = null; // images of a sample that was asked for

const post = (message: ToPage) => self.postMessage(message);

/** Let messages arrive. */
function breathe(): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve); }).then(() => {
    if (stopping) throw new Stopped();
  });
}

async function open(message: Extract<ToWorker, { kind: "open" }>): Promise<void> {
  const { facts, binaries, model, threads } = message;
  ort.env.wasm.wasmBinary = binaries.runtime;
  ort.env.wasm.numThreads = threads === null ? 1 : Math.min(4, navigator.hardwareConcurrency || 1);
  if (threads !== null) ort.env.wasm.wasmPaths = { mjs: threads };
  ort.env.logLevel = "error";
  const [jpeg, png, webp] = await Promise.all([binaries.jpeg, binaries.png, binaries.webp].map((code) => (
    WebAssembly.compile(code)
  )));
  await openDecoders({ jpeg, png, webp });
  const session = await ort.InferenceSession.create(new Uint8Array(model), {
    executionProviders: ["wasm"], logSeverityLevel: 3,
  });
  opened = { facts, measure: measureOf(facts), scorer: new Scorer(session, facts) };
  post({ kind: "ready", threads: ort.env.wasm.numThreads });
}

async function judge(given: Given[]): Promise<void> {
  if (opened === null) return;
  const { facts } = opened, start = performance.now(), list = listed(given, facts.result.method.labels, facts.classes,
    facts.answers);
  if (!list.images.length) throw new Told("There is no image in what was chosen.");
  const files: Seen["files"] = [], skipped: Skipped[] = [], looked: Looked[] = [];
  let room = KEPT;
  for (const [at, one] of list.images.entries()) {
    if (at % 4 === 0) {
      post({ kind: "progress", step: "looking", done: at, all: list.images.length, left: null });
      await breathe();
    }
    const found = await look(one, list.label?.[at] ?? null, files, skipped, room > 0);
    if (found === null) continue;
    room -= found.pixels?.length ?? 0;
    looked.push(found);
  }
  const { fresh, known } = withoutKnown(looked, facts);
  if (!fresh.length) {
    throw new Told(known.length
      ? "All images that could be read are known to the auditor, so there is nothing to judge."
      : "None of the images could be read.");
  }
  const contents = inOrderOfSample(fresh), scored = await score(fresh, contents, skipped);
  const notes = [...notesOf(list.passedOver, list.unlabelled), ...turnedNote(looked)];
  const seen = seenOf(scored, { skipped, known, files, notes, looked: list.images.length, every: looked });
  if (most !== null && most < contents.length) seen.sample = { asked: most, drawnFrom: contents.length };
  const created = `${new Date().toISOString().slice(0, 19)}+00:00`;
  post({
    kind: "answer", ...finished(facts, opened.measure, seen, created), skipped: seen.skipped, known,
    seconds: (performance.now() - start) / 1000,
  });
}

/** Read and look at one image; null where it cannot be used. */
async function look(
  given: Given, label: number | null, files: Seen["files"], skipped: Skipped[], keep: boolean,
): Promise<Looked | null> {
  try {
    const data = await bytes(given);
    if (data.length) files.push({ sha256: sha256(data), size: data.length });
    const picture = await decoded(data), { rgb } = picture;
    return {
      given, label, digest: digestOf(rgb), phash: perceptualHash(rgb), thumb: thumbnail(rgb),
      turned: picture.orientation > 1,
      pixels: keep ? prepared(picture, opened!.facts.spec).level : null,
    };
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    skipped.push({ path: given.path, reason: problem.message });
    return null;
  }
}

async function bytes(given: Given): Promise<Uint8Array> {
  try {
    return new Uint8Array(await given.file.arrayBuffer());
  } catch {
    throw new Refused("cannot be read");
  }
}

function looksOf(looked: Looked[]): Looks {
  const thumb = new Uint8Array(192 * looked.length);
  looked.forEach((one, at) => thumb.set(one.thumb, 192 * at));
  return {
    digest: BigUint64Array.from(looked, (one) => one.digest), phash: BigUint64Array.from(looked, (one) => one.phash), thumb,
  };
}

/** Leave out known images and near copies of such. */
function withoutKnown(looked: Looked[], facts: PageFacts): { fresh: Looked[]; known: Skipped[] } {
  const known = knownLooks(facts), exact = new Map<bigint, boolean>();
  known.digest.forEach((digest, row) => exact.set(digest, exact.get(digest) || known.isMember[row] === 1));
  const near = known.phash.length ? knownAlready(looksOf(looked), known) : new Int32Array(looked.length).fill(-1);
  const found: Skipped[] = [], fresh: Looked[] = [];
  looked.forEach((one, at) => {
    const same = exact.get(one.digest), copy = near[at];
    if (same === undefined && copy < 0) {
      fresh.push(one);
      return;
    }
    const what = same !== undefined
      ? `a known ${same ? "member" : "non-member"}`
      : `a near copy of a known ${known.isMember[copy] === 1 ? "member" : "non-member"}`;
    found.push({ path: one.given.path, reason: `is ${what} of the evidence: nothing to test` });
  });
  return { fresh, known: found };
}

/** Places of different images in the random order that their content and the seed 0 decide. */
function inOrderOfSample(fresh: Looked[]): number[] {
  const first = new Map<bigint, number>();
  fresh.forEach((one, at) => { if (!first.has(one.digest)) first.set(one.digest, at); });
  const keyed = [...first].map(([digest, at]) => ({ at, key: sha256(new TextEncoder().encode(`0:${digest}`)) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ at }) => at);
}

interface ScoredImages {
  images: Looked[];
  observed: Observed[];
}

/** Show images to the auditor in the order of a sample, so that one can be asked for while it goes. */
async function score(fresh: Looked[], contents: number[], skipped: Skipped[]): Promise<ScoredImages> {
  const { scorer } = opened!, chosen = new Set(contents), rest = [...fresh.keys()].filter((at) => !chosen.has(at));
  const found: { at: number; observed: Observed }[] = [], order = [...contents, ...rest];
  let spent = 0, shown = 0, offered = false;
  for (const batch of batchesOf(order, scorer.batch ?? AT_ONCE)) {
    if (most !== null && most < contents.length && shown >= most) break;
    const wanted = most !== null && most < contents.length ? batch.slice(0, most - shown) : batch;
    await breathe();
    const begun = performance.now(), images = await Promise.all(wanted.map((at) => pixelsOf(fresh[at])));
    const observed = await scorer.observe(images, wanted.map((at) => fresh[at].label));
    spent += (performance.now() - begun) / 1000;
    shown += wanted.length;
    observed.forEach((one, place) => {
      if (one === null) skipped.push({ path: fresh[wanted[place]].given.path, reason: "the target gives NaN or infinity" });
      else found.push({ at: wanted[place], observed: one });
    });
    const each = spent / shown, all = most !== null ? Math.min(most, order.length) : order.length;
    post({ kind: "progress", step: "scoring", done: shown, all, left: each * (all - shown) });
    const { patience } = opened!.facts;
    if (!offered && most === null && each * (order.length - shown) > patience) {
      offered = true;
      const sample = Math.max(50, Math.round(patience / each / 10) * 10);
      if (sample < contents.length) {
        post({ kind: "offer", images: order.length, seconds: each * order.length, sample, sampleSeconds: each * sample });
      }
    }
  }
  if (most !== null && most < contents.length) most = shown; // it was asked for when more were scored already
  found.sort((a, b) => a.at - b.at);
  if (!found.length) throw new Told("None of the images could be scored.");
  return { images: found.map(({ at }) => fresh[at]), observed: found.map(({ observed }) => observed) };
}

async function pixelsOf(image: Looked): Promise<Uint8Array> {
  return image.pixels ?? prepared(await decoded(await bytes(image.given)), opened!.facts.spec).level;
}

function notesOf(passedOver: number, unlabelled: string[]): string[] {
  const found: string[] = [];
  if (passedOver) found.push(`Of the folder, these were passed over: ${passedOver} files that are no images by their name.`);
  if (unlabelled.length) {
    found.push(`Of the folder, these were passed over: ${unlabelled.length} images without a label among labelled ones `
      + `(${unlabelled.slice(0, 3).join(", ")}).`);
  }
  return found;
}

/** What to know where images say that they are to be shown turned. */
function turnedNote(looked: Looked[]): string[] {
  const turned = looked.filter((one) => one.turned).length;
  if (!turned) return [];
  const start = `${count(turned)} of ${count(looked.length)} images of the folder carry an EXIF orientation and were`;
  if (opened!.facts.spec.orientation === "apply") return [`${start} turned as it says.`];
  return [`${start} read as they are stored, as torchvision does; Hugging Face's datasets turn them: if the model was `
    + 'trained so, say orientation = "apply" in a TOML file (onnxmint check tries both).'];
}

interface Beside {
  skipped: Skipped[];
  known: Skipped[];
  files: Seen["files"];
  notes: string[];
  looked: number;
  every: Looked[];
}

function seenOf({ images, observed }: ScoredImages, beside: Beside): Seen {
  const { facts, scorer } = opened!, looks = looksOf(images), clusters = copies(looks);
  const some = (read: (one: Observed) => number | null) => (
    observed.some((one) => read(one) === null) ? null : Float64Array.from(observed, (one) => read(one)!)
  );
  const columns = (read: (one: Observed) => number[] | null) => {
    if (observed.some((one) => read(one) === null)) return null;
    return {
      value: Float64Array.from(observed.flatMap((one) => read(one)!)), count: observed.length, networks: scorer.networks,
    };
  };
  return {
    paths: images.map((one) => one.given.path),
    scored: {
      score: columns((one) => one.score)!,
      free: columns((one) => one.free),
      level: some((one) => one.level),
      freeLevel: some((one) => one.freeLevel),
    },
    predicted: Int32Array.from(observed, (one) => one.predicted),
    label: facts.result.method.labels ? images.map((one) => one.label!) : null,
    digest: looks.digest,
    groups: new Set(clusters).size < clusters.length ? clusters : null,
    skipped: beside.skipped,
    known: beside.known,
    looked: beside.looked,
    everyDigest: beside.every.map((one) => one.digest),
    files: beside.files,
    sample: null,
    notes: beside.notes,
  };
}

self.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
  try {
    if (data.kind === "open") await open(data);
    else if (data.kind === "stop") stopping = true;
    else if (data.kind === "sample") most = data.most;
    else {
      stopping = false;
      most = null;
      await judge(data.given);
    }
  } catch (problem) {
    if (problem instanceof Stopped) post({ kind: "stopped" });
    else if (problem instanceof Told) post({ kind: "failed", message: problem.message, values: problem.values });
    else post({ kind: "failed", message: "Something went wrong: {why}", values: { why: String(problem) } });
  }
};
