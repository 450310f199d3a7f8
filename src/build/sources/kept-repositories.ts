/** Git repositories whose objects are kept between builds: their disk usage and removal. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../../image/index.ts";

export interface KeptRepository {
  name: string;
  path: string;
  createdAt: string;
  usedAt: string;
}

const REPOSITORY = /^[0-9a-f]+\.git$/;

export class KeptRepositories {
  constructor(readonly directory: string) {}

  list(): KeptRepository[] {
    return this.#names()
      .filter((name) => REPOSITORY.test(name))
      .map((name) => {
        const path = join(this.directory, name);
        const { birthtime, mtime } = statSync(path);
        return { name, path, createdAt: birthtime.toISOString(), usedAt: mtime.toISOString() };
      });
  }

  #names(): string[] {
    return existsSync(this.directory) ? readdirSync(this.directory) : [];
  }

  remove({ path }: KeptRepository): void {
    void removeTree(path);
  }

  /** Removes checkouts of a killed bayd. Only at start. */
  sweep(): void {
    for (const name of this.#names()) if (!REPOSITORY.test(name)) void removeTree(join(this.directory, name));
  }
}
