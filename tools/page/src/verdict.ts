// From numbers to an answer about the set: onnxmint/verdict/answer.py and judging.py.

import { Row, rowOf } from "./arrays.ts";
import { likelihoodRatios, probabilities, pValues, qValues } from "./conformal.ts";
import { Control, Kind, OpinionFacts, Rule, Verdict } from "./facts.ts";
import { Columns, meanScores, networksOf } from "./heldout.ts";
import { groups, images, isGrouped, Measure, means, Units } from "./measure.ts";
import {
  Compared, besideEquals, secondOpinions, SecondScores, strengthOfKnown, testOf,
} from "./opinions.ts";
import * as say from "./sentences.ts";
import { Estimate, Strength, detectableShare, powerCost, shareOfMembers, strengthFor, weakest } from "./share.ts";

const CHANCE = 0.5;
const FEWEST = 2;

/** What the auditor said of the questioned images that could be read. */
export interface Scored {
  score: Columns;
  free: Columns | null;
  level: Row | null;
  freeLevel: Row | null;
}

export interface Judgement {
  verdict: Verdict;
  score: Row;
  pValue: Row;
  qValue: Row;
  flagged: boolean[];
  ratio: Row | null;
  probability: Row | null;
  prior: number | null;
  priorWords: string;
  strength: Strength | null;
}

export function judgeSet(scored: Scored, units: Units, measure: Measure, controls: Control[], rule: Rule): Judgement {
  const verdict = reachVerdict(scored, units, measure, controls, rule);
  const known = groups(units.known);
  const ofUnit = pValues(units.score, known.nonmember, known.nonmemberFold), adjusted = qValues(ofUnit);
  const of = (values: Row) => rowOf(units.unit.length, (row) => values[units.unit[row]]);
  const { prior, words } = priorOf(verdict.share_of_members, scored.score.count, measure.auc === null);
  const ratio = prior === null ? null : likelihoodRatios(scored.score, images(units.known));
  return {
    verdict,
    score: meanScores(scored.score),
    pValue: of(ofUnit),
    qValue: of(adjusted),
    flagged: Array.from(units.unit, (unit) => adjusted[unit] <= rule.alpha),
    ratio,
    probability: ratio === null || prior === null ? null : probabilities(ratio, prior),
    prior,
    priorWords: words,
    strength: strengthOf(units),
  };
}

export function stoppedBy(controls: Control[]): Control[] {
  return controls.filter((control) => control.stops && control.passed === false);
}

function strengthOf(units: Units): Strength | null {
  const known = groups(units.known);
  if (Math.min(known.member.length, known.nonmember.length) < FEWEST) return null;
  const networks = networksOf(known), { free, level, freeLevel } = units.known;
  const of = (score: Row, sure: Row | null) => {
    const levels = sure === null ? null : groups(units.known, sure);
    return strengthOfKnown(groups(units.known, score), levels && [levels.member, levels.nonmember], networks);
  };
  return weakest(of(units.known.score, level), free === null ? null : of(free, freeLevel));
}

function priorOf(share: Estimate | null, count: number, alone: boolean): { prior: number | null; words: string } {
  if (alone) return { prior: null, words: "none, as no members are known" };
  if (share === null) return { prior: 0.5, words: "one half, as the share could not be estimated" };
  const edge = 0.5 / Math.max(count, 1);
  return { prior: Math.min(Math.max(share.value, edge), 1 - edge), words: "the estimated share of members" };
}

/** What else was observed of units; what the yardstick does not have either is left out. */
function secondScores(scored: Scored, units: Units): SecondScores {
  const known = units.known, count = units.score.count;
  const mean = (values: Row, networks: number) => means(values, networks, units.kept, units.place, count);
  const free = scored.free !== null && known.free !== null ? groups(known, known.free) : null;
  const level = scored.level !== null && known.level !== null ? groups(known, known.level) : null;
  const freeLevel = scored.freeLevel !== null && known.freeLevel !== null ? groups(known, known.freeLevel) : null;
  return {
    free: free && { value: mean(scored.free!.value, scored.free!.networks), count, networks: scored.free!.networks },
    level: level && mean(scored.level!, 1),
    freeLevel: freeLevel && mean(scored.freeLevel!, 1),
    knownFree: free,
    knownLevel: level && [level.member, level.nonmember],
    knownFreeLevel: freeLevel && [freeLevel.member, freeLevel.nonmember],
  };
}

function reachVerdict(scored: Scored, units: Units, measure: Measure, controls: Control[], rule: Rule): Verdict {
  const question: say.Question = {
    rule, images: scored.score.count, units: units.score.count, grouped: isGrouped(units),
  };
  if (!question.units) return nothingRead();
  const found = findings(secondScores(scored, units), units, measure, rule), failed = stoppedBy(controls);
  const [kind, answer]: [Kind, string] = failed.length
    ? ["inconclusive", say.confounded(failed, question)]
    : judge(found, question, controls);
  const text = [...implausible(controls), answer, ...unexcluded(found, controls), say.ASSUMPTION];
  if (found.share !== null || found.detectable !== null) text.push(say.SHARE_ASSUMPTION);
  return {
    kind,
    text: failed.length ? answer : text.join(" "),
    p_value: found.test.p,
    share_of_members: found.share,
    at_least: kind === "members-found" ? say.atLeast(found) : 0,
    detectable_share: found.detectable,
    units: question.grouped ? "groups" : "images",
    stopped_by: failed.map((control) => control.name),
    guarantee: rule.guarantee,
    average_p_value: found.test.average,
    opinions: opinionsOf(found, rule.alpha),
    preference: kind === "members-found" ? say.preference(found) : null,
    cost: found.cost,
  };
}

function nothingRead(): Verdict {
  return {
    kind: "inconclusive", text: say.NOTHING_READ, p_value: null, share_of_members: null, at_least: null,
    detectable_share: null, units: "images", stopped_by: [], guarantee: null, average_p_value: null, opinions: [],
    preference: null, cost: null,
  };
}

function opinionsOf(found: say.Findings, alpha: number): OpinionFacts[] {
  const { labels, together } = found.opinions, facts: OpinionFacts[] = [];
  if (labels !== null) {
    const finds = labels.free.average <= found.opinions.labelFreeLevel;
    facts.push({ name: "without labels", p_value: labels.free.average, finds });
  }
  if (together !== null) {
    facts.push({ name: "whatever the confidence", p_value: together.average, finds: together.average <= alpha });
  }
  return facts;
}

function findings(asked: SecondScores, units: Units, measure: Measure, rule: Rule): say.Findings {
  const { alpha, guarantee, relevant_share: relevant } = rule, { auc } = measure;
  const compared: Compared = { score: units.score, known: groups(units.known), strata: null };
  const equals = besideEquals(compared, asked.level, asked.knownLevel), first = equals ?? compared;
  const test = testOf(first, alpha, guarantee), equal = equals !== null;
  const opinions = secondOpinions(compared, test, asked, alpha, equal);
  const found: say.Findings = {
    test, equal, opinions, share: null, detectable: null, strength: null, cost: null, auc,
  };
  if (auc === null || compared.known.member.length < FEWEST) return found;
  const [strength, worth] = strengthFor(first.score, first.known, first.strata);
  const few = Math.min(test.compared, compared.known.nonmember.length) < FEWEST;
  const unseen = few || strength.effect <= 0 || auc.low <= CHANCE;
  return {
    ...found,
    share: unseen ? null : shareOfMembers(first.score, first.known, first.strata),
    detectable: worth ? detectableShare(strength, worth, alpha, guarantee) : null,
    strength: weakest(strength, opinions.strength),
    cost: unseen || guarantee === "average" ? null : powerCost(strength, worth, relevant, alpha),
  };
}

function implausible(controls: Control[]): string[] {
  return controls.filter((control) => control.name === "plausibility" && control.passed === false)
    .map((control) => `First of all: ${control.text} The rest holds for the images as they were shown.`);
}

function unexcluded(found: say.Findings, controls: Control[]): string[] {
  const said: string[] = [], reference = controls.find((control) => control.name === "reference");
  if (reference === undefined || reference.passed === null) {
    said.push(found.auc !== null ? say.NO_REFERENCE : say.NO_REFERENCE_ALONE);
  } else if (reference.difficulty?.learned) {
    said.push(say.LEARNED_REFERENCE);
  }
  const missing = controls.filter((one) => one.stops && one.name !== "reference" && one.passed === null);
  const names = missing.map((one) => one.name).join(", ");
  if (missing.length) said.push(`Controls that were not run could exclude nothing: ${names}.`);
  return said;
}

function judge(found: say.Findings, question: say.Question, controls: Control[]): [Kind, string] {
  const { alpha, relevant_share: relevant } = question.rule;
  if (found.auc !== null && found.auc.low <= CHANCE) return ["inconclusive", say.untold(question)];
  if (found.test.p <= alpha) {
    const why = say.doubt(found, question);
    return why ? ["inconclusive", why] : ["members-found", say.foundWords(found, question)];
  }
  const why = unsettled(found, question, controls);
  if (why) return ["inconclusive", why];
  if (found.share === null || found.detectable === null || found.detectable > relevant) {
    return ["inconclusive", say.blind(found, question)];
  }
  return ["no-evidence", say.noSign(found, question, found.share, found.detectable)];
}

function unsettled(found: say.Findings, question: say.Question, controls: Control[]): string | null {
  const { together } = found.opinions;
  if (together !== null && together.average <= question.rule.alpha) return say.easier(found, question, together);
  if (found.share !== null && found.share.low > 0) return say.sign(found, question, found.share);
  return say.hidden(found, question, controls) ?? (found.auc === null ? say.nobodyKnown(found, question) : null);
}
