/** Paths in a fetched stack file: they must not lead to files of the host, which whoever wrote the file does not own. */
import { resolve } from "node:path";
import { csvFields } from "../../core/csv.ts";
import { isMapping } from "../files/merge.ts";
import type { Merged } from "../files/merge-files.ts";
import { isWithin, type RemoteOptions, rootOf } from "../files/remote.ts";
import { REMOTE } from "../normalise/build.ts";
import type { ReportAt } from "./check.ts";

type Path = (string | number)[];

/**
 * Reports what a fetched file names outside of what was fetched: env files, label files, builds with all their contexts and
 * caches, profiles of seccomp, certificates of loggers, watched paths, secrets and configs. Bind mounts and `images:` may name
 * any path of the host (docs/remote-files.md).
 */
export function checkRemotePaths(
  merged: Merged,
  options: RemoteOptions & { cwd: string },
  reportAt: ReportAt,
): void {
  if (!isMapping(merged.value) || Object.keys(options.remotes ?? {}).length === 0) return;
  const check = new RemoteCheck(merged, options, reportAt);
  for (const [name, service] of entriesOf(merged.value.services)) {
    check.service(["services", name], service);
    check.build(["services", name, "build"], service.build);
  }
  for (const section of ["secrets", "configs"])
    for (const [name, given] of entriesOf(merged.value[section]))
      check.path([section, name, "file"], given.file);
}

const HINT = "a file of this host can be named in a local stack file: -f REMOTE -f LOCAL";

class RemoteCheck {
  constructor(
    readonly merged: Merged,
    readonly options: RemoteOptions & { cwd: string },
    readonly reportAt: ReportAt,
  ) {}

  /** What was fetched with the file that has a value; undefined for a file of this host. */
  #rootAt(path: Path): string | undefined {
    const { origins, value } = this.merged;
    const found = origins.find(value, path);
    const rootOfFile = (file: string) => rootOf(this.options, resolve(this.options.cwd, file));
    if (found?.depth === path.length) return rootOfFile(found.origins[0]!.place.file);
    // the place of the value itself is not known: any of the files that a part above it is from can have it
    const files = found ? found.origins.map(({ place }) => place.file) : this.merged.files;
    return files.map(rootOfFile).find((root) => root !== undefined);
  }

  #refuse(path: Path, message: string): void {
    this.reportAt(path, {
      severity: "error",
      code: "REMOTE_FILE",
      message: `${path.join(".")}: ${message}`,
      hint: HINT,
    });
  }

  /** `base` is the directory of a relative path, which it may be in, too. */
  path(at: Path, text: unknown, base?: string): void {
    if (typeof text !== "string") return;
    const root = this.#rootAt(at);
    if (root === undefined) return;
    const path = resolve(base ?? this.merged.directory, text);
    if (isWithin(root, path) || (base !== undefined && isWithin(base, path))) return;
    this.#refuse(at, `${text} is outside of the fetched files`);
  }

  /** A path, a list of paths, or mappings that contain one. */
  #paths(at: Path, given: unknown): void {
    if (!Array.isArray(given)) return this.path(at, given);
    for (const [index, entry] of given.entries())
      if (isMapping(entry)) this.path([...at, index, "path"], entry.path);
      else this.path([...at, index], entry);
  }

  service(at: Path, { env_file, label_file, develop, security_opt, logging }: Record<string, unknown>): void {
    this.#paths([...at, "env_file"], env_file);
    this.#paths([...at, "label_file"], label_file);
    if (isMapping(develop) && Array.isArray(develop.watch))
      this.#paths([...at, "develop", "watch"], develop.watch);
    for (const [index, option] of listOf(security_opt).entries()) {
      const file = /^seccomp[:=](?!unconfined$|\{)(.*)$/s.exec(String(option))?.[1];
      this.path([...at, "security_opt", index], file);
    }
    const settings = isMapping(logging) && isMapping(logging.options) ? logging.options : {};
    for (const key of ["syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key"])
      if (settings[key] !== "") this.path([...at, "logging", "options", key], settings[key]);
  }

  build(at: Path, given: unknown): void {
    if (!isMapping(given)) return this.#context(at, given);
    const { context = ".", dockerfile, additional_contexts: contexts, ssh } = given;
    this.#context([...at, "context"], given.context);
    if (typeof context === "string" && !REMOTE.test(context))
      this.path([...at, "dockerfile"], dockerfile, resolve(this.merged.directory, context));
    for (const [step, value] of namedEntries(contexts))
      this.#context([...at, "additional_contexts", step], value);
    for (const [step] of namedEntries(ssh)) {
      const path = [...at, "ssh", step];
      if (this.#rootAt(path) !== undefined)
        this.#refuse(path, "a fetched file cannot use an SSH agent or a key of this host");
    }
    for (const key of ["cache_from", "cache_to"])
      for (const [index, text] of listOf(given[key]).entries())
        for (const path of cachePaths(text)) this.path([...at, key, index], path);
  }

  /** A directory, or an address. */
  #context(at: Path, text: unknown): void {
    if (typeof text !== "string") return;
    const local = /^(?:oci-layout|file):\/\/(.*)$/s.exec(text)?.[1];
    if (local !== undefined || !REMOTE.test(text)) this.path(at, local ?? text);
  }
}

/** The directories of a cache option such as `type=local,dest=PATH`. */
function cachePaths(text: unknown): string[] {
  if (typeof text !== "string" || !text.includes("=")) return [];
  const fields = csvFields(text).map((field) => field.split(/=(.*)/s));
  const isLocal = fields.some(([key, value]) => key === "type" && value === "local");
  return isLocal
    ? fields.flatMap(([key, value = ""]) => (key === "src" || key === "dest" ? [value] : []))
    : [];
}

const listOf = (given: unknown): unknown[] => (Array.isArray(given) ? given : []);

/** `[A=1]` and `{A: 1}`: the key or index, and the value of each entry. */
const namedEntries = (given: unknown): [step: string | number, value: unknown][] =>
  isMapping(given)
    ? Object.entries(given)
    : listOf(given).map((entry, index) => {
        const [, value] = String(entry).split(/=(.*)/s);
        return [index, value];
      });

const entriesOf = (section: unknown): [string, Record<string, unknown>][] =>
  isMapping(section)
    ? Object.entries(section).filter((entry): entry is [string, Record<string, unknown>] =>
        isMapping(entry[1]),
      )
    : [];
