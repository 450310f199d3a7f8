/** Paths in a fetched stack file: they must not lead to files of the host, which whoever wrote the file does not own. */
import { resolve } from "node:path";
import { isMapping } from "../files/merge.ts";
import type { Merged } from "../files/merge-files.ts";
import { isWithin, type RemoteOptions, rootOf } from "../files/remote.ts";
import { REMOTE } from "../normalise/build.ts";
import type { ReportAt } from "./check.ts";

type Path = (string | number)[];

/** Reports env files, label files, builds, secrets and configs of fetched files that are outside of what was fetched. */
export function checkRemotePaths(
  { value, origins, directory }: Merged,
  options: RemoteOptions & { cwd: string },
  reportAt: ReportAt,
): void {
  if (!isMapping(value) || Object.keys(options.remotes ?? {}).length === 0) return;
  const check = (path: Path, text: unknown) => {
    const place = origins.locate(value, path);
    if (typeof text !== "string" || !place) return;
    const root = rootOf(options, resolve(options.cwd, place.file));
    if (root === undefined || isWithin(root, resolve(directory, text))) return;
    reportAt(path, {
      severity: "error",
      code: "REMOTE_FILE",
      message: `${path.join(".")}: ${text} is outside of the fetched files`,
      hint: "a file of this host can be named in a local stack file: -f REMOTE -f LOCAL",
    });
  };
  const checkAll = (path: Path, given: unknown) => {
    if (typeof given === "string") return check(path, given);
    if (!Array.isArray(given)) return;
    for (const [index, entry] of given.entries())
      if (isMapping(entry)) check([...path, index, "path"], entry.path);
      else check([...path, index], entry);
  };
  for (const [name, service] of entriesOf(value.services)) {
    const at = ["services", name];
    for (const key of ["env_file", "label_file"]) checkAll([...at, key], service[key]);
    const { build } = service;
    const context = isMapping(build) ? build.context : build;
    if (typeof context === "string" && !REMOTE.test(context))
      check(isMapping(build) ? [...at, "build", "context"] : [...at, "build"], context);
  }
  for (const section of ["secrets", "configs"])
    for (const [name, given] of entriesOf(value[section])) check([section, name, "file"], given.file);
}

const entriesOf = (section: unknown): [string, Record<string, unknown>][] =>
  isMapping(section)
    ? Object.entries(section).filter((entry): entry is [string, Record<string, unknown>] =>
        isMapping(entry[1]),
      )
    : [];
