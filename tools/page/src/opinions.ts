// One question asked several ways: onnxmint/stats/opinions.py and onnxmint/verdict/opinions.py.

import { clip, mean, Row, rowOf, variance } from "./arrays.ts";
import { Guarantee } from "./guarantee.ts";
import { Columns, HeldOut, memberPlacements, sharesAbove, standing } from "./heldout.ts";
import { compareSets, SetTest } from "./set_test.ts";
import { Strength, strengthFor, strengthOf } from "./share.ts";
import { ndtr } from "./special.ts";
import { edgesOf, strataOf } from "./strata.ts";

const RAISED = 0.01, LOWERED = 0.05;
const LEAST_EFFECT = 0.02;
const LEVELS = 10; // strata of confidence

export type Opinion = "agree" | "only-labelled" | "labels-raise" | "only-free" | "labels-lower";

interface Ratio {
  raised: number;
  lowered: number;
}

export interface Labels {
  kind: Opinion;
  free: SetTest;
}

/** What else was observed of the units, beside the same of the known ones. */
export interface SecondScores {
  free: Columns | null;
  level: Row | null;
  freeLevel: Row | null;
  knownFree: HeldOut | null;
  knownLevel: [Row, Row] | null; // of members, of non-members
  knownFreeLevel: [Row, Row] | null;
}

/** Units, and the known ones that they are compared with: those of their stratum. */
export interface Compared {
  score: Columns;
  known: HeldOut;
  strata: Row | null;
}

export function testOf(compared: Compared, alpha: number, guarantee: Guarantee): SetTest {
  return compareSets(compared.score, compared.known, compared.strata, alpha, guarantee);
}

/** The same compared only with units that the model is equally sure of; null where that is unknown. */
export function besideEquals(compared: Compared, level: Row | null, known: [Row, Row] | null): Compared | null {
  if (level === null || known === null) return null;
  const [member, nonmember] = known, edges = edgesOf(nonmember, LEVELS);
  return {
    score: compared.score,
    known: {
      ...compared.known, memberStratum: strataOf(member, edges), nonmemberStratum: strataOf(nonmember, edges),
    },
    strata: strataOf(level, edges),
  };
}

export interface Opinions {
  labels: Labels | null;
  together: SetTest | null;
  strength: Strength | null; // of known members without labels
  labelFreeLevel: number; // of the label-free opinion: half where no member is known, as nothing else looks at labels
}

export function secondOpinions(
  compared: Compared, test: SetTest, asked: SecondScores, alpha: number, equal: boolean,
): Opinions {
  let labels: Labels | null = null, strength: Strength | null = null;
  const level = compared.known.member.length ? alpha : alpha / 2;
  if (asked.free !== null && asked.knownFree !== null) {
    const blind: Compared = { score: asked.free, known: asked.knownFree, strata: null };
    // A second opinion holds on average over auditors, but the test keeps both p-values.
    const within = besideEquals(blind, asked.freeLevel, asked.knownFreeLevel) ?? blind;
    const free = testOf(within, alpha, "each");
    if (asked.knownFree.member.length > 1) [strength] = strengthFor(within.score, within.known, within.strata);
    const ratio = compareEffects(compared.score, compared.known, asked.free, asked.knownFree);
    labels = { kind: secondOpinion(test, free, ratio, alpha, level), free };
  }
  return { labels, together: equal ? testOf(compared, alpha, "each") : null, strength, labelFreeLevel: level };
}

function secondOpinion(
  labelled: SetTest, free: SetTest, ratio: Ratio | null, alpha: number, level: number,
): Opinion {
  if (labelled.p <= alpha) {
    if (free.average > level) return "only-labelled";
    return ratio !== null && ratio.raised <= RAISED ? "labels-raise" : "agree";
  }
  if (free.p <= alpha) return "only-free";
  return ratio !== null && ratio.lowered <= LOWERED ? "labels-lower" : "agree";
}

/** Whether the two effects of a set keep the ratio of known members, null where that is unknown. */
function compareEffects(asked: Columns, known: HeldOut, askedFree: Columns, knownFree: HeldOut): Ratio | null {
  if (Math.min(known.member.length, known.nonmember.length, asked.count) < 2) return null;
  const inside = memberPlacements(known).map((one) => one - 0.5);
  const insideFree = memberPlacements(knownFree).map((one) => one - 0.5);
  const whole = mean(inside), wholeFree = mean(insideFree);
  if (Math.min(whole, wholeFree) < LEAST_EFFECT) return null;
  const ratio = wholeFree / whole;
  const placed = standing(known, asked, null).placed.map((one) => one - 0.5);
  const placedFree = standing(knownFree, askedFree, null).placed.map((one) => one - 0.5);
  const share = clip(mean(placed) / whole, 0, 1);
  const each = rowOf(placed.length, (row) => placedFree[row] - ratio * placed[row]);
  const ofMembers = rowOf(inside.length, (row) => insideFree[row] - ratio * inside[row]);
  const above = [sharesAbove(knownFree, askedFree), sharesAbove(known, asked), sharesAbove(knownFree, null),
    sharesAbove(known, null)];
  const ofOthers = rowOf(known.nonmember.length, (row) => (
    above[0][row] - ratio * above[1][row] - share * (above[2][row] - ratio * above[3][row])
  ));
  let spread = variance(each) / each.length;
  spread += known.inflation * variance(ofOthers) / ofOthers.length;
  spread += known.inflation * share ** 2 * variance(ofMembers) / ofMembers.length;
  if (spread <= 0) return { raised: 1, lowered: 1 };
  const z = mean(each) / Math.sqrt(spread);
  return { raised: ndtr(z), lowered: ndtr(-z) };
}

/** How well known members stand out in the test of a verdict, were questioned images sure as members are. */
export function strengthOfKnown(known: HeldOut, level: [Row, Row] | null, networks: number): Strength {
  if (level === null) return strengthOf(known, null);
  const value = rowOf(known.member.length * networks, (at) => known.member[Math.floor(at / networks)]);
  const asked: Compared = { score: { value, count: known.member.length, networks }, known, strata: null };
  const equals = besideEquals(asked, level[0], level) ?? asked;
  return strengthFor(equals.score, equals.known, equals.strata)[0];
}
