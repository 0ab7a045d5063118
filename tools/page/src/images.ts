// What the tests of images hold against Python.

export * from "./decode.ts";
export * from "./geometry.ts";
export * from "./hashes.ts";
export * from "./looks.ts";
export * from "./orientation.ts";
export * from "./picture.ts";
export * from "./pixels.ts";
export * from "./refused.ts";
