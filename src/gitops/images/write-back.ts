/** Commits newer images to a branch of the followed repository, with git's plumbing: there is no working tree. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { formatSize } from "../../core/sizes.ts";
import { type Entry, readTree } from "../git/check-out.ts";
import type { FollowServices } from "../loop/follower.ts";
import type { Source } from "../model/source.ts";
import type { ImageOverride } from "../model/status.ts";
import { editImages } from "../read/read-stack.ts";
import { pushImages } from "./push-images.ts";

const IDENTITY = { NAME: "bay", EMAIL: "bay@localhost" };
const MAIN_FILES = /^(bay|compose|docker-compose)(\.override)?\.ya?ml$/;
const MAX_SIZE = LIMITS.gitops.editedBytes;

const refused = (message: string) => new BayError("GITOPS_COMMIT", message);

/**
 * Pushes a commit on top of `base`, and returns its hash. `last` is the commit that was pushed to the branch before. Throws
 * GIT_FAILED, and GITOPS_COMMIT if an image is not written in a stack file, or if the branch has a commit of others.
 */
export async function writeBack(
  { repositories, directory, command, records }: FollowServices,
  source: Source,
  { base, branch, last }: { base: string; branch: string; last: string | undefined },
  overrides: readonly ImageOverride[],
  signal: AbortSignal,
): Promise<string> {
  const target = { commit: base, ref: undefined };
  const work = mkdtempSync(join(directory, "write-back-"));
  try {
    return await repositories.withCommit(source, target, signal, async (clone) => {
      const { run } = clone;
      const entries = readTree(await run(["ls-tree", "-r", "-t", "-l", "-z", base]));
      const index = { GIT_INDEX_FILE: join(work, "index") };
      await run(["read-tree", base], index);
      const found = new Set<string>();
      for (const [path, entry] of entries) {
        if (!entry.mode.startsWith("100") || !isStackFile(source, path)) continue;
        const before = await textOf(clone, path, entry);
        const after = await editImages(command, { text: before, changes: [...overrides] }, signal);
        for (const service of after.found) found.add(service);
        if (after.text === before) continue;
        const file = join(work, "blob");
        writeFileSync(file, after.text);
        const blob = (await run(["hash-object", "-w", "--no-filters", "--", file])).trim();
        await run(["update-index", "--cacheinfo", `${entry.mode},${blob},${path}`], index);
      }
      const missing = overrides.filter(({ service }) => !found.has(service));
      if (missing.length > 0)
        throw refused(
          missing
            .map(
              ({ service, from }) =>
                `services.${service}.image: ${from} is not written in a stack file of the source`,
            )
            .join("; "),
        );
      const tree = (await run(["write-tree"], index)).trim();
      const subject = `Update ${overrides.map(({ to }) => to).join(", ")}`.slice(0, 200);
      const who = Object.fromEntries(
        ["AUTHOR", "COMMITTER"].flatMap((role) =>
          Object.entries(IDENTITY).map(([key, value]) => [`GIT_${role}_${key}`, value]),
        ),
      );
      const commit = (await run(["commit-tree", tree, "-p", base, "-m", subject], who)).trim();
      const others = records
        .sources()
        .filter(({ name, repo }) => name !== source.name && repo === source.repo);
      await pushImages(clone, commit, { branch, last, sources: [source, ...others] });
      return commit;
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * The text of a file as git stores it: a checkout could convert it by .gitattributes. Throws GITOPS_COMMIT for a file that is
 * too large, or that is not UTF-8, which would be changed in other places than the images.
 */
async function textOf(
  { read }: { read: (object: string) => Promise<Buffer> },
  path: string,
  { object, size }: Entry,
): Promise<string> {
  if (size > MAX_SIZE)
    throw refused(
      `${path} has ${formatSize(size)}; images are only written to files of at most ${formatSize(MAX_SIZE)}`,
    );
  const bytes = await read(object);
  const text = bytes.toString("utf8");
  if (!Buffer.from(text, "utf8").equals(bytes))
    throw refused(`${path} is not valid UTF-8, so that images are not written to it`);
  return text;
}

/** Whether a path of the tree is a main stack file of the source, whose paths may have `./` and double slashes. */
export function isStackFile({ path: folder, files }: Pick<Source, "path" | "files">, path: string): boolean {
  const inTree = (...parts: string[]) => normalize(join("/", ...parts)).slice(1);
  if (files.length > 0) return files.some((file) => inTree(folder, file) === path);
  const slash = path.lastIndexOf("/");
  const top = inTree(folder).replace(/\/$/, "");
  return path.slice(0, Math.max(slash, 0)) === top && MAIN_FILES.test(path.slice(slash + 1));
}
