/** Removes a source with its files; its stack keeps running unless the caller wants it to be removed. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { repositoryUrl } from "../git/repositories.ts";
import { GitopsRecords } from "../model/records.ts";
import type { FollowServices } from "./follower.ts";

/**
 * Also removes the sources that it describes, in the same way. Directories that containers mount are kept while the stack is
 * kept. Throws NO_GITOPS_SOURCE, APPLY_FAILED.
 */
export async function removeSource(
  services: FollowServices,
  name: string,
  { isDown, volumes }: { isDown: boolean; volumes: boolean },
): Promise<void> {
  const { records, stacks, directory, repositories } = services;
  records.get(name);
  for (const { name: described } of records.sources().filter(({ owner }) => owner === name))
    await services.withdraw(described, () => removeSource(services, described, { isDown, volumes }));
  const { project } = records.status(name);
  if (isDown && project !== undefined) {
    const options = {
      volumes,
      removeOrphans: true,
      externalVolumes: [],
      services: undefined,
      only: undefined,
    };
    await stacks.down(project, options, undefined, () => {}, { what: `gitops rm (${name})` });
    rmSync(join(directory, "files", name), { recursive: true, force: true });
    if (volumes) rmSync(join(directory, "data", name), { recursive: true, force: true });
  }
  records.remove(name);
  repositories.credentials.remove(name);
  for (const folder of ["work", "previews"])
    rmSync(join(directory, folder, name), { recursive: true, force: true });
  repositories.keepOnly(
    new GitopsRecords(records.store).sources().map(({ repo }) => repositoryUrl(repo).remote),
  );
}
