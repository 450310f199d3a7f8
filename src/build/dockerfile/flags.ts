/** Flags of an instruction: `--name=value`, `--name` for true; some can be repeated. */
import { nearest } from "../../core/diagnostics.ts";
import { BayError } from "../../core/errors.ts";

export type FlagKind = "text" | "bool" | "list";

export class Flags {
  readonly #values = new Map<string, string[]>();

  /** Throws BAD_DOCKERFILE for an unknown flag, a missing value, or a flag that is given twice. */
  constructor(instruction: string, written: readonly string[], kinds: Readonly<Record<string, FlagKind>>) {
    for (const flag of written) {
      const [, name = "", value] = /^--([^=]*)(?:=(.*))?$/s.exec(flag) ?? [];
      const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
      if (!kind) throw unknownFlag(instruction, name, Object.keys(kinds));
      const known = this.#values.get(name);
      if (known && kind !== "list") throw bad(`${instruction}: --${name} is given twice`);
      if (kind === "bool" && value !== undefined && value !== "true" && value !== "false")
        throw bad(`${instruction}: --${name} expects true or false, got ${JSON.stringify(value)}`);
      if (kind !== "bool" && value === undefined) throw bad(`${instruction}: --${name} has no value`);
      this.#values.set(name, [...(known ?? []), value ?? "true"]);
    }
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.[0] || undefined;
  }

  bool(name: string): boolean {
    return this.#values.get(name)?.[0] === "true";
  }

  list(name: string): string[] {
    return this.#values.get(name) ?? [];
  }
}

const bad = (message: string, hint?: string) => new BayError("BAD_DOCKERFILE", message, hint ? { hint } : {});

function unknownFlag(instruction: string, name: string, known: readonly string[]): BayError {
  const close = nearest(name, known);
  const all =
    known.length === 0
      ? "this instruction does not support flags"
      : `expected one of ${known.map((each) => `--${each}`).join(", ")}`;
  return bad(`${instruction}: unknown flag --${name}`, close ? `did you mean --${close}?` : all);
}
