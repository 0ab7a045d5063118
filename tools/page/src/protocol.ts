// What the page and its worker say to each other.

import { Answered } from "./answer.ts";
import { Given } from "./folders.ts";
import { PageFacts, Result } from "./page_facts.ts";
import { Row12, Skipped } from "./result.ts";

export interface Binaries {
  runtime: ArrayBuffer;
  jpeg: ArrayBuffer;
  png: ArrayBuffer;
  webp: ArrayBuffer;
}

export type ToWorker =
  | { kind: "open"; facts: PageFacts; binaries: Binaries; model: ArrayBuffer; threads: string | null }
  | { kind: "judge"; given: Given[] }
  | { kind: "sample"; most: number }
  | { kind: "stop" };

export interface Answer {
  kind: "answer";
  result: Result;
  csv: string;
  rows: Row12[];
  answered: Answered;
  skipped: Skipped[];
  known: Skipped[];
  seconds: number;
}

export type ToPage =
  | { kind: "ready"; threads: number }
  | { kind: "progress"; step: "looking" | "scoring"; done: number; all: number; left: number | null }
  | { kind: "offer"; images: number; seconds: number; sample: number; sampleSeconds: number }
  | { kind: "stopped" }
  | { kind: "failed"; message: string; values: Record<string, string | number> }
  | Answer;
