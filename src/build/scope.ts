/** The variables of a stage's instructions: ENV over ARG, values of the command line over defaults, platforms, proxies. */
import type { Platform } from "../image/index.ts";
import type { InstructionOf } from "./dockerfile/instructions.ts";
import { expand, type WordOptions } from "./dockerfile/words.ts";

/** Usable in RUN without an ARG, and not part of the cache key. */
export const PROXY_ARGS = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap(
  (name) => [name, name.toLowerCase()],
);

/** ARGs that every build has (Dockerfile reference, "Automatic platform ARGs in the global scope"). */
export function platformArgs(target: Platform, build: Platform, stage: string): Record<string, string> {
  const of = (prefix: string, { os, architecture, variant }: Platform) => ({
    [`${prefix}PLATFORM`]: [os, architecture, variant].filter(Boolean).join("/"),
    [`${prefix}OS`]: os,
    [`${prefix}ARCH`]: architecture,
    [`${prefix}VARIANT`]: variant ?? "",
  });
  return { ...of("TARGET", target), ...of("BUILD", build), TARGETSTAGE: stage };
}

/** The values of ARGs before the first FROM. */
export function globalArgs(
  globals: readonly InstructionOf<"arg">[],
  given: Readonly<Record<string, string>>,
  automatic: Readonly<Record<string, string>>,
  options: WordOptions,
): Map<string, string> {
  const values = new Map(Object.entries(automatic));
  for (const { args } of globals)
    for (const { key, value } of args) {
      const chosen =
        given[key] ??
        (value === undefined ? undefined : expand(value, (name) => values.get(name), options).text);
      if (chosen !== undefined) values.set(key, chosen);
    }
  return values;
}

/** Variables of one stage. */
export class Scope {
  /** ARGs that the stage has declared, in order. */
  readonly args: Map<string, string>;

  constructor(
    readonly globals: ReadonlyMap<string, string>,
    readonly given: Readonly<Record<string, string>>,
    readonly options: WordOptions,
    public env: readonly string[],
    /** ARGs of the stage that this one is based on: they are inherited. */
    base?: ReadonlyMap<string, string>,
  ) {
    this.args = new Map(base);
  }

  readonly lookup = (name: string): string | undefined => {
    const entry = this.env.find((each) => each.startsWith(`${name}=`));
    return entry === undefined ? this.args.get(name) : entry.slice(name.length + 1);
  };

  text(source: string): string {
    return expand(source, this.lookup, this.options).text;
  }

  words(source: string): string[] {
    return expand(source, this.lookup, this.options).words;
  }

  /** ARG: the command line's value, or the default, or the value of the ARG before the first FROM. Returns the names. */
  declare({ args }: InstructionOf<"arg">): string[] {
    return args.map(({ key: source, value }) => {
      const key = this.text(source);
      const chosen = this.given[key] ?? (value === undefined ? this.globals.get(key) : this.text(value));
      if (chosen !== undefined) this.args.set(key, chosen);
      return key;
    });
  }

  /** The environment of a RUN: ENV, and ARGs that no ENV hides. */
  environment(): { env: string[]; proxies: string[] } {
    const names = new Set(this.env.map((entry) => entry.split("=", 1)[0]!));
    const own = [...this.args].filter(([key]) => !names.has(key)).map(([key, value]) => `${key}=${value}`);
    const proxies = PROXY_ARGS.filter((key) => key in this.given && !names.has(key) && !this.args.has(key));
    return { env: [...this.env, ...own], proxies: proxies.map((key) => `${key}=${this.given[key]}`) };
  }
}
