/**
 * Bind mounts of files in the repository. A container keeps the directory that it was started with, so a new commit must not
 * change it: each version of a path is copied to a directory that is named by git's hash of it. A container is then replaced
 * exactly when what it mounts has changed, and a bad commit does not change the files of running containers.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import type { Service, Stack } from "../../stack/index.ts";
import { type CheckedOut, pathInside } from "../git/check-out.ts";

export interface BindFolders {
  /** Copies of versions of paths, by git's hash. */
  versions: string;
  /** Directories that are not in the repository, such as `./data`: kept between commits. */
  data: string;
}

/** The stack with bind mounts that do not depend on the checkout. Throws GITOPS_COMMIT. */
export function withFixedBinds(stack: Stack, checkedOut: CheckedOut, folders: BindFolders): Stack {
  const services = Object.entries(stack.services).map(([name, service]): [string, Service] => [
    name,
    {
      ...service,
      mounts: service.mounts.map((mount) =>
        mount.type === "bind" ? { ...mount, source: fixedSource(mount.source, checkedOut, folders) } : mount,
      ),
    },
  ]);
  return { ...stack, services: Object.fromEntries(services) };
}

function fixedSource(
  source: string,
  { directory, entries }: CheckedOut,
  { versions, data }: BindFolders,
): string {
  if (pathInside(directory, source) === undefined) return source;
  if (!existsSync(source)) return join(data, pathInside(directory, source)!);
  const real = pathInside(realpathSync(directory), realpathSync(source));
  if (real === undefined) throw new BayError("GITOPS_COMMIT", `${source} is outside of the repository`);
  if (real === "")
    throw new BayError("GITOPS_COMMIT", "a service cannot mount the whole repository", {
      hint: "mount one of its directories",
    });
  const entry = entries.get(real);
  if (!entry) return join(data, real);
  const target = join(versions, entry.object);
  if (existsSync(target)) return target;
  mkdirSync(versions, { recursive: true, mode: 0o755 });
  const fresh = `${target}.new`;
  rmSync(fresh, { recursive: true, force: true });
  cpSync(join(directory, real), fresh, { recursive: true, verbatimSymlinks: true, dereference: false });
  renameSync(fresh, target);
  return target;
}

/** Removes versions that none of the stacks mounts. */
export function sweepVersions(versions: string, stacks: readonly Stack[]): void {
  if (!existsSync(versions)) return;
  const used = new Set(
    stacks.flatMap(({ services }) =>
      Object.values(services).flatMap(({ mounts }) =>
        mounts.map((mount) => ("source" in mount ? mount.source : "")),
      ),
    ),
  );
  for (const name of readdirSync(versions)) {
    const path = join(versions, name);
    if (!used.has(path)) rmSync(path, { recursive: true, force: true });
  }
}
