/** A source whose files are gitops documents: the sources that they describe are created, changed and removed. */
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import type { CheckedOut } from "../git/check-out.ts";
import { repositoryUrl } from "../git/repositories.ts";
import type { Source } from "../model/source.ts";
import type { Commit } from "../model/status.ts";
import { readWindow } from "../model/windows.ts";
import type { FollowServices } from "./follower.ts";
import { removeSource } from "./remove-source.ts";

const DEFAULT_FILE = "gitops.yaml";

/** Throws BAD_GITOPS, GITOPS_COMMIT, GITOPS_EXISTS before anything is changed. */
export async function applyApps(
  services: FollowServices,
  owner: Source,
  commit: Commit,
  { directory }: CheckedOut,
): Promise<void> {
  const { records } = services;
  const startedAt = Date.now();
  const files = owner.files.length > 0 ? owner.files : [DEFAULT_FILE];
  const { readDocument } = await import("../model/document.ts");
  const described: Source[] = [];
  for (const file of files) {
    const path = join(directory, owner.path, file);
    if (!existsSync(path) || !lstatSync(path).isFile())
      throw new BayError("GITOPS_COMMIT", `the gitops document ${join(owner.path, file)} does not exist`);
    for (const { source } of readDocument(readFileSync(path, "utf8"), join(owner.path, file)))
      described.push(source);
  }
  const names = described.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice) throw new BayError("BAD_GITOPS", `the source ${twice} is described twice`);
  for (const { name, repo, windows } of described) {
    const known = records.find(name);
    if (known && known.owner !== owner.name)
      throw new BayError("GITOPS_EXISTS", `the source ${name} exists, and is not described by ${owner.name}`);
    repositoryUrl(repo);
    for (const window of windows) readWindow(window);
  }
  const left = records.sources().filter((each) => each.owner === owner.name && !names.includes(each.name));
  for (const source of described) {
    const isHeld = records.find(source.name)?.isHeld;
    records.put({ ...source, owner: owner.name, ...(isHeld ? { isHeld, suspended: true } : {}) });
  }
  if (owner.prune)
    for (const { name } of left)
      await services.withdraw(name, () =>
        removeSource(services, name, { isDown: true, volumes: owner.prune_volumes }),
      );
  const { bad: _, attempt: __, rulesChanged: ___, ...status } = records.status(owner.name);
  const at = new Date().toISOString();
  records.note(
    owner.name,
    { ...status, applied: { ...commit, at }, syncCount: status.syncCount + 1 },
    { at, outcome: "applied", commit, reason: "", tookMs: Date.now() - startedAt },
  );
}
