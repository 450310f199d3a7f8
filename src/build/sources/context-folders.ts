/** The directories of one build's contexts. Remote ones are fetched once, and removed when the build ends. */
import { chmodSync, mkdirSync, mkdtempSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BayError, hasCode } from "../../core/errors.ts";
import { removeTree, resolveInLayers, web } from "../../image/index.ts";
import { literal, runTreeTask, type TreeRoot } from "../tree/tasks.ts";
import type { FileSource } from "../types.ts";
import type { GitAccess, GitRepositories } from "./git.ts";
import { type GitUrl, parseGitUrl } from "./git-url.ts";

export type Folder = Extract<TreeRoot, { kind: "folder" }>;

interface Setting {
  repositories: GitRepositories;
  access: GitAccess;
  /** The directory for workers' mounts. */
  staging: string;
}

export class ContextFolders {
  readonly #known = new Map<string, Promise<Folder>>();
  readonly #temporary: string[] = [];

  constructor(readonly setting: Setting) {}

  /** Throws GIT_FAILED, NO_GIT_REF, FETCH_FAILED, NO_CONTEXT. */
  folderOf(source: FileSource): Promise<Folder> {
    if (source.kind === "folder") return Promise.resolve(source);
    const name = JSON.stringify(source);
    const known = this.#known.get(name);
    if (known) return known;
    const getting =
      source.kind === "git"
        ? this.#cloned(source.url)
        : source.kind === "web"
          ? this.#downloaded(source.url)
          : this.#unpacked(source.path);
    this.#known.set(name, getting);
    return getting;
  }

  async #cloned(text: string): Promise<Folder> {
    const url = parseGitUrl(text);
    const commit = await this.setting.repositories.resolve(url, this.setting.access);
    return this.checkedOut(url, commit);
  }

  /** A commit's files, or a directory of them. Throws GIT_FAILED, NO_CONTEXT. */
  async checkedOut(url: GitUrl, commit: string): Promise<Folder> {
    const target = this.#place();
    await this.setting.repositories.checkOut(url, commit, target, this.setting.access);
    const path = join(target, resolveInLayers([target], `/${url.folder}`));
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
      throw new BayError("NO_CONTEXT", `the repository has no directory ${url.folder}`);
    return { kind: "folder", path, isPassing: true };
  }

  /** An archive, or a single Dockerfile. */
  async #downloaded(url: string): Promise<Folder> {
    const folder = this.#place();
    const file = join(folder, "Dockerfile");
    await web.fetchUrl(url, file, { signal: this.setting.access.signal });
    return this.#unpacked(file);
  }

  /** Unpacks an archive; another file becomes the only file of its directory. */
  async #unpacked(path: string): Promise<Folder> {
    const target = this.#place();
    const [upper, work] = [join(target, "files"), join(target, "work")];
    mkdirSync(upper);
    mkdirSync(work);
    try {
      await runTreeTask({
        kind: "copy",
        selection: {
          root: { kind: "folder", path: dirname(path) },
          sources: [literal(basename(path))],
          ignore: [],
          excludes: [],
        },
        into: { directory: target, lower: [], upper, work, staging: this.setting.staging },
        options: {
          target: "/",
          owner: undefined,
          mode: undefined,
          parents: false,
          unpack: true,
          newest: undefined,
        },
      });
    } catch (error) {
      if (!hasCode(error, "NOT_FOUND")) throw error;
      throw new BayError("NO_CONTEXT", `the context ${path} does not exist`, { cause: error });
    }
    return { kind: "folder", path: upper, isPassing: true };
  }

  #place(): string {
    const { directory } = this.setting.repositories;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const place = mkdtempSync(join(directory, ".context-"));
    chmodSync(place, 0o755);
    this.#temporary.push(place);
    return place;
  }

  close(): void {
    for (const place of this.#temporary) void removeTree(place);
  }
}
