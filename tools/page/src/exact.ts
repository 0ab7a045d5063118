// Exact tests of very few units: onnxmint/stats/orders.py, and the exact Mann-Whitney test of SciPy.

import { Row, rowOf, searchLeft, searchRight, sum } from "./arrays.ts";

const ORDERS = 4999;
const EQUAL = 1e-9;

/** NumPy's default generator with seed 0 (PCG64, O'Neill 2014), so that the orders are those of Python. */
class Pcg64 {
  private state = 35399562948360463058890781895381311971n;
  private static readonly increment = 87136372517582989555478159403783844777n;
  private static readonly factor = 47026247687942121848144207491837523525n;

  next(): number {
    this.state = BigInt.asUintN(128, this.state * Pcg64.factor + Pcg64.increment);
    const mixed = BigInt.asUintN(64, (this.state >> 64n) ^ this.state), turn = this.state >> 122n;
    const word = BigInt.asUintN(64, (mixed >> turn) | (mixed << (64n - turn)));
    return Number(word >> 11n) / 9007199254740992;
  }
}

const generator = new Pcg64();
let begun: Row = new Float64Array(0); // its first numbers, which every test draws again

function firstNumbers(count: number): Row {
  if (begun.length < count) {
    const more = new Float64Array(count);
    more.set(begun);
    for (let at = begun.length; at < count; at++) more[at] = generator.next();
    begun = more;
  }
  return begun;
}

export interface Side {
  score: Row;
  cell: ArrayLike<number>;
}

/** The chance that a random order within strata ranks the asked ones as high or higher. */
export function pValueByOrders(asked: Side, known: Side, worth: Row): number {
  const drawn = new Float64Array(ORDERS);
  let found = 0, used = 0;
  for (let cell = 0; cell < worth.length; cell++) {
    const mine = asked.score.filter((_, row) => asked.cell[row] === cell);
    const theirs = known.score.filter((_, row) => known.cell[row] === cell);
    if (!worth[cell] || !mine.length || !theirs.length) continue;
    const ranks = ranksOf(Float64Array.of(...mine, ...theirs)).map((rank) => worth[cell] * rank);
    found += sum(ranks.subarray(0, mine.length));
    const numbers = firstNumbers(used + ORDERS * ranks.length);
    for (let order = 0; order < ORDERS; order++) {
      const keys = numbers.subarray(used, used += ranks.length), limit = keys.slice().sort()[mine.length - 1];
      let total = 0;
      for (let i = 0; i < keys.length; i++) if (keys[i] <= limit) total += ranks[i];
      drawn[order] += total;
    }
  }
  const asHigh = drawn.filter((total) => total >= found - EQUAL * Math.max(Math.abs(found), 1)).length;
  return (asHigh + 1) / (ORDERS + 1);
}

function ranksOf(values: Row): Row {
  const ordered = values.slice().sort();
  return values.map((value) => (searchLeft(ordered, value) + 1 + searchRight(ordered, value)) / 2);
}

/** P(U or more) of the Mann-Whitney test without ties, by counting orders in whole numbers. */
export function mannWhitneyExact(asked: Row, known: Row): number {
  const ordered = known.slice().sort();
  const found = sum(rowOf(asked.length, (row) => searchLeft(ordered, asked[row])));
  const [few, many] = [Math.min(asked.length, known.length), Math.max(asked.length, known.length)];
  const ways = orders(few, many);
  let above = 0n, all = 0n;
  ways.forEach((count, u) => {
    all += count;
    if (u >= found) above += count;
  });
  return ratio(above, all);
}

/** How many orders of two sides have each U: the coefficients of Gauss's binomial. */
function orders(few: number, many: number): bigint[] {
  const last = few * many, ways: bigint[] = new Array(last + 1).fill(0n);
  ways[0] = 1n;
  for (let i = 1; i <= few; i++) {
    for (let u = last; u >= many + i; u--) ways[u] -= ways[u - many - i];
    for (let u = i; u <= last; u++) ways[u] += ways[u - i];
  }
  return ways;
}

function ratio(part: bigint, whole: bigint): number {
  const shift = BigInt(Math.max(0, whole.toString(2).length - 1000)); // what a float64 can hold
  return Number(part >> shift) / Number(whole >> shift);
}
