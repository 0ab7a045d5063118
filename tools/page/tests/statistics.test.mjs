// The statistics of the page are those of Python: cases and answers in vectors/statistics.json.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { imported } from "./bundle.mjs";

const core = await imported("core.ts");
const vectors = JSON.parse(readFileSync(new URL("../vectors/statistics.json", import.meta.url)));
const CLASSES = 10;
const RELATIVE = 1e-9;

/** The draws of drawn.py. */
class Draws {
  constructor(seed) { this.state = seed; }
  word() { return this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0; }
  uniform() { return this.word() / 4294967296; }
  bell() { return this.uniform() + this.uniform() + this.uniform() + this.uniform() - 2; }
  below(count) { return Math.trunc(this.uniform() * count); }
}

function rounded(value, step) {
  return step === 0 ? value : Math.trunc(value / step) * step;
}

function drawn(one, draws, member, networks, asked) {
  const found = { score: [], free: [], level: [], freeLevel: [], label: [], predicted: [], digest: [] };
  for (const inside of member) {
    const level = draws.bell() + (asked ? one.ease : 0);
    const base = draws.bell() + level / 4 + (inside ? one.shift : 0);
    const right = draws.uniform() < (inside ? 0.95 : 0.75);
    let label = draws.below(CLASSES);
    const top = right ? label : (label + 1) % CLASSES;
    if (asked && one.labels === "own") label = top;
    if (asked && one.labels === "wrong") label = (label + 3) % CLASSES;
    const raised = asked && one.labels === "own" ? 0.5 : asked && one.labels === "wrong" ? -0.5 : 0;
    const noise = draws.bell() / 4, row = [];
    for (let k = 0; k < networks; k++) row.push(base + raised + draws.bell() / 8);
    found.score.push(...row.map((value) => rounded(value, one.step)));
    found.free.push(...row.map((value) => rounded(value - raised + noise, one.step)));
    found.level.push(level + raised);
    found.freeLevel.push(level);
    found.label.push(label);
    found.predicted.push(top);
    const high = draws.word(), low = draws.word();
    found.digest.push((BigInt(high) << 32n) + BigInt(low));
  }
  return found;
}

function controlsOf(kind) {
  const usual = { passed: true, stops: false, hides: false, difficulty: null, labels: null };
  const difficulty = kind === "learned" ? { learned: true } : null;
  return [
    { ...usual, name: "reference", passed: kind === "none" ? null : true, text: "Reference.", stops: true, difficulty },
    { ...usual, name: "placebo", passed: kind !== "failed", text: "Placebo text.", stops: true },
    { ...usual, name: "exchangeability", passed: null, text: "Not run.", stops: true },
    { ...usual, name: "alignment", passed: null, text: "Not run.", hides: true },
    { ...usual, name: "plausibility", passed: kind !== "implausible", text: "Plausibility text." },
  ];
}

const single = (values) => Float64Array.from(Float32Array.from(values));

function answered(one, auc) {
  const draws = new Draws(one.seed), told = one.labels !== "none";
  const sides = Array.from({ length: one.members + one.nonmembers }, (_, place) => place < one.members);
  const known = drawn(one, draws, sides, 1, false);
  const member = Array.from({ length: one.asked }, () => draws.uniform() < one.share);
  const found = drawn(one, draws, member, one.folds, true), group = Math.max(one.known_group, 1);
  const yardstick = {
    score: single(known.score),
    isMember: sides.map(Number),
    fold: sides.map((_, row) => Math.floor(row / group) % one.folds),
    group: one.known_group ? sides.map((_, row) => Math.floor(row / group)) : null,
    free: told ? single(known.free) : null,
    level: one.levels ? single(known.level) : null,
    freeLevel: told && one.levels ? single(known.freeLevel) : null,
    digest: BigUint64Array.from(known.digest),
  };
  const groups = one.asked_group ? member.map(() => Math.floor(draws.below(one.asked) / one.asked_group)) : null;
  const columns = (value) => ({ value: Float64Array.from(value), count: one.asked, networks: one.folds });
  const scored = {
    score: columns(found.score),
    free: told ? columns(found.free) : null,
    level: one.levels ? Float64Array.from(found.level) : null,
    freeLevel: told && one.levels ? Float64Array.from(found.freeLevel) : null,
  };
  const digest = BigUint64Array.from(found.digest);
  const units = core.asUnits(scored.score, groups, yardstick, digest);
  const rule = { alpha: one.alpha, relevant_share: one.relevant_share, guarantee: one.guarantee };
  let facts = null;
  if (told) {
    const of = (inside) => ({
      right: sides.filter((side, row) => side === inside && known.label[row] === known.predicted[row]).length,
      images: sides.filter((side) => side === inside).length,
    });
    const asked = core.agreementOf(found.label, found.predicted, groups, digest);
    facts = core.compareLabels(asked, of(true), of(false));
  }
  const labels = { stops: false, hides: false, difficulty: null, ...core.labelsControl(facts) };
  const controls = [...controlsOf(one.controls), labels];
  const judged = core.judgeSet(scored, units, { yardstick, auc, folds: one.folds, labels: told }, controls, rule);
  const steps = core.nextSteps({
    verdict: judged.verdict, controls, members: one.members, labels: told, views: one.levels ? 14 : 1,
    takesViews: one.levels, strength: judged.strength, auc, questioned: units.score.count, rule,
  });
  return { judged, labels, steps, units: units.score.count };
}

function near(found, wanted, where) {
  if (typeof wanted === "number" && typeof found === "number") {
    const apart = Math.abs(found - wanted), most = RELATIVE * Math.max(Math.abs(wanted), 1e-300);
    assert.ok(apart <= most || apart < 1e-14, `${where}: ${found}, Python says ${wanted}`);
  } else if (wanted !== null && typeof wanted === "object") {
    assert.ok(found !== null && typeof found === "object", `${where}: ${found}`);
    for (const key of Object.keys(wanted)) near(found[key], wanted[key], `${where}.${key}`);
  } else {
    assert.equal(found, wanted, where);
  }
}

function summary(values) {
  const row = Array.from(values, Number);
  return {
    first: row.slice(0, 6),
    sum: row.reduce((total, value) => total + value, 0),
    weighted: row.reduce((total, value, place) => total + value * (place + 1) / row.length, 0),
  };
}

test("there are at least 200 cases", () => assert.ok(vectors.length >= 200, String(vectors.length)));

for (const { case: one, answer } of vectors) {
  test(`case ${one.seed} is answered as in Python`, () => {
    const { judged, labels, steps, units } = answered(one, answer.auc);
    assert.equal(units, answer.units);
    near(judged.verdict, answer.verdict, "verdict");
    near(judged.prior, answer.prior, "prior");
    assert.equal(judged.priorWords, answer.prior_words);
    for (const key of ["name", "passed", "text", "labels"]) near(labels[key], answer.labels[key], `labels.${key}`);
    near(steps, answer.next_steps, "next_steps");
    assert.equal(steps.length, answer.next_steps.length);
    const columns = {
      score: judged.score, p_value: judged.pValue, q_value: judged.qValue, flagged: judged.flagged,
      likelihood_ratio: judged.ratio, probability: judged.probability,
    };
    for (const [name, wanted] of Object.entries(answer.columns)) {
      near(columns[name] && summary(columns[name]), wanted, name);
    }
  });
}
