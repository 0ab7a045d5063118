// The answer as a person reads it.

import {
  drawnWords, errorRate, flaggedWords, NAMES, noticedWords, notMeant, secondWords, sentence, shareWords, unitsWords,
} from "./answer.ts";
import { element } from "./elements.ts";
import { Control } from "./facts.ts";
import { Language } from "./language.ts";
import { Answer } from "./protocol.ts";
import { Skipped, visible } from "./result.ts";

const FIRST = 12; // images in the table
const NAMED = 200; // skipped images that are listed

const LOOKED_AT: Record<string, string> = {
  reference: "difficulty of the images",
  placebo: "the same test on a model that knows nothing",
  files: "file format and size",
  pixels: "brightness, colours and sharpness",
  duplicates: "copies",
  exchangeability: "origin of the questioned images",
  labels: "labels of the questioned images",
  alignment: "moved, mirrored or resized copies",
  plausibility: "preparation of the images",
};

/** The whole answer; `picture` gives the address of an image by its path. */
export function answerView(answer: Answer, words: Language, picture: (path: string) => string | null): Node[] {
  const { answered, result } = answer, { verdict } = answered;
  const missing = answered.controls.filter((one) => one.passed === null && (one.stops || one.hides));
  const names = missing.map((one) => words.say(LOOKED_AT[one.name] ?? one.name)).join(", ");
  const section = element("section", { class: `answer ${verdict.kind}` },
    element("h2", { id: "verdict", tabindex: "-1" }, words.say(NAMES[verdict.kind])),
    element("p", { class: "sentence" }, sentence(answered, words)),
    element("p", {}, [notMeant(answered, words), ...errorRate(answered, words)].join(" ")),
    missing.length
      ? element("p", { class: "missing" },
        words.say("This page could not check: {names}. What these would have shown is not excluded.", { names }))
      : null,
    element("p", {}, secondWords(answered, words).join(" ")),
  );
  return [section, numbers(answer, words), ...helps(answer, words), ...full(answer, words),
    images(answer, words, picture), ...checks(answered.controls, words),
    ...notes(words.say("What a reader has to know"), result.warnings, words),
    ...left(words.say("Questioned images that were skipped"), answer.skipped, words),
    ...left(words.say("Images that are known already, and were not judged"), answer.known, words)];
}

function fact(name: string, value: string): HTMLElement {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value));
}

function numbers({ answered }: Answer, words: Language): Node {
  const { verdict } = answered, p = verdict.p_value;
  return element("dl", { class: "facts" },
    fact(words.say("Questioned images"), [unitsWords(answered, words), drawnWords(answered, words)].join(" ").trim()),
    fact(words.say("Share of your images that were used"), shareWords(answered, words)),
    fact(words.say("at least"), verdict.kind === "members-found" ? words.number(verdict.at_least ?? 0) : "–"),
    fact(words.say("p-value of the set"), p === null ? "–" : words.pValue(p)),
    fact(words.say("Images that stand out alone"), words.number(answered.flagged)),
    fact(words.say("What would have been noticed"), noticedWords(answered, words)),
  );
}

function helps({ result }: Answer, words: Language): Node[] {
  const steps = result.next_steps as { text: string }[];
  if (!steps.length) return [];
  return [element("details", {},
    element("summary", {}, words.say("What would help, in this order:")),
    element("ol", { lang: "en" }, ...steps.map(({ text }) => element("li", {}, text))))];
}

function full({ answered }: Answer, words: Language): Node[] {
  return [element("details", {},
    element("summary", {}, words.say("The finding with all its statistics (in English)")),
    element("p", { lang: "en", id: "text" }, answered.verdict.text))];
}

function images(answer: Answer, words: Language, picture: (path: string) => string | null): Node {
  const heads = ["image", "score", "p-value", "probability", "stands out"].map((name) => (
    element("th", { scope: "col" }, words.say(name))
  ));
  const rows = answer.rows.slice(0, FIRST).map((row) => {
    const address = picture(row.path);
    return element("tr", {},
      element("th", { scope: "row" },
        address === null ? null : element("img", { src: address, alt: "", width: "48", height: "48", loading: "lazy" }),
        element("span", {}, visible(row.path))),
      element("td", {}, words.decimals(row.score, 3)),
      element("td", {}, words.pValue(row.p)),
      element("td", {}, row.probability === null ? "–" : words.share(row.probability)),
      element("td", {}, row.flagged ? words.say("stands out") : ""));
  });
  return element("div", { class: "wide" },
    element("h3", {}, words.say("Questioned images by p-value")),
    element("p", { class: "note" }, flaggedWords(answer.answered, words)),
    element("table", {},
      element("caption", {}, words.say("Questioned images by p-value")),
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...rows)));
}

function checks(controls: Control[], words: Language): Node[] {
  const state = (passed: boolean | null) => words.say(passed === null ? "not run" : passed ? "passed" : "failed");
  const heads = ["check", "result", "what was found"].map((name) => element("th", { scope: "col" }, words.say(name)));
  return [element("details", {},
    element("summary", {}, words.say("Checks, strongest first")),
    element("div", { class: "wide" }, element("table", {},
      element("caption", {}, words.say("Checks, strongest first")),
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...controls.map((control) => element("tr", {},
        element("th", { scope: "row" }, words.say(LOOKED_AT[control.name] ?? control.name)),
        element("td", {}, state(control.passed)),
        element("td", { class: "words", lang: "en" }, control.text)))))))];
}

function notes(title: string, texts: string[], words: Language): Node[] {
  if (!texts.length) return [];
  return [element("details", { class: "notes" }, element("summary", {}, `${title} (${words.number(texts.length)})`),
    element("ul", { lang: "en" }, ...texts.map((text) => element("li", {}, visible(text)))))];
}

function left(title: string, skipped: Skipped[], words: Language): Node[] {
  return notes(title, skipped.slice(0, NAMED).map(({ path, reason }) => `${path}: ${reason}`), words).concat(
    skipped.length > NAMED ? [element("p", { class: "note" }, `… ${words.number(skipped.length)}`)] : [],
  );
}
