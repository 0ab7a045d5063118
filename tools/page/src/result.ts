// From what was observed to report.json and scores.csv: onnxmint/workflows/auditing.py and report/csv_file.py.

import { clip, quantiles, Row, rowOf, searchLeft } from "./arrays.ts";
import { Answered } from "./answer.ts";
import { Control } from "./facts.ts";
import { count as grouped, general } from "./format.ts";
import { sha256 } from "./hashes.ts";
import { agreementOf, compareLabels, labelsControl } from "./labels.ts";
import { asUnits, groups as knownGroups, isGrouped, Measure, Units } from "./measure.ts";
import { nextSteps } from "./next_steps.ts";
import { numbersOf, PageFacts, Result } from "./page_facts.ts";
import { Judgement, judgeSet, Scored, stoppedBy } from "./verdict.ts";

const BINS = 48;
const DRAWN = [0.02, 0.999];
const CHANCE = 0.5;

export interface Skipped {
  path: string;
  reason: string;
}

/** All that was observed of the questioned images. */
export interface Seen {
  paths: string[]; // of the scored ones
  scored: Scored;
  predicted: Int32Array;
  label: number[] | null;
  digest: BigUint64Array;
  groups: Int32Array | null; // near copies; null when every image stands for itself
  skipped: Skipped[]; // that could not be read or scored
  known: Skipped[]; // that are known images
  looked: number; // images that were looked at
  everyDigest: bigint[]; // of all that can be decoded
  files: { sha256: string; size: number }[]; // all that could be opened
  sample: { asked: number; drawnFrom: number } | null;
  notes: string[];
}

export interface Row12 {
  path: string;
  score: number;
  p: number;
  q: number;
  flagged: boolean;
  probability: number | null;
}

export interface Finished {
  result: Result;
  csv: string;
  rows: Row12[]; // by rising p-value
  answered: Answered;
}

export function finished(facts: PageFacts, measure: Measure, seen: Seen, created: string): Finished {
  const units = asUnits(seen.scored.score, seen.groups, measure.yardstick, seen.digest);
  const controls = controlsOf(facts, seen), { rule } = facts.result;
  const judged = judgeSet(seen.scored, units, measure, controls, rule), flagged = judged.flagged.filter(Boolean).length;
  const result: Result = { ...facts.result };
  Object.assign(result, {
    created,
    statistics: {
      ...facts.result.statistics, prior: judged.priorWords, units: isGrouped(units) ? "groups" : "images",
    },
    identity: { ...facts.result.identity, questioned: identityOf(seen.everyDigest) },
    questioned: {
      ...facts.result.questioned as object,
      images: seen.paths.length,
      flagged,
      alpha: rule.alpha,
      prior: judged.prior,
      skipped: [...seen.skipped, ...seen.known],
      unnamed: {},
      listed: listFacts(seen.files),
      drawn_from: seen.sample?.drawnFrom ?? null,
      looks: [],
    },
    verdict: judged.verdict,
    controls,
    histogram: histogramOf(facts, judged.score),
    warnings: [...facts.result.warnings, ...warningsOf(facts, measure, seen, units, judged, controls)],
    next_steps: nextSteps({
      verdict: judged.verdict,
      controls,
      members: facts.result.evidence.members,
      labels: facts.result.method.labels,
      views: facts.result.method.views,
      takesViews: facts.takes_views,
      strength: judged.strength,
      auc: measure.auc,
      questioned: units.score.count,
      rule,
    }),
  });
  const order = orderOf(judged);
  return {
    result,
    csv: csvOf(facts, seen, judged, order),
    rows: order.map((row) => ({
      path: seen.paths[row], score: judged.score[row], p: judged.pValue[row], q: judged.qValue[row],
      flagged: judged.flagged[row], probability: judged.probability?.[row] ?? null,
    })),
    answered: {
      verdict: judged.verdict, controls, images: seen.paths.length, flagged, alpha: rule.alpha,
      members: facts.result.evidence.members, drawnFrom: seen.sample?.drawnFrom ?? null,
    },
  };
}

function controlsOf(facts: PageFacts, seen: Seen): Control[] {
  let labels = labelsControl(null);
  if (facts.agreement !== null && seen.label !== null) {
    const asked = agreementOf(seen.label, seen.predicted, seen.groups, seen.digest);
    labels = labelsControl(compareLabels(asked, facts.agreement.members, facts.agreement.nonmembers));
  }
  return facts.result.controls.map((control) => (control.name === "labels" ? { ...control, ...labels } : control));
}

/** The SHA-256 of the pixels of all images, whatever their order and files. */
function identityOf(digests: bigint[]): string {
  const ordered = BigUint64Array.from(digests).sort(), bytes = new DataView(new ArrayBuffer(8 * ordered.length));
  ordered.forEach((digest, at) => bytes.setBigUint64(8 * at, digest, true));
  return sha256(new Uint8Array(bytes.buffer));
}

function listFacts(files: Seen["files"]): { images: number; bytes: number; sha256: string } {
  const lines = files.map((file) => `${file.sha256}\n`).sort().join("");
  return {
    images: files.length,
    bytes: files.reduce((total, file) => total + file.size, 0),
    sha256: sha256(new TextEncoder().encode(lines)),
  };
}

function histogramOf(facts: PageFacts, asked: Row): object {
  const member = numbersOf(facts.test_scores.member), nonmember = numbersOf(facts.test_scores.nonmember);
  const [low, high] = quantiles([...member, ...nonmember, ...asked], DRAWN), top = high > low ? high : low + 1;
  const step = (top - low) / BINS, edges = rowOf(BINS + 1, (at) => (at === BINS ? top : at * step + low));
  const counted = (values: Row) => {
    const ordered = values.map((value) => clip(value, low, top)).sort(), below = edges.map((edge) => searchLeft(ordered, edge));
    below[BINS] = ordered.length;
    return Array.from({ length: BINS }, (_, at) => below[at + 1] - below[at]);
  };
  return { edges: [...edges], member: counted(member), nonmember: counted(nonmember), questioned: counted(asked) };
}

function warningsOf(
  facts: PageFacts, measure: Measure, seen: Seen, units: Units, judged: Judgement, controls: Control[],
): string[] {
  const found = [...seen.notes], { alpha } = facts.result.rule, all = seen.looked;
  if (seen.skipped.length) {
    found.push(`${seen.skipped.length} of ${all} questioned images were skipped; the report names them.`);
  }
  if (seen.known.length) {
    found.push(`${seen.known.length} questioned images are known images of the evidence, or near copies of such; they `
      + "were not judged.");
  }
  if (measure.yardstick.group !== null && !isGrouped(units)) {
    found.push("The evidence has groups but the questioned images have none (--group): they were measured by one image "
      + "of each known group, and if many of them are near copies that were not noticed, the p-value is too small.");
  }
  const known = knownGroups(units.known).nonmember.length, smallest = 1 / (known + 1);
  if (smallest > alpha / 10) {
    found.push(`With ${known} held-out non-members no p-value can be below ${general(smallest, 3)}, so single images can `
      + "hardly be flagged; bring more known non-members.");
  }
  found.push(...sampleWords(seen), ...flagWarnings(facts, units, judged, controls));
  return found;
}

function sampleWords(seen: Seen): string[] {
  if (seen.sample === null) return [];
  return [`A sample was judged (--sample ${grouped(seen.sample.asked)}, --seed 0): ${grouped(seen.paths.length)} images, `
    + `drawn by a hash of their content from ${grouped(seen.sample.drawnFrom)} different images. The share of members is `
    + "an estimate for all of them; how many are members at least is said of those that were scored."];
}

function flagWarnings(facts: PageFacts, units: Units, judged: Judgement, controls: Control[]): string[] {
  const found: string[] = [], flagged = judged.flagged.filter(Boolean).length;
  const failed = stoppedBy(controls).map((control) => control.name).join(", "), { performance } = facts.result;
  if (flagged && failed) {
    found.push(`${flagged} images are flagged, but a control failed (${failed}): do not read them as findings.`);
  } else if (flagged && performance !== null && performance.auc.low <= CHANCE) {
    found.push(`${flagged} images are flagged although this audit could not tell members from non-members on known `
      + "images: do not read them as findings.");
  }
  if (flagged && isGrouped(units)) {
    const number = new Set(judged.flagged.flatMap((one, row) => (one ? [units.unit[row]] : []))).size;
    found.push(`Images that belong together are judged together: the ${flagged} flagged images are ${number} groups.`);
  }
  return found;
}

/** Images by rising p-value, of equal ones those of the highest scores first. */
function orderOf(judged: Judgement): number[] {
  return [...judged.score.keys()].sort((a, b) => (
    judged.pValue[a] - judged.pValue[b] || judged.score[b] - judged.score[a] || a - b
  ));
}

function csvOf(facts: PageFacts, seen: Seen, judged: Judgement, order: number[]): string {
  const names = facts.result.class_names, nameOf = (number: number | null) => harmless(names[number ?? -1] ?? "");
  const lines = [["path", "score", "p_value", "q_value", "flagged", "likelihood_ratio", "probability", "label",
    "predicted", "label_name", "predicted_name"]];
  for (const row of order) {
    const label = seen.label === null ? null : seen.label[row];
    lines.push([
      harmless(seen.paths[row]), python(judged.score[row]), python(judged.pValue[row]), python(judged.qValue[row]),
      judged.flagged[row] ? "True" : "False", judged.ratio === null ? "" : python(judged.ratio[row]),
      judged.probability === null ? "" : python(judged.probability[row]), label === null ? "" : String(label),
      String(seen.predicted[row]), nameOf(label), nameOf(seen.predicted[row]),
    ]);
  }
  const quoted = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return `\ufeff${lines.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("")}`;
}

/** A number as Python prints it. */
function python(value: number): string {
  const text = String(value);
  if (Number.isInteger(value) && !text.includes("e")) return `${text}.0`;
  if (Math.abs(value) >= 1e-4 && Math.abs(value) < 1e16) return text;
  const [mantissa, power] = value.toExponential().split("e");
  return `${mantissa}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

/** A text that no spreadsheet takes for a formula, and that hides nothing. */
export function harmless(text: string): string {
  const shown = visible(text), acts = /^[=+\-@\t\r\n|%]/;
  return acts.test(shown.trimStart()) || acts.test(text) ? `'${shown}` : shown;
}

export function visible(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (letter) => {
    const code = letter.codePointAt(0)!, hex = code.toString(16);
    if (code < 256) return `\\x${hex.padStart(2, "0")}`;
    return code < 65536 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
}


