/** The current state of a stage: its layers, its config and its history. */
import { createHash } from "node:crypto";
import { withoutPasswords } from "../core/redaction.ts";
import type { Descriptor, ImageConfig, Platform, RunConfig } from "../image/index.ts";
import type { StepRecord } from "./cache/step-store.ts";

/** One layer of a stage: the base image's, or a step's. */
export type Link =
  | { kind: "image"; name: string; descriptor: Descriptor; diffId: string }
  | { kind: "step"; record: StepRecord };

export interface StageState {
  /** A key of all inputs so far. */
  key: string;
  /** The platform of its programs. */
  platform: Platform;
  /** Lowest first. */
  links: Link[];
  config: RunConfig;
  history: NonNullable<ImageConfig["history"]>;
  createdAt: string;
  author: string | undefined;
}

const COMMENT = "bay build";

export const digestOf = (parts: unknown): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex");

/** An instruction as the progress and the image's history show it. */
export const oneLine = (text: string): string => withoutPasswords(text.replace(/\s+/g, " ").trim());

/** Names of its layers' directories, the topmost first. */
export function lowerOf(state: StageState): string[] {
  const names = state.links.flatMap((link) =>
    link.kind === "image" ? [link.name] : link.record.layer === undefined ? [] : [link.record.layer],
  );
  return [...new Set(names.reverse())];
}

/** After an instruction without a layer. ARG and ENV are part of the keys of the RUNs that use them, and of no others. */
export function withNote(state: StageState, text: string): StageState {
  const entry = { created: state.createdAt, created_by: oneLine(text), empty_layer: true, comment: COMMENT };
  return { ...state, history: [...state.history, entry] };
}

/** After a step, whose key may include the earlier steps. A step that was run again invalidates all later ones. */
export function withStep(
  state: StageState,
  record: StepRecord,
  createdBy: string,
  isIndependent = false,
): StageState {
  const isEmpty = record.layer === undefined;
  const entry = {
    created: record.createdAt,
    created_by: createdBy,
    comment: COMMENT,
    ...(isEmpty ? { empty_layer: true } : {}),
  };
  return {
    ...state,
    key: digestOf([...(isIndependent ? [state.key] : []), record.key, record.createdAt]),
    links: isEmpty ? state.links : [...state.links, { kind: "step", record }],
    createdAt: record.createdAt,
    history: [...state.history, entry],
  };
}
