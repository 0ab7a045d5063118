// What questioned images are measured by, and what counts as one: onnxmint/verdict/yardstick.py and units.py.

import { numbered, Row, rowOf, sorted } from "./arrays.ts";
import { Columns, crossFittingInflation, HeldOut } from "./heldout.ts";
import { Estimate } from "./share.ts";

/** Held-out known images, one row an image, members and non-members together. */
export interface Yardstick {
  score: Row;
  isMember: ArrayLike<number>; // 1 or 0
  fold: ArrayLike<number>;
  group: ArrayLike<number> | null;
  free: Row | null;
  level: Row | null;
  freeLevel: Row | null;
  digest: BigUint64Array;
}

export interface Measure {
  yardstick: Yardstick;
  auc: Estimate | null; // by which it is judged whether members can be told at all
  folds: number;
  labels: boolean;
}

export interface Units {
  score: Columns;
  unit: Int32Array; // of each scored image
  kept: Int32Array; // the scored images that units are made of
  place: Int32Array; // the unit of each of those
  size: number;
  known: Yardstick;
}

const MOST = 0.95; // share of the known groups that must be as large as a common size

export function isGrouped(units: Units): boolean {
  return units.score.count < units.unit.length;
}

/** The place of each row in its group by rising digest, from 0. */
export function placesInGroup(groups: ArrayLike<number>, digest: BigUint64Array): Int32Array {
  const order = [...Array(groups.length).keys()].sort((one, other) => (
    groups[one] - groups[other] || Number(digest[one] > digest[other]) - Number(digest[one] < digest[other])
    || one - other
  ));
  const found = new Int32Array(groups.length);
  order.forEach((row, at) => {
    found[row] = at > 0 && groups[order[at - 1]] === groups[row] ? found[order[at - 1]] + 1 : 0;
  });
  return found;
}

/** Make units of scored images, all of one size, and of known images of the same size. */
export function asUnits(
  score: Columns, groups: ArrayLike<number> | null, known: Yardstick, digest: BigUint64Array,
): Units {
  const unit = groups === null ? Int32Array.from({ length: score.count }, (_, row) => row) : numbered(groups).place;
  let size = 1;
  if (known.group !== null && groups !== null) {
    const sides = [1, 0].map((side) => Array.from(known.group!).filter((_, row) => known.isMember[row] === side));
    size = commonSize(unit, sides);
  }
  const places = placesInGroup(unit, digest);
  const kept = Int32Array.from([...places.keys()].filter((row) => places[row] < size));
  const { distinct, place } = numbered(Array.from(kept, (row) => unit[row]));
  return {
    score: {
      value: means(score.value, score.networks, kept, place, distinct.length),
      count: distinct.length,
      networks: score.networks,
    },
    unit,
    kept,
    place,
    size,
    known: thinned(known, size),
  };
}

/** Means of columns over the images that each unit is made of. */
export function means(values: Row, networks: number, kept: Int32Array, place: Int32Array, count: number): Row {
  const found = new Float64Array(count * networks), size = new Float64Array(count);
  kept.forEach((row, at) => {
    size[place[at]]++;
    for (let k = 0; k < networks; k++) found[place[at] * networks + k] += values[row * networks + k];
  });
  return found.map((total, at) => total / size[Math.floor(at / networks)]);
}

function sizes(groups: ArrayLike<number>): Row {
  const { distinct, place } = numbered(groups), found = new Float64Array(distinct.length);
  place.forEach((one) => found[one]++);
  return found;
}

function commonSize(asked: ArrayLike<number>, known: number[][]): number {
  if (!asked.length) return 1;
  const found = [Math.min(...sizes(asked))];
  for (const groups of known) {
    if (!groups.length) continue;
    const ordered = sorted(sizes(groups));
    found.push(ordered[Math.floor(ordered.length * (1 - MOST))]);
  }
  return Math.min(...found);
}

/** So many images of every group, those of the smallest digests; smaller groups are left out. */
function thinned(known: Yardstick, size: number): Yardstick {
  if (known.group === null) return known;
  const key = rowOf(known.score.length, (row) => known.group![row] * 2 + known.isMember[row]);
  const places = placesInGroup(key, known.digest), { place } = numbered(key), count = sizes(key);
  const rows = [...places.keys()].filter((row) => places[row] < size && count[place[row]] >= size);
  const take = (values: ArrayLike<number>) => rowOf(rows.length, (at) => values[rows[at]]);
  const maybe = (values: Row | null) => (values === null ? null : take(values));
  return {
    score: take(known.score),
    isMember: take(known.isMember),
    fold: take(known.fold),
    group: take(known.group),
    free: maybe(known.free),
    level: maybe(known.level),
    freeLevel: maybe(known.freeLevel),
    digest: BigUint64Array.from(rows, (row) => known.digest[row]),
  };
}

function inflationOf(known: Yardstick): number {
  let last = 0;
  for (let row = 0; row < known.fold.length; row++) last = Math.max(last, known.fold[row]);
  return crossFittingInflation(last + 1);
}

/** Every image as a unit. */
export function images(known: Yardstick, score: Row = known.score): HeldOut {
  const of = (side: number) => [...known.score.keys()].filter((row) => known.isMember[row] === side);
  const [inside, outside] = [of(1), of(0)];
  const take = (rows: number[], values: ArrayLike<number>) => rowOf(rows.length, (at) => values[rows[at]]);
  return {
    member: take(inside, score),
    nonmember: take(outside, score),
    memberFold: take(inside, known.fold),
    nonmemberFold: take(outside, known.fold),
    inflation: inflationOf(known),
    memberStratum: null,
    nonmemberStratum: null,
  };
}

/** Every group as a unit, by the mean of a column; images where there are no groups. */
export function groups(known: Yardstick, score: Row = known.score): HeldOut {
  if (known.group === null) return images(known, score);
  const sides = [1, 0].map((side) => {
    const rows = Int32Array.from([...known.score.keys()].filter((row) => known.isMember[row] === side));
    const { distinct, place } = numbered(Array.from(rows, (row) => known.group![row]));
    const fold = new Float64Array(distinct.length);
    rows.forEach((row, at) => { fold[place[at]] = known.fold[row]; });
    return { mean: means(score, 1, rows, place, distinct.length), fold };
  });
  return {
    member: sides[0].mean,
    nonmember: sides[1].mean,
    memberFold: sides[0].fold,
    nonmemberFold: sides[1].fold,
    inflation: inflationOf(known),
    memberStratum: null,
    nonmemberStratum: null,
  };
}
