// What the tests of words hold against Python.

export * from "./answer.ts";
export * from "./language.ts";
