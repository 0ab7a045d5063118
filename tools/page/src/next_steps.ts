// What would help where an audit is inconclusive or weak: onnxmint/verdict/next_steps.py and stats/needed.py.

import { Control, NextStep, Rule, Verdict } from "./facts.ts";
import { count, fixed, percent } from "./format.ts";
import { Estimate, CONFIDENCE, first, questionedNeeded, Strength } from "./share.ts";
import { ndtri } from "./special.ts";
import { UNIFORM } from "./strata.ts";

const CHANCE = 0.5;
const MOST_VIEWS = 26;
const MORE = 2;
const FAR = 10; // times the images that are there, beyond which a number is the last thing to advise
const LEVEL = 0.025;
const LABELS = "Sort the known and the questioned images into one folder a class: labels usually help most.";
const REFERENCES = "Give other classifiers of the same task that were not trained on these images, with --reference: "
  + "they show what is difficulty and not membership, where now only large differences are seen.";

export interface Standing {
  verdict: Verdict;
  controls: Control[];
  members: number; // known ones
  labels: boolean; // told to the auditor
  views: number;
  takesViews: boolean; // whether its module can be shown more
  strength: Strength | null;
  auc: Estimate | null;
  questioned: number; // units
  rule: Rule;
}

export function nextSteps(found: Standing): NextStep[] {
  const { verdict, rule } = found, seen = verdict.detectable_share;
  if (verdict.kind !== "inconclusive" && seen !== null && seen <= rule.relevant_share) return [];
  const significant = verdict.p_value !== null && verdict.p_value <= rule.alpha;
  const doubted = verdict.opinions.some((opinion) => !opinion.finds) && significant;
  const references = [step("references", REFERENCES)], counted = numbers(found);
  return [
    ...toMend(found),
    ...(found.labels || !found.views ? [] : [step("labels", LABELS)]),
    ...(doubted ? references : []),
    ...counted.filter((one) => !far(one)),
    ...views(found),
    ...(doubted ? [] : references),
    ...counted.filter(far),
  ];
}

/** Whether a step asks for so many times the images that are there that others come first. */
function far(one: NextStep): boolean {
  return (one.needed ?? 0) > FAR * Math.max(one.there ?? 1, 1);
}

function step(kind: string, text: string, needed: number | null = null, there: number | null = null): NextStep {
  return { kind, text, needed, there };
}

function toMend(found: Standing): NextStep[] {
  const steps: NextStep[] = [];
  if (found.controls.some((control) => control.name === "plausibility" && control.passed === false)) {
    steps.push(step("preprocessing", "Find out how the model's images are prepared: onnxmint check ranks the known "
      + "ways on labelled images, and whoever trained it knows."));
  }
  if (found.verdict.stopped_by.length) {
    steps.push(step("controls", "Bring known non-members of the same source, difficulty and preparation as the members "
      + "and the questioned images: as it is, something else than membership may explain the scores "
      + `(${found.verdict.stopped_by.join(", ")}).`));
  }
  return steps;
}

function views(found: Standing): NextStep[] {
  if (!found.takesViews || found.views >= MOST_VIEWS) return [];
  return [step("views", `Show the model ${MOST_VIEWS} views of each image instead of ${found.views} (--views): slower, `
    + "and a little better.")];
}

function needed(found: Standing, strength: Strength): number | null {
  return questionedNeeded(strength, found.rule.relevant_share, found.rule.alpha, found.rule.guarantee);
}

function numbers(found: Standing): NextStep[] {
  const { strength, auc } = found, share = percent(found.rule.relevant_share, 0);
  if (strength === null || auc === null) return [];
  const asked = auc.low > CHANCE ? needed(found, strength) : null;
  if (asked === null) return tooFewKnown(found, strength, auc);
  if (asked <= found.questioned) return [];
  const steps = [step("questioned", `Ask about at least ${count(asked)} images instead of ${count(found.questioned)}: of `
    + `them a share of ${share} would be noticed in 95% of audits.`, asked, found.questioned)];
  const there = found.members, fewer = needed(found, scaled(strength, MORE));
  if (fewer !== null && fewer < asked) {
    steps.push(step("known", `Bring ${count(MORE * there)} known images of each kind instead of ${count(there)}: then `
      + `${count(fewer)} questioned do.`, MORE * there, there));
  }
  const size = (one: NextStep) => (one.needed ?? 0) / Math.max(one.there ?? 1, 1);
  return steps.sort((one, other) => size(one) - size(other));
}

function tooFewKnown(found: Standing, strength: Strength, auc: Estimate): NextStep[] {
  const there = found.members, share = percent(found.rule.relevant_share, 0);
  if (strength.effect <= 0) {
    return [step("known", "More known images alone would hardly help: members do not stand out at all (AUC "
      + `${fixed(auc.value, 2)}, at most ${fixed(auc.high, 2)}).`, null, there)];
  }
  const enough = evidenceNeeded(strength, there, found.rule);
  if (enough === null || enough <= there) return [];
  const asked = needed(found, scaled(strength, MORE * enough / there));
  const then = asked === null ? "" : ` With twice as many, ${count(asked)} questioned ones would do.`;
  return [step("known", `Bring at least ${count(enough)} known members and as many known non-members instead of `
    + `${count(there)}: with fewer no number of questioned images shows a share of ${share}.${then}`, enough, there)];
}

function scaled(strength: Strength, factor: number): Strength {
  return {
    ...strength,
    members: Math.max(Math.trunc(strength.members * factor), 2),
    nonmembers: Math.max(Math.trunc(strength.nonmembers * factor), 2),
  };
}

/** The smallest evidence with which some number of questioned images finds a share. */
function evidenceNeeded(strength: Strength, known: number, rule: Rule): number | null {
  return first((size) => {
    const more = scaled(strength, size / known);
    return questionedNeeded(more, rule.relevant_share, rule.alpha, "each") !== null && more.effect > reach(more);
  }, 0);
}

function reach(strength: Strength): number {
  const part = strength.inflation > 1 ? 1 : 2;
  const members = strength.members / part, nonmembers = strength.nonmembers / part;
  const error = Math.sqrt(strength.inflation * (strength.spread / members + UNIFORM / nonmembers));
  return (-ndtri(LEVEL) - ndtri(1 - CONFIDENCE)) * error;
}
