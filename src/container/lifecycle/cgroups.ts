/**
 * The cgroups of containers: below bay's own, or below one that the stack file names (cgroup_parent). A parent that bay
 * created is removed with the last cgroup below it; one that existed before is kept.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Roots } from "../../core/roots.ts";
import { type Cgroup, type CgroupManager, cgroupManager, removeGroup } from "../../linux/index.ts";
import { replaceFile } from "../../store/index.ts";
import type { ContainerRecord } from "../model/record.ts";

const noteSchema = z.array(z.string().startsWith("/"));

type Named = Pick<ContainerRecord, "id"> & { config: Pick<ContainerRecord["config"], "kernel"> };

export class Groups {
  readonly all: CgroupManager;
  readonly #note: string;

  constructor(roots: Pick<Roots, "tag" | "run">) {
    this.all = cgroupManager(`/bay-${roots.tag}`);
    this.#note = join(roots.run, "made-groups");
  }

  /** The cgroup of a container, which may not exist yet. */
  of({ id, config }: Named): Cgroup {
    return this.all.group(id.slice(0, 16), config.kernel?.cgroupParent);
  }

  /** Creates the parent of a container's cgroup, and records which of its directories did not exist. */
  makeParent({ config }: Pick<Named, "config">): void {
    const parent = config.kernel?.cgroupParent;
    if (parent === undefined) return;
    const missing = this.all.missingGroups(parent);
    if (missing.length === 0) return;
    this.#write([...missing, ...this.#made()]); // before the creation, so that a kill leaves no unrecorded cgroup
    this.all.makeGroup(parent);
  }

  /** Removes the parents that bay created and that have no cgroups left. */
  removeParents(): void {
    const made = this.#made();
    if (made.length === 0) return;
    const deepestFirst = [...new Set(made)].sort((a, b) => b.length - a.length);
    this.#write(deepestFirst.filter((directory) => !removeGroup(directory)));
  }

  #made(): string[] {
    try {
      return noteSchema.parse(JSON.parse(readFileSync(this.#note, "utf8")));
    } catch {
      return []; // no parent was created
    }
  }

  #write(directories: readonly string[]): void {
    replaceFile(this.#note, JSON.stringify(directories));
  }
}
