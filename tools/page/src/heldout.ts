// Known images scored by a network that did not learn from them: onnxmint/stats/heldout.py.

import { Row, rowOf, searchLeft, searchRight } from "./arrays.ts";

/** Scores of questioned units, row by row: one column for each network. */
export interface Columns {
  value: Row;
  count: number;
  networks: number;
}

export interface HeldOut {
  member: Row;
  nonmember: Row;
  memberFold: ArrayLike<number>;
  nonmemberFold: ArrayLike<number>;
  inflation: number;
  memberStratum: Row | null;
  nonmemberStratum: Row | null;
}

export function networksOf(known: HeldOut): number {
  let found = 0;
  for (const folds of [known.memberFold, known.nonmemberFold]) {
    for (let i = 0; i < folds.length; i++) found = Math.max(found, folds[i]);
  }
  return found + 1;
}

export function column(scores: Columns, number: number): Row {
  return rowOf(scores.count, (row) => scores.value[row * scores.networks + number]);
}

export function columnsOf(value: Row): Columns {
  return { value, count: value.length, networks: 1 };
}

/** Add together what several networks say of each unit. */
export function meanScores(scores: Columns): Row {
  return rowOf(scores.count, (row) => {
    let total = 0;
    for (let k = 0; k < scores.networks; k++) total += scores.value[row * scores.networks + k];
    return total / scores.networks;
  });
}

/** 1 + K / (K - 1) for K cross-fitted networks (Nadeau and Bengio 2003). */
export function crossFittingInflation(folds: number): number {
  return folds === 1 ? 1 : 1 + folds / (folds - 1);
}

export interface Placed {
  placed: Row;
  reached: Row;
}

/** Shares of the non-members below each unit, ties half; shares of those that score as high or higher. */
export function standing(known: HeldOut, scores: Columns, stratum: Row | null): Placed {
  const below = new Float64Array(scores.count), above = new Float64Array(scores.count);
  const count = new Float64Array(scores.count);
  for (let number = 0; number < networksOf(known); number++) {
    const others = byStratum(known.nonmember, known.nonmemberStratum, known.nonmemberFold, number);
    for (let row = 0; row < scores.count; row++) {
      const mine = others.get(stratum === null ? 0 : stratum[row]);
      if (mine === undefined) continue;
      const score = scores.value[row * scores.networks + number];
      const low = searchLeft(mine, score), high = searchRight(mine, score);
      below[row] += (low + high) / 2;
      above[row] += mine.length - low;
      count[row] += mine.length;
    }
  }
  return {
    placed: rowOf(scores.count, (row) => (count[row] > 0 ? below[row] / count[row] : 0.5)),
    reached: rowOf(scores.count, (row) => (count[row] > 0 ? above[row] / count[row] : 1)),
  };
}

export function memberPlacements(known: HeldOut): Row {
  const found = new Float64Array(known.member.length).fill(0.5);
  for (let number = 0; number < networksOf(known); number++) {
    const others = byStratum(known.nonmember, known.nonmemberStratum, known.nonmemberFold, number);
    for (let row = 0; row < found.length; row++) {
      if (known.memberFold[row] !== number) continue;
      const mine = others.get(known.memberStratum === null ? 0 : known.memberStratum[row]);
      if (mine === undefined) continue;
      const low = searchLeft(mine, known.member[row]), high = searchRight(mine, known.member[row]);
      found[row] = (low + high) / 2 / mine.length;
    }
  }
  return found;
}

/** Shares of images above each non-member, ties half: of questioned ones, or of the members of its fold. */
export function sharesAbove(known: HeldOut, scores: Columns | null): Row {
  const found = new Float64Array(known.nonmember.length).fill(0.5);
  for (let number = 0; number < networksOf(known); number++) {
    const others = scores === null
      ? known.member.filter((_, row) => known.memberFold[row] === number)
      : column(scores, number);
    if (!others.length) continue;
    const ordered = others.slice().sort();
    for (let row = 0; row < found.length; row++) {
      if (known.nonmemberFold[row] !== number) continue;
      const low = searchLeft(ordered, known.nonmember[row]), high = searchRight(ordered, known.nonmember[row]);
      found[row] = 1 - (low + high) / 2 / ordered.length;
    }
  }
  return found;
}

function byStratum(
  scores: Row, stratum: Row | null, fold: ArrayLike<number>, number: number,
): Map<number, Row> {
  const lists = new Map<number, number[]>();
  for (let row = 0; row < scores.length; row++) {
    if (fold[row] !== number) continue;
    const key = stratum === null ? 0 : stratum[row];
    const list = lists.get(key);
    if (list === undefined) lists.set(key, [scores[row]]);
    else list.push(scores[row]);
  }
  const found = new Map<number, Row>();
  for (const [key, list] of lists) found.set(key, Float64Array.from(list).sort());
  return found;
}
