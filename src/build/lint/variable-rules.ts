/** Rules about variables: unset ones, in FROM and after it, and fixed platforms. */
import { nearest, type SourcePosition } from "../../core/diagnostics.ts";
import { BayError } from "../../core/errors.ts";
import { hostPlatform, parseReference } from "../../image/index.ts";
import type { Instruction } from "../dockerfile/instructions.ts";
import { expand } from "../dockerfile/words.ts";
import { findStage } from "../find-stage.ts";
import { PROXY_ARGS, platformArgs } from "../scope.ts";
import type { Dockerfile, Stage } from "../stages.ts";
import type { Complain } from "./rules.ts";

/** Set by the shell of a RUN, so a Dockerfile need not declare them. */
const AUTOMATIC = Object.keys(platformArgs(hostPlatform(), hostPlatform(), ""));

export function checkVariables(dockerfile: Dockerfile, complain: Complain): void {
  const defaults = new Map<string, string>();
  for (const name of AUTOMATIC) defaults.set(name, platformArgs(hostPlatform(), hostPlatform(), "x")[name]!);
  const declared = new Set(AUTOMATIC);
  for (const { args } of dockerfile.globals)
    for (const { key, value } of args) {
      declared.add(key);
      const text = value === undefined ? undefined : attempt(value, (name) => defaults.get(name))?.text;
      if (text !== undefined) defaults.set(key, text);
    }
  const left = new Map<number, { known: Set<string>; isOpen: boolean }>();
  for (const stage of dockerfile.stages) {
    checkFrom(dockerfile, stage, declared, defaults, complain);
    const base = findStage(dockerfile.stages, stage.from.image, stage.index);
    const before = base && left.get(base.index);
    const known = new Set([...AUTOMATIC, ...PROXY_ARGS, "PATH", ...(before?.known ?? [])]);
    // the environment of an image from a registry is not known here
    const isOpen = before?.isOpen ?? stage.from.image !== "scratch";
    for (const instruction of stage.instructions) checkInstruction(instruction, known, isOpen, complain);
    left.set(stage.index, { known, isOpen });
  }
}

/** Undefined if the words are invalid, which is reported when they are used. */
function attempt(text: string, lookup: (name: string) => string | undefined) {
  try {
    return expand(text, lookup);
  } catch (error) {
    if (error instanceof BayError) return undefined;
    throw error;
  }
}

function checkFrom(
  { stages }: Dockerfile,
  { from, index }: Stage,
  declared: ReadonlySet<string>,
  defaults: ReadonlyMap<string, string>,
  complain: Complain,
): void {
  const { image, platform, place } = from;
  for (const text of [image, platform ?? ""]) {
    const unset = attempt(text, (name) => (declared.has(name) ? "x" : undefined))?.unset ?? [];
    for (const name of unset)
      complain("UndefinedArgInFrom", `no ARG declares ${name}${hint(name, declared)}`, place);
  }
  if (image.includes("$") && !findStage(stages, image, index)) {
    const name = attempt(image, (key) => defaults.get(key))?.text;
    const isStage =
      name !== undefined && (name === "scratch" || findStage(stages, name, index) !== undefined);
    if (name !== undefined && !isStage && !isReference(name))
      complain(
        "InvalidDefaultArgInFrom",
        `with the defaults of its arguments FROM has ${name === "" ? "no name" : `${JSON.stringify(name)}, which is not a valid image name`}`,
        place,
      );
  }
  if (platform === undefined) return;
  if (/^\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})$/.test(platform))
    complain("RedundantTargetPlatform", `--platform=${platform} is the default`, place);
  else if (!platform.includes("$") && !isNamedAfter(from.as, platform))
    complain(
      "FromPlatformFlagConstDisallowed",
      `--platform=${platform} is fixed, so the image cannot be built for other platforms`,
      place,
    );
}

function isReference(name: string): boolean {
  try {
    parseReference(name);
    return true;
  } catch {
    return false;
  }
}

/** A stage named after a platform may fix that platform on purpose. */
const isNamedAfter = (stage: string | undefined, platform: string) =>
  stage !== undefined && platform.split("/").some((part) => part !== "" && stage.includes(part));

const hint = (name: string, known: Iterable<string>) => {
  const close = nearest(name, [...known]);
  return close ? `; did you mean ${close}?` : "";
};

function checkInstruction(
  instruction: Instruction,
  known: Set<string>,
  isOpen: boolean,
  complain: Complain,
): void {
  const check = (text: string | undefined, place: SourcePosition) => {
    if (text === undefined) return;
    const unset = attempt(text, (name) => (known.has(name) ? "x" : undefined))?.unset ?? [];
    for (const name of unset) {
      // the base image's variables are unknown, so only a probable misspelling is reported
      const close = hint(name, known);
      if (isOpen && close === "") continue;
      complain("UndefinedVar", `the variable ${name} is not set${close}`, place);
    }
  };
  for (const text of wordsOf(instruction)) check(text, instruction.place);
  if (instruction.kind === "env") for (const { key } of instruction.pairs) known.add(key);
  if (instruction.kind === "arg") for (const { key } of instruction.args) known.add(key);
}

/** Texts in which a build replaces variables; RUN, CMD and ENTRYPOINT leave them to the shell. */
function wordsOf(instruction: Instruction): (string | undefined)[] {
  switch (instruction.kind) {
    case "env":
    case "label":
      return instruction.pairs.flatMap(({ key, value }) => [key, value]);
    case "arg":
      return instruction.args.map(({ value }) => value);
    case "expose":
    case "volume":
      return instruction.values;
    case "user":
    case "stopsignal":
    case "workdir":
      return [instruction.value];
    case "copy":
    case "add":
      return [...instruction.sources, instruction.target, instruction.chown, instruction.chmod];
    default:
      return [];
  }
}
