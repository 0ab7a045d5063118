// The answer in the reader's language: onnxmint/report/sentences.py and answer.py.

import { Control, Kind, OpinionFacts, Verdict } from "./facts.ts";
import { Language } from "./language.ts";

const EVERYTHING = 0.99; // width of an interval that says nothing

/** What the words depend on. */
export interface Answered {
  verdict: Verdict;
  controls: Control[];
  images: number;
  flagged: number;
  alpha: number;
  members: number; // known ones
  drawnFrom: number | null;
}

type Reason = "found" | "none" | "nothing read" | "stopped" | "doubted" | "too weak" | "nobody known" | "hidden" | "blind"
  | "part seen";

export const NAMES: Record<Kind, string> = {
  "members-found": "Members found", "no-evidence": "No evidence", inconclusive: "Inconclusive",
};
const START = "We cannot tell whether this image was used to train this model: ";
const STARTS = "We cannot tell whether these {images} images were used to train this model: ";
const BLIND = "this audit could have missed it.";
const CANNOT_TELL: Partial<Record<Reason, [string, string]>> = {
  stopped: [`${START}something else could explain its score.`, `${STARTS}something else could explain their scores.`],
  doubted: [`${START}its score is high, but not surely so.`,
    `${STARTS}their scores are high, but another explanation remains.`],
  "too weak": [`${START}there is a sign, but a weak one.`, `${STARTS}there is a sign, but a weak one.`],
  "nobody known": [`${START}no sign was found; it proves nothing.`, `${STARTS}no sign was found, which here proves nothing.`],
  hidden: [`${START}a changed copy could have been missed.`, `${STARTS}changed copies could have been missed.`],
  blind: [START + BLIND, `${STARTS}even if all were, ${BLIND}`],
  "part seen": [START + BLIND, `${STARTS}only a share of {detectable} or more would have shown.`],
};

export function reasonOf(found: Answered): Reason {
  const { verdict } = found, share = verdict.share_of_members;
  const together = verdict.opinions.some((one) => one.finds && one.name === "whatever the confidence");
  const standsOut = together || (verdict.p_value ?? 0) <= found.alpha;
  const reasons: [Reason, boolean][] = [
    ["found", verdict.kind === "members-found"],
    ["none", verdict.kind === "no-evidence"],
    ["nothing read", verdict.p_value === null],
    ["stopped", verdict.stopped_by.length > 0],
    ["doubted", standsOut && (share !== null || !found.members)],
    ["too weak", share !== null && share.low > 0],
    ["nobody known", !found.members],
    ["hidden", found.controls.some((control) => control.hides && control.passed === false)],
    ["blind", verdict.detectable_share === null],
    ["part seen", true],
  ];
  return reasons.find(([, holds]) => holds)![0];
}

/** The answer in one sentence. */
export function sentence(found: Answered, words: Language): string {
  const reason = reasonOf(found), { verdict, images } = found;
  if (reason === "nothing read") return words.say("No image could be read, so nothing was tested.");
  if (reason === "found") return foundSentence(found, words);
  const noticed = verdict.detectable_share;
  const shown = { images: words.number(images), detectable: noticed === null ? "" : words.share(noticed) };
  if (reason === "none") {
    return words.say(images === 1
      ? "There is no sign that this image was used to train this model."
      : "No sign that these {images} images were used to train this model; a share of {detectable} or more would "
        + "probably have been noticed.", shown);
  }
  return words.say(CANNOT_TELL[reason]![images === 1 ? 0 : 1], shown);
}

function foundSentence({ verdict, images }: Answered, words: Language): string {
  const share = verdict.share_of_members, least = verdict.at_least;
  if (images === 1) return words.say("This image was used to train this model.");
  const shown: Record<string, string> = { images: words.number(images), least: words.number(least ?? 0) };
  const start = "Some of these {images} images were used to train this model";
  if (share === null) {
    return words.say(least ? `${start}: at least {least}, how many more is not known.` : `${start}; how many is not known.`,
      shown);
  }
  Object.assign(shown, { value: words.share(share.value), low: words.share(share.low), high: words.share(share.high) });
  if (!least) return words.say(`${start}: probably about {value} ({low} to {high}).`, shown);
  if (verdict.units === "groups") {
    return words.say(`${start}: at least {least} (near copies counted once), probably about {value} ({low} to {high}).`,
      shown);
  }
  return words.say(`${start}: at least {least}, probably about {value} ({low} to {high}).`, shown);
}

/** What the answer does not mean. */
export function notMeant(found: Answered, words: Language): string {
  const reason = reasonOf(found), share = found.verdict.share_of_members;
  if (reason === "found") {
    return words.say("It does not say which of them, nor who put them there, nor is it proof about one picture.");
  }
  if (reason === "none") {
    if (share === null) return words.say("A smaller share may still have been used.");
    return words.say("A smaller share may still have been used: up to {high} is possible.",
      { high: words.share(share.high) });
  }
  if (reason === "doubted" || reason === "too weak" || reason === "stopped") {
    return words.say("This is not a finding that they were used, and not a finding that they were not.");
  }
  return words.say("It is neither a sign that they were used nor a sign that they were not.");
}

/** How often such an answer is wrong. */
export function errorRate(found: Answered, words: Language): string[] {
  const reason = reasonOf(found);
  if (reason === "none") return [words.say("“Probably” means: in 95 of 100 audits like this one.")];
  if (reason !== "found") return [];
  const often = words.say(
    "Had none of them been used, an audit like this would still say so at most {times} times in 100.",
    { times: words.rounded(100 * found.alpha) },
  );
  const holds = found.verdict.guarantee === "average"
    ? words.say("That limit holds on average over choices of known images; with one choice it can be exceeded.")
    : words.say("That limit holds for 95 of 100 choices of known images, not only on average.");
  return [often, holds];
}

/** What the second tests of the set said, and how strong a hidden choice could explain a finding. */
export function secondWords(found: Answered, words: Language): string[] {
  const reason = reasonOf(found), { verdict } = found;
  if (reason !== "found" && reason !== "doubted") return [];
  const said = verdict.opinions.map((opinion) => opinionWords(opinion, found, words));
  if (verdict.preference === null || reason !== "found") return said;
  const equal = verdict.opinions.some((opinion) => opinion.name === "whatever the confidence");
  const times = { times: words.decimals(verdict.preference, 1) };
  said.push(words.say(equal
    ? "To explain this otherwise, of images that the model is equally sure of, those that look most like images that "
      + "were used would have to have been chosen {times} times as often as the others."
    : "To explain this otherwise, images that are easy for the model would have to have been chosen {times} times as "
      + "often as hard ones.", times));
  return said;
}

function opinionWords(opinion: OpinionFacts, found: Answered, words: Language): string {
  if (opinion.name === "without labels") {
    return words.say(opinion.finds
      ? "The scores are also high without the labels of the images."
      : "Without the labels of the images the scores are not high.");
  }
  if (!opinion.finds) {
    return words.say("The scores are high beside known images of which the model is equally sure, but not beside all of "
      + "them.");
  }
  if ((found.verdict.p_value ?? 0) <= found.alpha) {
    return words.say("The scores are high also beside known images of which the model is equally sure.");
  }
  return words.say("The scores are high beside all known images that were not used, but not beside those of which the "
    + "model is equally sure.");
}

/** What may be shown of the share, in one line: never a number whose interval says nothing. */
export function shareWords(found: Answered, words: Language): string {
  const share = found.verdict.share_of_members, reason = reasonOf(found);
  const useless = share === null || share.high - share.low >= EVERYTHING
    || ["stopped", "doubted", "hidden", "blind"].includes(reason);
  if (share === null || useless) {
    return words.say("unknown: anything from {none} to {all}", { none: words.share(0), all: words.share(1) });
  }
  const [low, high, value] = [words.share(share.low), words.share(share.high), words.share(share.value)];
  if (reason === "found") return words.say("about {value} (95% interval: {low} to {high})", { value, low, high });
  if (share.low <= 0) return words.say("at most {high} (95% confidence)", { high });
  return words.say("somewhere between {low} and {high} (95% interval)", { low, high });
}

/** The smallest share that would have been noticed. */
export function noticedWords(found: Answered, words: Language): string {
  const noticed = found.verdict.detectable_share;
  if (!found.members) return words.say("What would have been noticed is not known.");
  if (noticed === null) return words.say("Even if all had been used, this audit could have missed it.");
  return words.say("Smallest share that would have been noticed: {share}", { share: words.share(noticed) });
}

/** How many images were asked about, and what counts once. */
export function unitsWords(found: Answered, words: Language): string {
  const count = words.several("{n} image", "{n} images", found.images, { n: words.number(found.images) });
  return found.verdict.units === "groups" ? words.say("{images} (near copies counted once)", { images: count }) : count;
}

/** From how many images those that were judged were drawn. */
export function drawnWords(found: Answered, words: Language): string {
  if (found.drawnFrom === null) return "";
  return words.say("They were drawn at random from {n}.", { n: words.number(found.drawnFrom) });
}

/** What is known of single images. */
export function flaggedWords(found: Answered, words: Language): string {
  if (found.verdict.stopped_by.length) return words.say("A check failed, so nothing may be read from single images.");
  if (found.flagged) {
    return words.several(
      "{n} image stands out by itself; of images that do, at most {alpha} are expected to be wrong.",
      "{n} images stand out by themselves; of these at most {alpha} are expected to be wrong.",
      found.flagged, { n: words.number(found.flagged), alpha: words.level(found.alpha) },
    );
  }
  if (found.verdict.kind === "members-found") {
    return words.say("The set gives itself away, no single image does: a high probability beside an image is no "
      + "contradiction, it only takes the share of the whole set for granted.");
  }
  return words.say("No single image stands out by itself.");
}
