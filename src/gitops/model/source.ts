/** A gitops source: the repository that a stack follows, and the rules for applying its commits. */
import { z } from "zod";
import { parseDuration } from "../../core/durations.ts";
import { BayError } from "../../core/errors.ts";

/** The number of the format in the store; a newer bay changes older documents when it reads them. */
export const SOURCE_FORMAT = 1;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A duration such as `30s`, `5m` or `1h30m`, in milliseconds. */
const duration = (least: number, most: number) =>
  z
    .string()
    .max(32)
    .regex(/^(\d{1,6}[smh])+$/, "expected a duration such as 30s, 5m or 1h30m")
    .transform((text) => parseDuration(text)!)
    .refine(
      (value) => value >= least && value <= most,
      `expected ${least / 1000} seconds to ${most / HOUR} hours`,
    );

export const sourceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, "expected 1 to 63 lower case letters, digits, _ and -");

/** A branch or tag, by the rules of git check-ref-format(1) that matter for a command line. */
const refName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[A-Za-z0-9_][^\s~^:?*[\\\p{C}]*$/u, "expected the name of a branch or tag")
  .refine((text) => !text.includes("..") && !text.endsWith("/"), "expected the name of a branch or tag");

/** A path in the repository: relative, and not above its top directory. */
const inside = z
  .string()
  .max(1024)
  .refine((path) => !path.startsWith("/"), "expected a path relative to the repository")
  .refine((path) => !path.split("/").includes(".."), "the path is outside of the repository")
  .refine((path) => !/\p{Cc}/u.test(path), "the path has control characters");

const absolute = z.string().max(4096).startsWith("/", "expected an absolute path");

/** What a user writes, as options or in a gitops document. */
export const sourceInput = z
  .strictObject({
    repo: z.string().min(1).max(2048),
    branch: refName.optional(),
    tag: refName.optional(),
    semver: z.string().min(1).max(100).optional(),
    commit: z
      .string()
      .regex(/^[0-9a-f]{40}$/, "expected a full commit hash of 40 hexadecimal digits")
      .optional(),
    path: inside.default(""),
    files: z.array(inside.min(1)).max(20).default([]),
    project: sourceName.optional(),
    profiles: z.array(z.string().max(255)).max(100).default([]),
    env_files: z.array(inside.min(1)).max(20).default([]),
    interval: duration(1000, 24 * HOUR).prefault("1m"),
    policy: z.enum(["auto", "manual"]).default("auto"),
    prune: z.boolean().default(true),
    prune_volumes: z.boolean().default(false),
    wait_timeout: duration(1000, 24 * HOUR).prefault("5m"),
    drift: z.enum(["repair", "report"]).default("repair"),
    allow_rewind: z.boolean().default(true),
    /** Lines of an allowed-signers file (ssh-keygen(1)), and OpenPGP keys; only commits signed by them are applied. */
    verify: z.string().max(65_536).optional(),
    /** Directories of the host from which the stack may read secrets, configs and env files. */
    allow_paths: z.array(absolute).max(20).default([]),
    depends_on: z.array(sourceName).max(50).default([]),
    /** The branch to which newer images are committed; without it, they are applied in place of those of the repository. */
    write_back: refName.optional(),
    /** Times at which commits are applied: `Mon-Fri 08:00-17:00 Europe/Berlin`. */
    windows: z.array(z.string().max(100)).max(10).default([]),
    /** The files are gitops documents: they describe other sources. */
    apps: z.boolean().default(false),
    suspended: z.boolean().default(false),
  })
  .superRefine((source, context) => {
    const given = (["branch", "tag", "semver", "commit"] as const).filter((key) => source[key] !== undefined);
    if (given.length > 1)
      context.addIssue({ code: "custom", message: `${given.join(" and ")} cannot be used together` });
    if (source.write_back !== undefined && source.verify !== undefined)
      context.addIssue({
        code: "custom",
        message: "write_back and verify cannot be used together: bay does not sign",
      });
  });

export type SourceInput = z.input<typeof sourceInput>;
export type SourceRules = z.output<typeof sourceInput>;

export interface Source extends SourceRules {
  format: number;
  name: string;
  /** The source of the gitops document that describes this one. */
  owner?: string;
  /** It was suspended on this host: a gitops document that describes it does not resume it. */
  isHeld?: true;
}

/** Checks a source. Throws BAD_GITOPS with all problems. */
export function readSource(name: string, input: unknown): Source {
  const names = sourceName.safeParse(name);
  const rules = sourceInput.safeParse(input);
  const problems = [
    ...(names.success ? [] : names.error.issues.map(({ message }) => `name: ${message}`)),
    ...(rules.success
      ? []
      : rules.error.issues.map(({ path, message }) =>
          [path.join("."), message.replace(/^Invalid input: /, "")].filter(Boolean).join(": "),
        )),
  ];
  if (problems.length > 0 || !rules.success)
    throw new BayError(
      "BAD_GITOPS",
      `gitops source ${JSON.stringify(name.slice(0, 100))}: ${problems.join("; ")}`,
    );
  return { format: SOURCE_FORMAT, name, ...rules.data };
}

/** What the source follows, for tables: `branch main`, `semver ^1.2`. */
export function followed(source: SourceRules): string {
  for (const key of ["branch", "tag", "semver", "commit"] as const)
    if (source[key] !== undefined) return `${key} ${source[key]}`;
  return "HEAD";
}
