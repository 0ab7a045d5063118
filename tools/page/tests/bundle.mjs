// The sources as one module that Node can import.

import { build } from "esbuild";
import { options } from "../options.mjs";

export async function imported(entry) {
  const source = new URL(`../src/${entry}`, import.meta.url).pathname;
  const { outputFiles } = await build({ ...options, entryPoints: [source], format: "esm", platform: "neutral" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
