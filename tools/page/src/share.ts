// What share are members, and what share an audit would have noticed: onnxmint/stats/share.py.

import { clip, Row, rowOf, sum, tied, variance } from "./arrays.ts";
import { Guarantee, luckOf, neededOf } from "./guarantee.ts";
import { Columns, HeldOut, memberPlacements, networksOf, standing } from "./heldout.ts";
import { ndtr } from "./special.ts";
import { Cells, UNIFORM } from "./strata.ts";

export const CONFIDENCE = 0.95;
const STEPS = 1000;
const MANY = 10_000_000;
const LEAST = 1e-12;
const NO_EFFECT = 1e-6;

export interface Estimate {
  value: number;
  low: number;
  high: number;
}

/** How well known members stand out, for planning. */
export interface Strength {
  effect: number;
  spread: number;
  members: number;
  nonmembers: number;
  inflation: number;
  spreadOfOthers: number;
}

export interface PowerCost {
  each: number;
  average: number;
  needed_each: number;
  needed_average: number;
  nonmembers: number | null;
}

export function strengthOf(known: HeldOut, cells: Cells | null): Strength {
  const placed = memberPlacements(known), count = known.nonmember.length;
  let worth = count, others = UNIFORM, beside = rowOf(placed.length, () => 1);
  if (cells !== null && known.memberStratum !== null) {
    beside = besideOthers(known, known.memberStratum, cells);
    worth = 1 / sum(cells.portion.map((one, h) => (cells.known[h] > 0 ? one ** 2 / cells.known[h] : 0)));
    const untied = cells.untied();
    others = UNIFORM * sum(cells.portion.map((one, h) => one * untied[h]));
  } else if (networksOf(known) === 1) {
    others = UNIFORM * (1 - tied(known.nonmember) / Math.max(count ** 3 - count, 1));
  }
  const excess = rowOf(placed.length, (row) => beside[row] * (placed[row] - 0.5));
  return {
    effect: sum(excess.map((one) => one / excess.length)),
    spread: Math.max(variance(excess), (count + 1) ** -2),
    members: 1 / sum(rowOf(placed.length, () => (1 / placed.length) ** 2)), // 149.99... of 150, as in Python
    nonmembers: worth,
    inflation: known.inflation,
    spreadOfOthers: Math.max(others, (count + 1) ** -2),
  };
}

/** What the placement of each member counts beside others: members are spread over levels of confidence as they are. */
function besideOthers(known: HeldOut, stratum: Row, cells: Cells): Row {
  const used = [...cells.known.keys()].filter((h) => cells.known[h] > 0);
  if (!used.length) return rowOf(stratum.length, () => 1);
  const outside = new Map<number, number>(), asked = new Map<number, number>();
  known.nonmemberStratum!.forEach((number) => outside.set(number, (outside.get(number) ?? 0) + 1));
  cells.numbers.forEach((number, h) => asked.set(number, cells.asked[h]));
  const units = sum(used.map((h) => cells.asked[h]));
  const usual = sum(used.map((h) => cells.weight[h] * cells.asked[h])) / units;
  return stratum.map((number) => {
    const there = outside.get(number) ?? 0;
    return there / (there + (asked.get(number) ?? 0) + 1) / usual;
  });
}

/** The strength of the test in which members stand out least. */
export function weakest(...strengths: (Strength | null)[]): Strength {
  return strengths.filter((one) => one !== null).reduce((least, one) => (one.effect < least.effect ? one : least));
}

/** How well known members stand out where the questioned images lie, and what number these are worth. */
export function strengthFor(asked: Columns, known: HeldOut, strata: Row | null): [Strength, number] {
  const cells = Cells.of(asked, known, strata);
  return [strengthOf(known, cells), cells.worth];
}

export function shareOfMembers(asked: Columns, known: HeldOut, strata: Row | null): Estimate {
  const cells = Cells.of(asked, known, strata), strength = strengthOf(known, cells);
  const { placed } = standing(known, asked, strata);
  const effect = sum(placed.map((one, row) => cells.each[row] * (one - 0.5)));
  const reach = Math.max(strength.effect, NO_EFFECT), kept: number[] = [];
  for (let step = 0; step <= STEPS; step++) {
    const share = step / STEPS, error = Math.sqrt(varianceOf(strength, cells.worth, share));
    const p = boundedP((effect - share * strength.effect) / error, -share * reach / error, (1 - share) * reach / error);
    if (p >= 1 - CONFIDENCE) kept.push(share);
  }
  const value = clip(effect / reach, 0, 1);
  const [low, high] = kept.length ? [kept[0], kept[kept.length - 1]] : [value, value];
  return { value, low: Math.min(low, value), high: Math.max(high, value) };
}

function varianceOf(strength: Strength, asked: number, share: number): number {
  const ofAsked = ((1 - share) * strength.spreadOfOthers + share * strength.spread) / asked;
  const ofKnown = (1 - share) ** 2 * strength.spreadOfOthers / strength.nonmembers
    + share ** 2 * strength.spread / strength.members;
  return ofAsked + strength.inflation * ofKnown;
}

/** The p-value of a unit normal whose mean lies in [low, high], tested to be 0 (Feldman and Cousins 1998). */
function boundedP(z: number, low: number, high: number): number {
  const best = clip(z, low, high), gain = z ** 2 - (z - best) ** 2;
  if (gain <= 0) return 1;
  const upper = gain <= high ** 2 ? Math.sqrt(gain) : (gain + high ** 2) / Math.max(2 * high, LEAST);
  const lower = gain <= low ** 2 ? -Math.sqrt(gain) : (gain + low ** 2) / Math.min(2 * low, -LEAST);
  return Math.min(ndtr(lower) + ndtr(-upper), 1);
}

/** The chance that the test of the set finds this share of members among so many questioned units. */
export function power(strength: Strength, asked: number, share: number, alpha: number, guarantee: Guarantee): number {
  const luck = luckOf(strength.nonmembers, asked, strength.inflation, strength.spreadOfOthers);
  const room = share * strength.effect - neededOf(luck, alpha, guarantee);
  return ndtr(room / Math.sqrt(varianceOf(strength, asked, share)));
}

export function powerCost(strength: Strength, asked: number, share: number, alpha: number): PowerCost {
  const luck = luckOf(strength.nonmembers, asked, strength.inflation, strength.spreadOfOthers);
  const average = power(strength, asked, share, alpha, "average");
  const enough = (count: number) => {
    const more = count / strength.nonmembers;
    const richer = { ...strength, nonmembers: count, members: strength.members * more };
    return power(richer, asked, share, alpha, "each") >= average;
  };
  return {
    each: power(strength, asked, share, alpha, "each"),
    average,
    needed_each: neededOf(luck, alpha, "each"),
    needed_average: neededOf(luck, alpha, "average"),
    nonmembers: first(enough, Math.trunc(strength.nonmembers)),
  };
}

export function detectableShare(
  strength: Strength, asked: number, alpha: number, guarantee: Guarantee,
): number | null {
  for (let step = 1; step <= STEPS; step++) {
    if (power(strength, asked, step / STEPS, alpha, guarantee) >= CONFIDENCE) return step / STEPS;
  }
  return null;
}

export function questionedNeeded(
  strength: Strength, share: number, alpha: number, guarantee: Guarantee,
): number | null {
  return first((count) => power(strength, count, share, alpha, guarantee) >= CONFIDENCE, 0);
}

export function first(enough: (count: number) => boolean, start: number, most = MANY): number | null {
  if (!enough(most)) return null;
  let low = start, high = most;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (enough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

