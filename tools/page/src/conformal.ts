// P-values of single images and what survives when many are tested: onnxmint/stats/conformal.py and likelihood.py.

import { Row, rowOf, searchLeft, sorted, unique } from "./arrays.ts";
import { column, Columns, HeldOut } from "./heldout.ts";

const MORE = 2;

/** Conservative conformal p-values against known non-members, each by the network of its fold. */
export function pValues(scores: Columns, known: Row, fold: ArrayLike<number>): Row {
  const above = new Float64Array(scores.count).fill(1);
  for (let number = 0; number < scores.networks; number++) {
    const ordered = known.filter((_, row) => fold[row] === number).sort();
    column(scores, number).forEach((score, row) => { above[row] += ordered.length - searchLeft(ordered, score); });
  }
  return above.map((count) => count / (known.length + 1));
}

/** Benjamini-Hochberg. */
export function qValues(p: Row): Row {
  const order = [...p.keys()].sort((one, other) => p[one] - p[other] || one - other), found = new Float64Array(p.length);
  let least = Infinity;
  for (let rank = order.length; rank > 0; rank--) {
    least = Math.min(least, p[order[rank - 1]] * (p.length / rank));
    found[order[rank - 1]] = Math.min(Math.max(least, 0), 1);
  }
  return found;
}

/** The isotonic regression of membership on the score, as scikit-learn fits it. */
class Isotonic {
  private readonly at: number[] = [];
  private readonly value: number[] = [];

  constructor(score: Row, truth: Row, weight: Row) {
    const distinct = unique(score), total = new Float64Array(distinct.length), mass = new Float64Array(distinct.length);
    score.forEach((one, row) => {
      const place = searchLeft(distinct, one);
      mass[place] += weight[row];
      total[place] += weight[row] * truth[row];
    });
    const blocks: { total: number; mass: number; count: number }[] = [];
    for (let place = 0; place < distinct.length; place++) {
      let block = { total: total[place], mass: mass[place], count: 1 };
      while (blocks.length && blocks[blocks.length - 1].total / blocks[blocks.length - 1].mass >= block.total / block.mass) {
        const last = blocks.pop()!;
        block = { total: last.total + block.total, mass: last.mass + block.mass, count: last.count + block.count };
      }
      blocks.push(block);
    }
    let place = 0;
    for (const block of blocks) {
      for (const end of block.count > 1 ? [place, place + block.count - 1] : [place]) {
        this.at.push(distinct[end]);
        this.value.push(block.total / block.mass);
      }
      place += block.count;
    }
  }

  of(score: number): number {
    const { at, value } = this, last = at.length - 1;
    if (score <= at[0]) return value[0];
    if (score >= at[last]) return value[last];
    const high = Math.max(searchLeft(at, score), 1);
    const slope = (value[high] - value[high - 1]) / (at[high] - at[high - 1]);
    return slope * (score - at[high - 1]) + value[high - 1];
  }
}

/** Likelihood ratios: above 1 speaks for membership, below 1 against it. */
export function likelihoodRatios(scores: Columns, known: HeldOut): Row {
  const n = known.nonmember.length, m = known.member.length;
  const ordered = sorted([...known.member, ...known.nonmember]);
  const low = ordered[0] - 1, high = ordered[ordered.length - 1] + 1, count = m + n;
  const score = Float64Array.from([...known.member, ...known.nonmember, low, low, high, high]);
  const truth = rowOf(count + 2 * MORE, (row) => Number(row < m || (row >= count && row < count + MORE)));
  const weight = truth.map((one) => (one ? 1 / (m + MORE) : 1 / (n + MORE)));
  const fitted = new Isotonic(score, truth, weight);
  return rowOf(scores.count, (row) => {
    let total = 0;
    for (let k = 0; k < scores.networks; k++) {
      const chance = fitted.of(scores.value[row * scores.networks + k]);
      total += Math.min(Math.max(Math.log(chance / (1 - chance)), -Math.log(m + 1)), Math.log(n + 1));
    }
    return Math.exp(total / scores.networks);
  });
}

export function probabilities(ratio: Row, prior: number): Row {
  return ratio.map((one) => prior * one / (prior * one + 1 - prior));
}
