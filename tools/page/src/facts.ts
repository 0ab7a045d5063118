// The parts of an audit's result that the page reads and writes, named as in report.json.

import { Guarantee } from "./guarantee.ts";
import { Estimate, PowerCost } from "./share.ts";

export interface Agreement {
  right: number;
  images: number;
}

export interface LabelFacts {
  questioned: Agreement;
  members: Agreement;
  nonmembers: Agreement;
  more: number;
  less: number;
  wrong_seen_from: number | null;
  own_seen: boolean;
}

export interface Control {
  name: string;
  passed: boolean | null;
  text: string;
  stops: boolean;
  hides: boolean;
  difficulty: { learned: boolean } | null;
  labels: LabelFacts | null;
  [other: string]: unknown;
}

export type Kind = "members-found" | "no-evidence" | "inconclusive";

export interface OpinionFacts {
  name: "without labels" | "whatever the confidence";
  p_value: number;
  finds: boolean;
}

export interface Verdict {
  kind: Kind;
  text: string;
  p_value: number | null;
  share_of_members: Estimate | null;
  at_least: number | null;
  detectable_share: number | null;
  units: "images" | "groups";
  stopped_by: string[];
  guarantee: Guarantee | null;
  average_p_value: number | null;
  opinions: OpinionFacts[];
  preference: number | null;
  cost: PowerCost | null;
}

export interface NextStep {
  kind: string;
  text: string;
  needed: number | null;
  there: number | null;
}

/** How questioned images are judged. */
export interface Rule {
  alpha: number;
  relevant_share: number;
  guarantee: Guarantee;
}
