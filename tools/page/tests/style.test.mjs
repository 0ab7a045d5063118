// Every colour of words stands out from what lies below it, in light and dark: WCAG 2.2, level AA.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const style = readFileSync(new URL("../src/page.css", import.meta.url), "utf8");
const [light, dark] = [...style.matchAll(/:root \{([^}]+)\}/g)].map(([, rules]) => (
  Object.fromEntries([...rules.matchAll(/--(\w+): (#[0-9a-f]+)/g)].map(([, name, value]) => [name, value]))
));

function luminance(colour) {
  const long = colour.length === 4 ? colour.replace(/[0-9a-f]/g, "$&$&") : colour;
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const level = parseInt(long.slice(at, at + 2), 16) / 255;
    return level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

for (const [name, colours] of [["light", light], ["dark", { ...light, ...dark }]]) {
  test(`words can be read in ${name}`, () => {
    for (const words of ["ink", "soft", "found", "none", "open"]) {
      for (const below of ["paper", "card"]) {
        const found = contrast(colours[words], colours[below]);
        assert.ok(found >= 4.5, `${words} on ${below}: ${found.toFixed(2)}`);
      }
    }
  });
  test(`edges of buttons and of what has the focus can be seen in ${name}`, () => {
    for (const line of ["edge", "none"]) assert.ok(contrast(colours[line], colours.paper) >= 3, line);
  });
}
