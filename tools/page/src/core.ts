// What the tests hold against Python.

export * from "./arrays.ts";
export * from "./exact.ts";
export * from "./format.ts";
export * from "./heldout.ts";
export * from "./labels.ts";
export * from "./measure.ts";
export * from "./next_steps.ts";
export * from "./special.ts";
export * from "./verdict.ts";
