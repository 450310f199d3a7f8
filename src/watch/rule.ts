/**
 * One rule of `develop.watch`, ready for use: which files of the host count, and where they are in the container. As in
 * Compose, a file counts if it matches `include` (or there is none), and none of `ignore`, the .dockerignore of the service's
 * build, and the patterns of editors' files.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { isAbsolute, join, posix, resolve } from "node:path";
import { IgnorePatterns, ignoreLines, toExpression } from "../build/ignore.ts";
import { BayError, messageOf } from "../core/errors.ts";
import type { Service, WatchRule } from "../stack/index.ts";
import { belowRoot } from "./below-root.ts";
import { boundParts } from "./bound-paths.ts";
import { isEditorFile } from "./editor-files.ts";

export interface Rule {
  service: string;
  /** Its index in the service's rules, for messages. */
  index: number;
  action: WatchRule["action"];
  /** The watched file or directory of the host, without symlinks if it exists. */
  root: string;
  /** Where the root is in the container; undefined for actions without sync. */
  target: string | undefined;
  initialSync: boolean;
  exec: WatchRule["exec"];
  /** Whether a path relative to the root counts; "" is the root itself. */
  counts: (path: string) => boolean;
  /** Whether nothing below a directory can count, so that it is not read. */
  prunes: (directory: string) => boolean;
  /** Parts of the root that the container has by a bind mount, so that they are not copied; "" is all of it. */
  bound: readonly string[];
}

/** The rules of a service. Throws BAD_WATCH_RULE, BAD_IGNORE_FILE. */
export function rulesOf(service: Service): Rule[] {
  const rules = service.watch ?? [];
  const ofBuild = buildIgnores(service);
  return rules.map((rule, index) => {
    const { where = `services.${service.name}.develop.watch.${index}` } = rule;
    if (rule.action === "rebuild" && !service.build)
      throw new BayError("BAD_WATCH_RULE", `${where}: the action rebuild needs a build`, {
        hint: "add a build to the service, or use another action",
      });
    if (rule.target !== undefined && /^\/(proc|sys|dev)(\/|$)/.test(rule.target))
      throw new BayError(
        "BAD_WATCH_RULE",
        `${where}.target: ${rule.target} is on a file system of the kernel`,
        {
          hint: "choose a directory of the container's own file system",
        },
      );
    const ignore = patterns(rule.ignore, `${where}.ignore`);
    const include = rule.include.length > 0 ? patterns(rule.include, `${where}.include`) : undefined;
    const root = realPath(rule.path);
    const isSync = rule.target !== undefined;
    const isIgnored = (path: string) =>
      path !== "" &&
      (isEditorFile(path) || ignore.matches(path) || ofBuild.matches(join(root, path), isSync));
    const prunes = (directory: string) =>
      directory !== "" &&
      (isEditorFile(directory) ||
        (isIgnored(directory) &&
          !mayReachBelow(negated(rule.ignore), directory) &&
          !ofBuild.mayTakeBack(join(root, directory))));
    const { target } = rule;
    return {
      service: service.name,
      index,
      action: rule.action,
      root,
      target,
      initialSync: rule.initialSync,
      exec: rule.exec,
      counts: (path) => !isIgnored(path) && (path === "" || include === undefined || include.matches(path)),
      prunes,
      bound:
        target === undefined
          ? []
          : boundParts({ root, target, prunes }, service.mounts ?? [], realPath, where),
    };
  });
}

/** The path in a container of a path relative to the rule's root. */
export const pathInContainer = (rule: Rule, path: string): string => posix.join(rule.target ?? "/", path);

/** Whether a path relative to the root is copied into the container. */
export const isCopied = ({ bound }: Rule, path: string): boolean =>
  !bound.some((part) => part === "" || path === part || path.startsWith(`${part}/`));

/** The paths of a rule that are at or below one of some directories of the container. */
export function pathsBelow(rule: Rule, paths: Iterable<string>, directories: readonly string[]): string[] {
  if (directories.length === 0) return [];
  return [...paths].filter((path) => {
    const at = pathInContainer(rule, path);
    return directories.some((directory) => belowRoot(directory, at) !== undefined);
  });
}

function patterns(lines: readonly string[], where: string): IgnorePatterns {
  try {
    return new IgnorePatterns(lines);
  } catch (cause) {
    throw new BayError("BAD_WATCH_RULE", `${where}: ${messageOf(cause)}`, {
      hint: "write a backslash before [ to match the character",
      cause,
    });
  }
}

/** The patterns that include files again, without their `!`. */
const negated = (lines: readonly string[]) =>
  lines.flatMap((line) =>
    line.trim().startsWith("!") ? [posix.normalize(line.trim().slice(1).trim())] : [],
  );

/** Whether a pattern may match something below a directory, or the directory itself. */
export function mayReachBelow(patterns: readonly string[], directory: string): boolean {
  const names = directory.split("/");
  return patterns.some((pattern) => {
    const parts = pattern.split("/").filter(Boolean);
    for (let at = 0; at < Math.min(parts.length, names.length); at++) {
      if (parts[at]!.includes("**")) return true;
      if (!toExpression(parts[at]!).test(names[at]!)) return false;
    }
    return true;
  });
}

interface BuildIgnores {
  matches: (path: string, isSync: boolean) => boolean;
  mayTakeBack: (directory: string) => boolean;
}

/** Where the .dockerignore of a service's build may be, the first that exists being used; none for a remote context. */
export function ignoreFilesOf({ build }: Service): string[] {
  if (!build || !isAbsolute(build.context)) return [];
  const context = realPath(build.context);
  const { dockerfile } = build;
  return [
    ...(dockerfile === undefined ? [] : [`${resolve(context, dockerfile)}.dockerignore`]),
    join(context, ".dockerignore"),
  ];
}

/** The build's .dockerignore; its Dockerfile and the ignore file itself are never copied into a container. */
function buildIgnores(service: Service): BuildIgnores {
  const { build } = service;
  if (!build || !isAbsolute(build.context)) return { matches: () => false, mayTakeBack: () => false };
  const context = realPath(build.context);
  const dockerfile = build.dockerfile === undefined ? undefined : resolve(context, build.dockerfile);
  const files = ignoreFilesOf(service);
  const file = files.find((candidate) => existsSync(candidate));
  const lines = file === undefined ? [] : ignoreLines(readFileSync(file, "utf8"), file);
  const ignored = new IgnorePatterns(lines);
  const own = new Set([dockerfile, ...files]);
  return {
    mayTakeBack: (directory) => {
      const below = belowRoot(context, directory);
      return below !== undefined && mayReachBelow(negated(lines), below);
    },
    matches: (path, isSync) => {
      if (own.has(path)) return isSync;
      const below = belowRoot(context, path);
      return below !== undefined && below !== "" && ignored.matches(below);
    },
  };
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // it may be created later
  }
}
