// The auditor's graph, asked in batches: onnxmint/mint/scoring.py.

import * as ort from "onnxruntime-web/wasm";
import { PageFacts } from "./page_facts.ts";

export interface Observed {
  score: number[]; // by each network
  free: number[] | null;
  level: number | null;
  freeLevel: number | null;
  predicted: number;
}

export function batchesOf(order: number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(order.length / size) }, (_, at) => order.slice(at * size, (at + 1) * size));
}

export class Scorer {
  readonly batch: number | null; // a fixed number of images in one run
  readonly networks: number;

  constructor(private readonly session: ort.InferenceSession, private readonly facts: PageFacts) {
    const place = session.inputNames.indexOf(facts.input.image), about = session.inputMetadata[place];
    const first = about.isTensor ? about.shape[0] : null;
    this.batch = typeof first === "number" && first > 0 ? first : null;
    this.networks = facts.result.method.folds;
  }

  /** What the auditor says of some images; null of one that it gives no number for. */
  async observe(images: Uint8Array[], labels: (number | null)[]): Promise<(Observed | null)[]> {
    const { input, outputs } = this.facts, size = input.shape.reduce((all, side) => all * side, 1);
    const count = this.batch ?? images.length, pixels = new Uint8Array(count * size), label = new BigInt64Array(count);
    for (let at = 0; at < count; at++) { // a fixed batch that is not full repeats its last image
      const from = Math.min(at, images.length - 1);
      pixels.set(images[from], at * size);
      label[at] = BigInt(labels[from] ?? 0);
    }
    const feeds: Record<string, ort.Tensor> = {
      [input.image]: new ort.Tensor("uint8", pixels, [count, ...input.shape]),
    };
    if (input.label !== null) feeds[input.label] = new ort.Tensor("int64", label, [count]);
    const given = await this.session.run(feeds, Object.values(outputs));
    const rows = Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, rowsOf(given[tensor], count)]));
    return images.map((_, at) => {
      const score = rows.score[at], answer = rows.answer[at];
      if (!score.every(Number.isFinite)) return null;
      return {
        score,
        free: rows.free?.[at] ?? null,
        level: rows.level?.[at][0] ?? null,
        freeLevel: rows.free_level?.[at][0] ?? null,
        predicted: answer.indexOf(Math.max(...answer)),
      };
    });
  }
}

function rowsOf(tensor: ort.Tensor, count: number): number[][] {
  const values = Array.from(tensor.data as ArrayLike<number | bigint>, Number), width = values.length / count;
  return Array.from({ length: count }, (_, at) => values.slice(at * width, (at + 1) * width));
}
