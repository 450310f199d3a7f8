/** Shared by the readers of a service: its input, the reporting of problems, and values with units. */
import { atPlace, type SourcePosition } from "../../core/diagnostics.ts";
import { parseDuration } from "../../core/durations.ts";
import type { ReportAt } from "../check/check.ts";
import type { GivenContents } from "../files/given-contents.ts";
import type { Variables } from "../files/interpolate.ts";
import { toMapping } from "../files/merge.ts";
import type { StackHosts, Unavailable } from "../model/stack.ts";
import type { ServiceInput } from "../schema/schema.ts";
import type { PredefinedMode } from "./predefined-networks.ts";
import { parseBytes } from "./values.ts";

export interface ServiceContext {
  directory: string;
  variables: Variables;
  report: ReportAt;
  /** Files that are read in the process are recorded here. */
  inputs: Set<string>;
  /** The file's names of external networks that mean a mode. */
  predefined: ReadonlyMap<string, PredefinedMode>;
  contents: GivenContents | undefined;
  /** Undefined for a stack of one host. */
  hosts: StackHosts | undefined;
  /** The place of a value in the file, for errors that come later. */
  locate: (path: (string | number)[]) => SourcePosition | undefined;
}

export class ServiceReader {
  constructor(
    readonly name: string,
    readonly input: ServiceInput,
    readonly context: ServiceContext,
  ) {}

  bad(path: (string | number)[], message: string, hint?: string): void {
    const where = ["services", this.name, ...path];
    this.context.report(where, {
      severity: "error",
      code: "BAD_VALUE",
      message: `${where.join(".")}: ${message}`,
      ...(hint ? { hint } : {}),
    });
  }

  /** A name that is not declared. */
  unknown(path: (string | number)[], message: string, hint: string): void {
    const where = ["services", this.name, ...path];
    this.context.report(where, { severity: "error", code: "UNKNOWN_REFERENCE", message, hint });
  }

  /** A missing file or variable, which is not an error if the stack is only inspected. */
  warn(path: (string | number)[], message: string): void {
    const where = ["services", this.name, ...path];
    const text = `${where.join(".")}: ${message}`;
    this.context.report(where, { severity: "warning", code: "MISSING_FILE", message: text });
  }

  /** An unset variable in an env file or label file. */
  unset(path: (string | number)[], message: string): void {
    const where = ["services", this.name, ...path];
    this.context.report(where, { severity: "warning", code: "UNSET_VARIABLE", message });
  }

  /** A feature that this host lacks. The file is valid, but the service cannot run. */
  refuse(key: Unavailable["key"], path: (string | number)[], value: unknown, why: string): Unavailable {
    const where = ["services", this.name, ...path];
    const text = `${where.join(".")}: ${why}`;
    const place = this.context.report(where, {
      severity: "warning",
      code: "UNAVAILABLE",
      message: `${text}; bay plan and bay up reject this service`,
    });
    return {
      key,
      value,
      message: atPlace(place || undefined, text),
    };
  }

  /** A key that is valid and has no effect. */
  note(path: (string | number)[], why: string, part?: string): void {
    const where = ["services", this.name, ...path];
    const message = `${where.join(".")}${part ? `: ${part} have no effect` : " has no effect"}: ${why}`;
    this.context.report(where, { severity: "warning", code: "NO_EFFECT", message });
  }

  bytes(path: (string | number)[], value: string | number | undefined): number | undefined {
    if (value === undefined) return undefined;
    const parsed = parseBytes(value);
    if (parsed === undefined) this.bad(path, `expected a size such as 64m, got ${JSON.stringify(value)}`);
    return parsed;
  }

  duration(path: (string | number)[], value: string | number | undefined): number | undefined {
    if (value === undefined) return undefined;
    const parsed = parseDuration(value);
    if (parsed === undefined) this.bad(path, `expected a duration such as 10s, got ${JSON.stringify(value)}`);
    return parsed;
  }
}

/** YAML 1.1 has more words for booleans, and Compose accepts them. */
export function truth(value: boolean | string | undefined): boolean {
  return value === true || value === "true" || value === "yes" || value === "on";
}

export function strings(value: string | (string | number)[] | undefined): string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value.map(String);
}

export function textMap(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(toMapping(value)).map(([key, entry]) => [key, entry === null ? "" : String(entry)]),
  );
}

/** Compose treats an empty text as absent. */
export function optionalText(value: string | number | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : String(value);
}

export function optionalNumber(value: string | number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
