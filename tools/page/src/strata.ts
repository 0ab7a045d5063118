// Like is compared with like: onnxmint/stats/strata.py.

import { clip, quantiles, Row, rowOf, searchLeft, searchRight, sum, tied, unique } from "./arrays.ts";
import { column, Columns, HeldOut, networksOf } from "./heldout.ts";

export const UNIFORM = 1 / 12;
const WANTED = 20; // known non-members that a stratum should hold on average

/** The rising edges between strata of about equally many known non-members. */
export function edgesOf(difficulty: Row, most: number): Row {
  const finite = difficulty.filter(Number.isFinite);
  const count = clip(Math.floor(finite.length / WANTED), 1, most);
  if (!finite.length || count < 2) return new Float64Array(0);
  return unique(quantiles(finite, rowOf(count - 1, (place) => (place + 1) / count)));
}

export function strataOf(difficulty: Row, edges: Row): Row {
  return difficulty.map((value) => (Number.isFinite(value) ? searchRight(edges, value) : edges.length + 1));
}

/** The strata in which some questioned units meet known non-members, and what each is worth. */
export class Cells {
  readonly weight: Row; // what the placement of one unit counts (van Elteren)
  readonly portion: Row; // the share of each stratum in the weighted mean
  readonly each: Row; // what each unit counts in the weighted mean
  readonly compared: number; // units with known non-members in their stratum

  private constructor(
    readonly numbers: Row,
    readonly cell: Int32Array,
    readonly knownCell: Int32Array,
    readonly asked: Row,
    readonly known: Row,
    readonly knownTies: Row,
    readonly ties: Row,
    readonly inflation: number,
  ) {
    const count = numbers.length;
    this.weight = rowOf(count, (h) => known[h] / (known[h] + asked[h] + 1));
    const share = rowOf(count, (h) => this.weight[h] * asked[h]), total = sum(share);
    this.portion = total ? share.map((one) => one / total) : share;
    const alone = rowOf(count, (h) => this.portion[h] / Math.max(asked[h], 1));
    this.each = rowOf(cell.length, (row) => alone[cell[row]]);
    this.compared = sum(asked.filter((_, h) => known[h] > 0));
  }

  static of(scores: Columns, heldOut: HeldOut, stratum: Row | null): Cells {
    const mine = stratum ?? new Float64Array(scores.count);
    const theirs = heldOut.nonmemberStratum ?? new Float64Array(heldOut.nonmember.length);
    const numbers = unique(mine), count = numbers.length;
    const placeOf = (value: number) => {
      const place = Math.min(searchLeft(numbers, value), count - 1);
      return numbers[place] === value ? place : -1;
    };
    const cell = Int32Array.from(mine, placeOf), knownCell = Int32Array.from(theirs, placeOf);
    const asked = new Float64Array(count), known = new Float64Array(count);
    cell.forEach((h) => asked[h]++);
    knownCell.forEach((h) => { if (h >= 0) known[h]++; });
    let knownTies = new Float64Array(count), ties = knownTies;
    if (networksOf(heldOut) === 1) {
      const first = column(scores, 0);
      const sides = rowOf(count, () => 0);
      knownTies = sides.map((_, h) => tied(heldOut.nonmember.filter((__, row) => knownCell[row] === h)));
      ties = sides.map((_, h) => tied([
        ...first.filter((__, row) => cell[row] === h), ...heldOut.nonmember.filter((__, row) => knownCell[row] === h),
      ]));
    }
    return new Cells(numbers, cell, knownCell, asked, known, knownTies, ties, heldOut.inflation);
  }

  /** How many equal units the questioned ones are worth, as strata weigh differently. */
  get worth(): number {
    const total = sum(this.each.map((one) => one * one));
    return total ? 1 / total : 0;
  }

  /** The share of the variance that ties leave. */
  untied(): Row {
    return this.numbers.map((_, h) => {
      const total = this.known[h] + this.asked[h];
      return 1 - this.ties[h] / Math.max(total ** 3 - total, 1);
    });
  }
}
