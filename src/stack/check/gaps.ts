/** Paths of invalid parts of a stack file that were left out, as a tree: a lookup takes time linear in its path. */

type Path = readonly (string | number)[];

class Branch {
  readonly children = new Map<string, Branch>();
  /** Everything from here on is missing. */
  isGap = false;

  add(path: Path): void {
    let branch: Branch = this;
    for (const step of path.map(String)) {
      const next = branch.children.get(step) ?? new Branch();
      branch.children.set(step, next);
      branch = next;
    }
    branch.isGap = true;
  }
}

/** Returns whether a path leads into one of the gaps, or to a part that contains one. */
export function nearTo(gaps: readonly Path[]): (path: Path) => boolean {
  const root = new Branch();
  for (const gap of gaps) {
    // a list with a gap counts as a whole, because its other entries have moved
    const at = gap.findIndex((step) => typeof step === "number");
    root.add(at === -1 ? gap : gap.slice(0, at));
  }
  return (path) => {
    let branch: Branch | undefined = gaps.length > 0 ? root : undefined;
    for (const step of path) {
      if (!branch || branch.isGap) break;
      branch = branch.children.get(String(step));
    }
    return branch !== undefined;
  };
}

/** A copy without the values at some paths; the other entries of a list move up. Linear in the size of the changed parts. */
export function withoutPaths(value: unknown, paths: readonly Path[]): unknown {
  const root = new Branch();
  for (const path of paths) root.add(path);
  return root.isGap ? {} : withoutBranch(value, root);
}

function withoutBranch(value: unknown, branch: Branch): unknown {
  if (branch.children.size === 0 || typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).flatMap(([step, entry]): [string, unknown][] => {
    const child = branch.children.get(step);
    if (child?.isGap) return [];
    return [[step, child ? withoutBranch(entry, child) : entry]];
  });
  return Array.isArray(value) ? kept.map(([, entry]) => entry) : Object.fromEntries(kept);
}
