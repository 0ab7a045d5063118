// For whom a rate of false alarms holds: onnxmint/stats/guarantee.py.

import { ndtr, ndtri } from "./special.ts";

export type Guarantee = "each" | "average";
export const AUDITORS = 0.95;
export const UNLUCKY = 1.6448536269514722;
const LEAST = 1e-300;

/** Variance of the mean placement of questioned units none of which is a member. */
export interface Luck {
  known: number; // the part that comes from the known non-members
  asked: number; // the part that comes from the questioned units
  step: number; // half the step of the mean from one rank to the next
}

export function luckOf(nonmembers: number, questioned: number, inflation: number, spread: number): Luck {
  return {
    known: inflation * spread / nonmembers,
    asked: spread * (nonmembers + 1) / (nonmembers * questioned),
    step: 0,
  };
}

/** How far above 1/2 the mean placement must be for a level. */
export function neededOf(luck: Luck, alpha: number, guarantee: Guarantee): number {
  const reach = -ndtri(alpha);
  const average = luck.step + reach * Math.sqrt(luck.known + luck.asked);
  if (guarantee === "average") return average;
  return Math.max(average, luck.step + UNLUCKY * Math.sqrt(luck.known) + reach * Math.sqrt(luck.asked));
}

export function pValueOf(luck: Luck, excess: number, guarantee: Guarantee): number {
  const room = excess - luck.step, average = tail(room, luck.known + luck.asked);
  if (guarantee === "average") return average;
  return Math.max(average, tail(room - UNLUCKY * Math.sqrt(luck.known), luck.asked));
}

function tail(room: number, variance: number): number {
  return variance > 0 ? ndtr(-room / Math.sqrt(Math.max(variance, LEAST))) : 1;
}
