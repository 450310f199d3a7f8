/** Commits newer images to a branch of the followed repository, with git's plumbing: there is no working tree. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isScalar, parseAllDocuments, type Scalar } from "yaml";
import { BayError } from "../../core/errors.ts";
import { checkOut } from "../git/check-out.ts";
import type { FollowServices } from "../loop/follower.ts";
import type { Source } from "../model/source.ts";
import type { ImageOverride } from "../model/status.ts";

const IDENTITY = { NAME: "bay", EMAIL: "bay@localhost" };
const MAIN_FILES = /^(bay|compose|docker-compose)(\.override)?\.ya?ml$/;

/** A stack file with newer images; nothing else of its text changes. `found` gets the services that it has. */
export function withImages(text: string, changes: readonly ImageOverride[], found: Set<string>): string {
  const edits: { start: number; end: number; to: string }[] = [];
  for (const document of parseAllDocuments(text)) {
    const services = "contents" in document ? document.get("services") : undefined;
    if (!isMap(services)) continue;
    for (const { service, from, to } of changes) {
      const own = services.get(service);
      const image = isMap(own) ? own.get("image", true) : undefined;
      if (!isScalar(image) || image.value !== from) continue;
      const [start, end] = (image as Scalar).range!;
      const quote = /^["']/.exec(text.slice(start, end))?.[0] ?? "";
      edits.push({ start, end, to: `${quote}${to}${quote}` });
      found.add(service);
    }
  }
  return edits
    .sort((a, b) => b.start - a.start)
    .reduce((all, { start, end, to }) => all.slice(0, start) + to + all.slice(end), text);
}

/**
 * Pushes a commit on top of `base`, and returns its hash. The followed branch is only moved forward; another branch is replaced.
 * Throws GIT_FAILED, GITOPS_COMMIT if an image is not written in a stack file.
 */
export async function writeBack(
  { repositories, directory }: FollowServices,
  source: Source,
  base: string,
  branch: string,
  overrides: readonly ImageOverride[],
  signal: AbortSignal,
): Promise<string> {
  const target = { commit: base, ref: undefined };
  const work = mkdtempSync(join(directory, "write-back-"));
  try {
    return await repositories.withCommit(source, target, signal, async (clone) => {
      const { run, url } = clone;
      const { entries, directory: top } = await checkOut(clone, join(work, "files"));
      const index = { GIT_INDEX_FILE: join(work, "index") };
      await run(["read-tree", base], index);
      const found = new Set<string>();
      for (const [path, { mode }] of entries) {
        if (!mode.startsWith("100") || !isStackFile(source, path)) continue;
        const before = readFileSync(join(top, path), "utf8");
        const after = withImages(before, overrides, found);
        if (after === before) continue;
        const file = join(work, "blob");
        writeFileSync(file, after);
        const blob = (await run(["hash-object", "-w", "--no-filters", "--", file])).trim();
        await run(["update-index", "--cacheinfo", `${mode},${blob},${path}`], index);
      }
      const missing = overrides.filter(({ service }) => !found.has(service));
      if (missing.length > 0)
        throw new BayError(
          "GITOPS_COMMIT",
          `${missing.map(({ service, from }) => `services.${service}.image: ${from} is not written in a stack file of the source`).join("; ")}`,
        );
      const tree = (await run(["write-tree"], index)).trim();
      const subject = `Update ${overrides.map(({ to }) => to).join(", ")}`.slice(0, 200);
      const who = Object.fromEntries(
        ["AUTHOR", "COMMITTER"].flatMap((role) =>
          Object.entries(IDENTITY).map(([key, value]) => [`GIT_${role}_${key}`, value]),
        ),
      );
      const commit = (await run(["commit-tree", tree, "-p", base, "-m", subject], who)).trim();
      const isOwn = branch !== source.branch;
      await run(["push", "-q", "--", url.remote, `${isOwn ? "+" : ""}${commit}:refs/heads/${branch}`]);
      return commit;
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function isStackFile({ path: folder, files }: Source, path: string): boolean {
  const prefix = folder === "" ? "" : `${folder.replace(/\/+$/, "")}/`;
  if (!path.startsWith(prefix)) return false;
  const name = path.slice(prefix.length);
  return files.length > 0 ? files.some((file) => file.replace(/^\.\//, "") === name) : MAIN_FILES.test(name);
}
