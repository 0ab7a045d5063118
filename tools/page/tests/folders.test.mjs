// Files of a folder are the images that Python takes, in its order and of its classes: vectors/folders.json.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { imported } from "./bundle.mjs";

const { listed } = await imported("folders.ts");
const cases = JSON.parse(readFileSync(new URL("../vectors/folders.json", import.meta.url)));

for (const { name, paths, known, answer } of cases) {
  test(name, () => {
    const given = paths.toReversed().map((path) => ({ path, file: null }));
    if (answer.refused) return assert.throws(() => listed(given, true, known, 1000));
    const { images, label } = listed(given, true, known, 1000);
    assert.deepEqual(images.map(({ path }, at) => [path, label[at]]), answer.images);
  });
}
