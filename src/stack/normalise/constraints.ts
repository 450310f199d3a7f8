/**
 * deploy.placement.constraints and preferences: `KEY == VALUE` and `KEY != VALUE`. Keys, operators and errors are those
 * of Docker (docker service create --constraint; swarmkit, manager/constraint).
 */
import { nearest } from "../../core/diagnostics.ts";
import {
  HOST_LIMITS,
  type HostAttribute,
  type HostLabel,
  type PlacementConstraint,
} from "../model/placement.ts";

const PLAIN_KEYS = [
  "node.id",
  "node.hostname",
  "node.ip",
  "node.role",
  "node.platform.os",
  "node.platform.arch",
] as const satisfies HostAttribute[];
const LABEL_KEYS = ["node.labels", "engine.labels"] as const;
const KEY = /^[a-z_][a-z0-9\-_.]+$/i;
const VALUE = /^[a-z0-9:\-_\s.*()?+[\]\\^$|/]+$/i;

export interface Problem {
  message: string;
  hint?: string;
}

type Parsed = Omit<PlacementConstraint, "where">;

/** One constraint, or what is wrong with it. The operator == is looked for first, as in Docker. */
export function parseConstraint(text: string): Parsed | Problem {
  if (text.length > HOST_LIMITS.words)
    return {
      message: `the constraint has ${text.length} characters; at most ${HOST_LIMITS.words} are allowed`,
    };
  const operator = (["==", "!="] as const).find((each) => text.includes(each));
  if (operator === undefined)
    return {
      message: "constraint expected one operator from ==, !=",
      hint: "write KEY == VALUE or KEY != VALUE, such as node.labels.disk == ssd",
    };
  const at = text.indexOf(operator);
  const key = text.slice(0, at).trim();
  const value = text.slice(at + operator.length).trim();
  const attribute = attributeOf(key);
  if (attribute === undefined) return badKey(key);
  if (!VALUE.test(value)) return { message: `value '${value}' is invalid` };
  return { ...attribute, operator, value };
}

/** The label of a preference, or what is wrong with it. */
export function parseSpread(text: string): HostLabel | Problem {
  const found = text.length > HOST_LIMITS.words ? undefined : attributeOf(text.trim());
  const isLabel = found?.label !== undefined;
  if (isLabel) return found as HostLabel;
  return {
    message: `expected node.labels.NAME or engine.labels.NAME, got ${JSON.stringify(text.slice(0, 80))}`,
  };
}

/** Case does not matter in a key, except in the name of a label. */
function attributeOf(key: string): Pick<Parsed, "attribute" | "label"> | undefined {
  if (!KEY.test(key)) return undefined;
  const lower = key.toLowerCase();
  const plain = PLAIN_KEYS.find((each) => each === lower);
  if (plain) return { attribute: plain };
  const ofLabel = LABEL_KEYS.find((each) => lower.startsWith(`${each}.`) && lower.length > each.length + 1);
  return ofLabel && { attribute: ofLabel, label: key.slice(ofLabel.length + 1) };
}

/** Docker accepts every other key, and then no host ever matches. */
function badKey(key: string): Problem {
  const known = [...PLAIN_KEYS, ...LABEL_KEYS.map((each) => `${each}.NAME`)];
  const [, prefix = "", label = ""] = /^([^.]+\.[^.]+)\.(.+)$/.exec(key) ?? [];
  const ofLabel = nearest(prefix, LABEL_KEYS);
  const suggestion = nearest(key, PLAIN_KEYS) ?? (ofLabel && `${ofLabel}.${label}`);
  return {
    message: `key '${key}' is invalid`,
    hint: suggestion === undefined ? `the keys are ${known.join(", ")}` : `did you mean ${suggestion}?`,
  };
}
