// Does the target agree with the labels of questioned images as with those of known ones: onnxmint/controls/labels.py.

import { Agreement, Control, LabelFacts } from "./facts.ts";
import { count, general, percent } from "./format.ts";
import { placesInGroup } from "./measure.ts";
import { first } from "./share.ts";
import { binomialAtMost, hypergeometricAtLeast, hypergeometricAtMost } from "./special.ts";

const SHARED = 0.004; // level of each of its two tests
const SEEN = 0.95;
const HALF = 0.5;

/** How many of the images, one a group, the target is right on. */
export function agreementOf(
  label: ArrayLike<number>, predicted: ArrayLike<number>, groups: ArrayLike<number> | null, digest: BigUint64Array,
): Agreement {
  const places = groups === null ? null : placesInGroup(groups, digest), found = { right: 0, images: 0 };
  for (let row = 0; row < label.length; row++) {
    if (places !== null && places[row] > 0) continue;
    found.images++;
    if (label[row] === predicted[row]) found.right++;
  }
  return found;
}

export function compareLabels(questioned: Agreement, members: Agreement, nonmembers: Agreement): LabelFacts {
  const all = { right: questioned.images, images: questioned.images };
  return {
    questioned,
    members,
    nonmembers,
    more: more(questioned, members),
    less: less(questioned, nonmembers),
    wrong_seen_from: wrongSeenFrom(questioned.images, nonmembers),
    own_seen: more(all, members) <= SHARED,
  };
}

/** The control; `facts` is null when the audit is told no labels, so that none can mislead it. */
export function labelsControl(facts: LabelFacts | null): Pick<Control, "name" | "passed" | "text" | "labels"> {
  if (facts === null) {
    const text = "No labels are told, the model's own top class stands in their place, so that none can mislead.";
    return { name: "labels", passed: true, text, labels: null };
  }
  return { name: "labels", passed: passed(facts), text: words(facts), labels: facts };
}

function passed(facts: LabelFacts): boolean | null {
  if (Math.min(facts.more, facts.less) <= SHARED) return false;
  return facts.wrong_seen_from !== null && facts.wrong_seen_from <= HALF ? true : null;
}

function rate(found: Agreement): string {
  const share = percent(found.right / Math.max(found.images, 1), 1);
  return `${count(found.right)} of ${count(found.images)} (${share})`;
}

function words(facts: LabelFacts): string {
  const said = `The model agrees with the labels of ${rate(facts.questioned)} questioned images`;
  if (facts.more <= SHARED) {
    return `${said}, more often than with those of known members, ${rate(facts.members)}; p = `
      + `${general(facts.more, 2)}. So do labels that the model itself has given, and images that were chosen because `
      + "it is right on them: such scores cannot be read as membership.";
  }
  if (facts.less <= SHARED) {
    return `${said}, less often than with those of known non-members, ${rate(facts.nonmembers)}; p = `
      + `${general(facts.less, 2)}. Membership cannot explain that: labels are wrong or number the classes otherwise, `
      + "or the images are harder or were changed, and members among them would go unnoticed.";
  }
  const members = facts.members.images ? `known members ${rate(facts.members)}, ` : "";
  const seen = `${said}, ${members}known non-members ${rate(facts.nonmembers)}.`, own = ownWords(facts);
  if (passed(facts) === null) {
    return `Could not look: ${seen} So few images would not even show labels of which half are wrong; ${own}.`;
  }
  return `${seen} ${percent(facts.wrong_seen_from!, 0)} of wrong labels or more would have been seen; ${own}.`;
}

function ownWords(facts: LabelFacts): string {
  if (facts.own_seen) return "labels that the model itself had given would have been seen";
  if (facts.members.images) {
    return "labels that the model itself had given would not have been seen, as it is right on nearly all members";
  }
  return "no members are known, whose labels those that the model itself had given would look like: only the test "
    + "without labels tells the two apart";
}

function more(asked: Agreement, known: Agreement): number {
  if (!asked.images || !known.images) return 1;
  return hypergeometricAtLeast(asked.right, asked.images + known.images, asked.right + known.right, asked.images);
}

function less(asked: Agreement, known: Agreement): number {
  if (!asked.images || !known.images) return 1;
  return hypergeometricAtMost(asked.right, asked.images + known.images, asked.right + known.right, asked.images);
}

/** The smallest share of wrong labels of which 95 of 100 controls would notice; wrong ones never agree. */
function wrongSeenFrom(asked: number, known: Agreement): number | null {
  if (!asked || !known.images) return null;
  const passes = (right: number) => less({ right, images: asked }, known) > SHARED;
  const low = (first((right) => right >= asked || passes(right), -1, asked) ?? asked) - 1;
  for (let step = 1; step <= 100; step++) {
    const share = step / 100;
    if (binomialAtMost(low, asked, (1 - share) * known.right / known.images) >= SEEN) return share;
  }
  return null;
}
