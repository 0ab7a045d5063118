// The sentences of a verdict: onnxmint/verdict/sentences.py, word for word.

import { Control, Rule } from "./facts.ts";
import { count, fixed, general, percent, pValue, share } from "./format.ts";
import { Opinions } from "./opinions.ts";
import { SetTest } from "./set_test.ts";
import { Estimate, PowerCost, questionedNeeded, Strength } from "./share.ts";

export const NOTHING_READ = "No questioned image could be read, so nothing was tested.";
export const ASSUMPTION = "All of this holds if the questioned images, had they not been trained on, would be images "
  + "like the known non-members (same source, same preparation); no test after the fact can prove that "
  + "(arXiv 2409.19798).";
export const SHARE_ASSUMPTION = "The share, and what would have been noticed, hold if the model was trained on members "
  + "among them as on the known ones and is as sure of them, if the known members were drawn at random from all that "
  + "were, and if labels and files are as good as theirs.";
export const NO_REFERENCE = "No model that was not trained on these images was compared, so a mere difference in "
  + "difficulty between members and non-members was not excluded.";
export const NO_REFERENCE_ALONE = "No model that was not trained on these images was compared (--reference): that the "
  + "questioned images are merely easier than the known non-members was excluded only by comparing images that this "
  + "model is equally sure of.";
export const LEARNED_REFERENCE = "Only small classifiers learned from the known images looked for a difference in "
  + "difficulty between members and non-members, and they see large ones only; --reference models would see more.";
const WITHOUT_LABELS = "an auditor trained with --no-labels asks without them";

/** What is asked of a set. */
export interface Question {
  rule: Rule;
  images: number;
  units: number;
  grouped: boolean;
}

/** All numbers that a verdict rests on. */
export interface Findings {
  test: SetTest;
  equal: boolean; // whether it compares with known images that the model is equally sure of
  opinions: Opinions;
  share: Estimate | null;
  detectable: number | null;
  strength: Strength | null;
  cost: PowerCost | null;
  auc: Estimate | null;
}

function wordsOf(question: Question): string {
  const images = question.images === 1 ? "1 questioned image" : `${count(question.images)} questioned images`;
  return question.grouped ? `${images} (${count(question.units)} when near copies and groups count once)` : images;
}

export function doubt(found: Findings, question: Question): string | null {
  const { labels, together } = found.opinions;
  const start = `The ${wordsOf(question)} score higher than images that were not trained on (${tested(found)}), but`;
  if (labels?.kind === "only-labelled") {
    return `${start} not when the model's own top class stands in the place of their labels (p `
      + `${pValue(labels.free.average)}). Labels that the model itself has given would look the same, so their labels `
      + `have to be checked first; ${WITHOUT_LABELS}.`;
  }
  if (labels?.kind === "labels-raise") {
    return `${start} their labels add more to it than membership does, as labels that the model itself has given `
      + `would: check where they come from; ${WITHOUT_LABELS}.`;
  }
  if (together !== null && together.average > question.rule.alpha) {
    return `${start} not than all of them, whatever the model's confidence (p ${pValue(together.average)}). Members `
      + "that are harder than the known images would look so, and so would images that were made differently, for "
      + "example by resizing. Known non-members like them would settle it.";
  }
  if (!found.equal) {
    return `${start} easy images do that too, and this module is shown one view of an image, by which the two cannot `
      + "be told apart: --module views, or --reference models that were not trained on them, would settle it.";
  }
  return null;
}

export function easier(found: Findings, question: Question, together: SetTest): string {
  return `The ${wordsOf(question)} score higher than images that were not trained on (p ${pValue(together.average)}), `
    + `but not significantly more than those of them that the model is equally sure of (${tested(found)}). Members `
    + "would look so to a model that gives them away by its confidence alone, and so would images that were chosen "
    + "because they are clear, or easy. More questioned images, more evidence, or --reference models that were not "
    + "trained on them would settle it.";
}

export function untold(question: Question): string {
  return "On images it had not seen, this audit could not tell members of the training set from non-members (the 95% "
    + `interval of its AUC reaches 0.5, which is chance), so it can say nothing about the ${wordsOf(question)}. More `
    + "evidence, another layer or module may help; or this model gives its training images away too little.";
}

export function sign(found: Findings, question: Question, estimate: Estimate): string {
  return `There is a sign that some of the ${wordsOf(question)} were in the model's training set (${tested(found)}; `
    + `${shareWords(estimate)}), but not at the level of ${general(question.rule.alpha)} that was asked for. More `
    + "questioned images or more evidence would settle it.";
}

export function noSign(found: Findings, question: Question, estimate: Estimate, detectable: number): string {
  return `There is no sign that any of the ${wordsOf(question)} was in the model's training set: as a set they do not `
    + `score significantly higher than images that were not trained on (${tested(found)}). The share of members among `
    + `them is at most ${share(estimate.high)} (95% interval); had ${share(detectable)} or more of them been trained `
    + "on, this audit would have noticed in 95% of cases, its own luck included. A smaller share can still be among "
    + "them unnoticed.";
}

export function hidden(found: Findings, question: Question, controls: Control[]): string | null {
  const { labels } = found.opinions;
  const start = `The ${wordsOf(question)} do not score higher than images that were not trained on (${tested(found)}), `
    + "but";
  if (labels?.kind === "only-free" || labels?.kind === "labels-lower") {
    const said = labels.kind === "only-free" ? "they do" : "they come nearer to it";
    return `${start} ${said} when the model's own top class stands in the place of their labels (p `
      + `${pValue(labels.free.p)}): wrong labels hide members. Check them; ${WITHOUT_LABELS}.`;
  }
  const failed = controls.filter((control) => control.hides && control.passed === false);
  const texts = failed.map((one) => one.text).join(" ");
  return failed.length ? `${start} members could go unnoticed. ${texts}` : null;
}

export function atLeast(found: Findings): number {
  const tests = found.opinions.labels === null ? [found.test] : [found.test, found.opinions.labels.free];
  return Math.min(...tests.map((test) => Math.max(test.atLeast, 1)));
}

/** How many times as likely easy images must have been chosen to explain the finding. */
export function preference(found: Findings): number | null {
  const limit = 0.5 + found.test.effect - found.test.needed;
  return limit >= 0.5 && limit < 1 ? (limit / (1 - limit)) ** 2 : null;
}

export function foundWords(found: Findings, question: Question): string {
  const units = question.grouped ? "of them, near copies counted once," : "of the images", { alpha } = question.rule;
  const what = question.units === 1 ? "The" : "Some of the";
  const estimate = found.share === null ? "" : ` T${shareWords(found.share).slice(1)}.`;
  const least = ` With ${percent(1 - alpha, 0)} confidence at least ${count(atLeast(found))} ${units} were.`;
  const alone = found.auc === null
    ? "no member is known, so nothing is known of how well single images can be told apart"
    : "single images can be told apart only as well as the AUC on known images says";
  const shared = found.opinions.labels === null ? "" : "; so they do without their labels";
  return `${what} ${wordsOf(question)} ${question.images === 1 ? "was" : "were"} in the model's training set: as a set `
    + `they score higher than images that were not trained on (${tested(found)})${shared}. Were none of them trained `
    + `on, ${rate(question.rule)}.${estimate}${least}${stands(found)} Which ones is another question: ${alone}.`;
}

function rate(rule: Rule): string {
  if (rule.guarantee === "average") {
    return `a set would be called so in at most ${percent(rule.alpha, 0)} of audits, on average over auditors: one `
      + "auditor that judges many sets can be wrong more often";
  }
  return `95 of 100 auditors like this one would call a set so in at most ${percent(rule.alpha, 0)} of audits each`;
}

function stands(found: Findings): string {
  const times = preference(found);
  if (times === null) return "";
  const who = found.equal
    ? "among images that the model is equally sure of, those that look most like members"
    : "images that the model finds easy";
  const than = found.equal ? "the others" : "hard ones";
  return ` To explain it otherwise, ${who} would have to have been chosen ${fixed(times, 1)} times as often as ${than}.`;
}

function shareWords(estimate: Estimate): string {
  return `the share of members is estimated at ${share(estimate.value)}, 95% interval ${share(estimate.low)} to `
    + share(estimate.high);
}

export function confounded(failed: Control[], question: Question): string {
  return `Scores of the ${wordsOf(question)} cannot be read as membership, because something else can explain them `
    + `too. ${failed.map((control) => control.text).join(" ")} Known non-members of the same origin, difficulty and `
    + "preparation as the members and the questioned images would settle it.";
}

export function blind(found: Findings, question: Question): string {
  const { alpha, guarantee, relevant_share: relevant } = question.rule;
  const seen = found.detectable === null
    ? "even if all of them had been trained on, that would have shown in fewer than 95% of cases"
    : `only a share of ${share(found.detectable)} or more would have shown in 95% of cases`;
  const needed = found.strength === null ? null : questionedNeeded(found.strength, relevant, alpha, guarantee);
  const mend = needed
    ? `With about ${count(needed)} questioned ${question.grouped ? "groups" : "images"} a share of ${share(relevant)} `
      + "would be found in 95% of cases."
    : "No number of questioned images would do with this evidence: more known members and non-members are needed "
      + "(onnxmint plan says how many).";
  return `${noHigher(found, question)}, but ${seen}. ${mend}`;
}

export function nobodyKnown(found: Findings, question: Question): string {
  return `${noHigher(found, question)}. No members are known, so nothing is known of how far they would stand out: `
    + "that members are among them is not excluded, whatever their share. Some hundred known members would let an "
    + "audit say what it would have noticed.";
}

function noHigher(found: Findings, question: Question): string {
  return `The ${wordsOf(question)} ${question.images === 1 ? "does" : "do"} not score significantly higher than images `
    + `that were not trained on (${tested(found)})`;
}

function tested(found: Findings): string {
  const like = found.equal ? " that the model is equally sure of" : "";
  return `one-sided Mann-Whitney test against held-out non-members${like}, p ${pValue(found.test.p)}`;
}
