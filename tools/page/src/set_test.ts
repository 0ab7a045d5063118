// Are there members among a set of images: onnxmint/stats/set_test.py.

import { clip, Row, rowOf } from "./arrays.ts";
import { mannWhitneyExact, pValueByOrders } from "./exact.ts";
import { AUDITORS, Guarantee, Luck, neededOf, pValueOf, UNLUCKY } from "./guarantee.ts";
import { column, Columns, HeldOut, networksOf, standing } from "./heldout.ts";
import { betaincinv } from "./special.ts";
import { Cells, UNIFORM } from "./strata.ts";

const FEW = 8;
const LARGEST = 200;
const TINY = 1e-9;

export interface SetTest {
  p: number;
  average: number;
  effect: number;
  needed: number;
  atLeast: number;
  compared: number;
}

export function compareSets(
  asked: Columns, known: HeldOut, strata: Row | null, alpha: number, guarantee: Guarantee,
): SetTest {
  const cells = Cells.of(asked, known, strata);
  if (!cells.compared) return { p: 1, average: 1, effect: 0.5, needed: 1, atLeast: 0, compared: 0 };
  const { placed, reached } = standing(known, asked, strata), luck = luckOfCells(cells);
  let excess = 0;
  for (let row = 0; row < placed.length; row++) excess += (placed[row] - 0.5) * cells.each[row];
  const bounded = (kind: Guarantee) => ofFew(reached, cells, kind).get(cells.compared) ?? pValueOf(luck, excess, kind);
  const average = averageOf(asked, known, cells, bounded("average"));
  const p = guarantee === "average" ? average : Math.max(average, bounded("each"));
  return {
    p,
    average,
    effect: 0.5 + excess,
    needed: 0.5 + neededOf(luck, alpha, guarantee),
    atLeast: p <= alpha ? atLeast(placed, reached, cells, alpha, guarantee) : 0,
    compared: cells.compared,
  };
}

function luckOfCells(cells: Cells): Luck {
  const untied = cells.untied(), found: Luck = { known: 0, asked: 0, step: 0 };
  for (let h = 0; h < cells.numbers.length; h++) {
    const known = Math.max(cells.known[h], 1), portion = cells.portion[h], asked = Math.max(cells.asked[h], 1);
    const variance = UNIFORM * untied[h] * portion ** 2 * Number(cells.known[h] > 0);
    found.known += cells.inflation * variance / known;
    found.asked += variance * (known + 1) / (known * asked);
    found.step = Math.max(found.step, 0.5 / known * portion / asked);
  }
  return found;
}

/** A lower bound on the number of members by closed testing (Goeman and Solari 2011). */
function atLeast(placed: Row, reached: Row, cells: Cells, alpha: number, guarantee: Guarantee): number {
  const values: number[] = [];
  placed.forEach((one, row) => {
    const h = cells.cell[row];
    if (cells.known[h] > 0) values.push(cells.weight[h] * (one - 0.5));
  });
  values.sort((one, other) => one - other);
  if (cells.compared < 2) return 1;
  const few = ofFew(reached, cells, guarantee), lucks = new LargestLuck(cells);
  let total = 0, kept = 0;
  for (let size = 1; size < cells.compared; size++) {
    total += values[size - 1];
    const p = few.get(size) ?? pValueOf(lucks.of(size), total, guarantee);
    if (p > alpha) kept = size;
  }
  return cells.compared - kept;
}

/** The largest variance of a sum of weighted placements, over all subsets of a size; the dearest strata lend first. */
class LargestLuck {
  private readonly used: number[];
  private readonly step: number;

  constructor(private readonly cells: Cells) {
    this.used = [...cells.known.keys()].filter((h) => cells.known[h] > 0);
    this.step = Math.max(...this.used.map((h) => 0.5 * cells.weight[h] / cells.known[h]));
  }

  of(size: number): Luck {
    const { cells } = this, room = this.used.map((h) => cells.asked[h]);
    const lent = room.map((asked) => Math.min(asked, size));
    const each = this.used.map((h, at) => {
      const total = cells.known[h] + lent[at];
      return UNIFORM * (1 - cells.knownTies[h] / Math.max(total ** 3 - total, 1)) * cells.weight[h] ** 2;
    });
    const known = this.used.map((h, at) => cells.inflation * each[at] * lent[at] / cells.known[h]);
    const asked = this.used.map((h, at) => each[at] * (cells.known[h] + 1) / cells.known[h]);
    return { known: dearest(known, room, size), asked: dearest(asked, room, size), step: this.step };
  }
}

function dearest(price: number[], room: number[], size: number): number {
  const order = price.map((_, at) => at).sort((one, other) => price[other] - price[one] || one - other);
  let left = size, found = 0;
  for (const at of order) {
    const taken = clip(left, 0, room[at]);
    found += taken * price[at];
    left -= room[at];
  }
  return found;
}

/** The largest p-values of subsets of one and of two units, whose sums are not normal. */
function ofFew(reached: Row, cells: Cells, guarantee: Guarantee): Map<number, number> {
  const known: number[] = [], above: number[] = [];
  reached.forEach((one, row) => {
    const there = cells.known[cells.cell[row]];
    if (there > 0) {
      known.push(there);
      above.push(Math.round(one * there));
    }
  });
  const worst = new Map<number, number>(); // beta quantiles are slow: of each stratum only the highest rank counts
  known.forEach((there, at) => worst.set(there, Math.max(worst.get(there) ?? 0, above[at])));
  let alone = 0;
  for (const [there, up] of worst) {
    const each = up < there ? betaincinv(up + 1, Math.max(there - up, TINY), AUDITORS) : 1;
    alone = Math.max(alone, guarantee === "each" ? each : (up + 1) / (there + 1));
  }
  const found = new Map([[1, alone]]);
  if (known.length >= 2) {
    const left = rowOf(known.length, (at) => {
      const rank = above[at] / known[at] + 0.5 / known[at];
      return guarantee === "each" ? rank + UNLUCKY * Math.sqrt(cells.inflation * UNIFORM / known[at]) : rank;
    }).sort();
    const pair = left[left.length - 1] + left[left.length - 2];
    found.set(2, pair <= 1 ? pair ** 2 / 2 : 1 - Math.max(2 - pair, 0) ** 2 / 2);
  }
  return found;
}

/** The p-value of the rank test where one side has very few units: exact, or by random orders. */
function averageOf(asked: Columns, known: HeldOut, cells: Cells, otherwise: number): number {
  const there = [...known.nonmember.keys()].filter((row) => cells.knownCell[row] >= 0);
  const outside = there.length;
  if (cells.compared === 1 || Math.min(cells.compared, outside) > FEW || networksOf(known) > 1) return otherwise;
  const score = column(asked, 0);
  if (cells.asked.length === 1 && cells.ties.every((one) => one === 0)) return mannWhitneyExact(score, known.nonmember);
  if (outside > LARGEST) return otherwise;
  return pValueByOrders(
    { score, cell: cells.cell },
    { score: rowOf(outside, (at) => known.nonmember[there[at]]), cell: there.map((row) => cells.knownCell[row]) },
    rowOf(cells.numbers.length, (h) => cells.weight[h] / Math.max(cells.known[h], 1)),
  );
}
