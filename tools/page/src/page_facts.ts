// What onnxmint page embeds: onnxmint/page/facts.py writes it.

import { Agreement, Control, Rule } from "./facts.ts";
import { Spec } from "./geometry.ts";
import { Spoken } from "./language.ts";
import { Looks } from "./looks.ts";
import { Measure, Yardstick } from "./measure.ts";
import { Estimate } from "./share.ts";

export interface PackedArray {
  dtype: string;
  data: string;
}

export interface Numbering {
  names: string[];
  numbers: number[];
}

/** report.json, of which only what is read here has a type. */
export interface Result {
  controls: Control[];
  method: { views: number; labels: boolean; folds: number; title: string };
  evidence: { members: number; nonmembers: number };
  performance: { auc: Estimate } | null;
  class_names: string[];
  warnings: string[];
  rule: Rule;
  statistics: Record<string, string>;
  identity: { evidence: string; questioned: string };
  [other: string]: unknown;
}

export interface PageFacts {
  schema: string;
  language: string;
  spec: Spec;
  input: { image: string; label: string | null; shape: [number, number, number] };
  outputs: Record<string, string>;
  classes: Numbering | null;
  answers: number;
  measure: Record<string, PackedArray | null> & { auc: Estimate | null };
  test_scores: { member: PackedArray; nonmember: PackedArray };
  agreement: { members: Agreement; nonmembers: Agreement } | null;
  known: Record<"digest" | "is_member" | "phash" | "thumb", PackedArray>;
  patience: number; // seconds from which a sample is offered
  takes_views: boolean;
  result: Result;
  spoken: Record<string, Spoken>;
  model: { name: string; bytes: number; sha256: string; embedded: boolean };
}

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const letters = atob(text.trim()), found = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at++) found[at] = letters.charCodeAt(at);
  return found;
}

const KINDS = {
  uint8: Uint8Array, int8: Int8Array, int32: Int32Array, int64: BigInt64Array, uint64: BigUint64Array,
  float32: Float32Array, float64: Float64Array,
};

type AnyArray = InstanceType<(typeof KINDS)[keyof typeof KINDS]>;

function unpacked(packed: PackedArray): AnyArray {
  const Kind = KINDS[packed.dtype as keyof typeof KINDS];
  if (!Kind) throw new Error(`no array of ${packed.dtype}`);
  return new Kind(bytesOf(packed.data).buffer);
}

export function numbersOf(packed: PackedArray): Float64Array {
  return Float64Array.from(unpacked(packed) as ArrayLike<number>);
}

export function measureOf(facts: PageFacts): Measure {
  const row = (name: string) => numbersOf(facts.measure[name]!);
  const maybe = (name: string) => (facts.measure[name] === null ? null : row(name));
  const yardstick: Yardstick = {
    score: row("score"),
    isMember: row("is_member"),
    fold: row("fold"),
    group: maybe("group"),
    free: maybe("free"),
    level: maybe("level"),
    freeLevel: maybe("free_level"),
    digest: unpacked(facts.measure.digest!) as BigUint64Array,
  };
  const { folds, labels } = facts.result.method;
  return { yardstick, auc: facts.measure.auc, folds, labels };
}

export function knownLooks(facts: PageFacts): Looks & { isMember: Float64Array } {
  return {
    digest: unpacked(facts.known.digest) as BigUint64Array,
    phash: unpacked(facts.known.phash) as BigUint64Array,
    thumb: unpacked(facts.known.thumb) as Uint8Array,
    isMember: numbersOf(facts.known.is_member),
  };
}
