/** A git repository of a test: files are committed, and a bare copy is what others fetch. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export class GitRepository {
  readonly work: string;
  /** The bare repository. */
  readonly bare: string;

  constructor(folder: string) {
    this.work = join(folder, "work");
    this.bare = join(folder, "served", "project.git");
    mkdirSync(this.work, { recursive: true });
    this.git("init", "-q", "-b", "main");
    execFileSync("git", ["init", "-q", "--bare", "-b", "main", this.bare]);
    execFileSync("git", ["-C", this.bare, "config", "uploadpack.allowAnySHA1InWant", "true"]);
  }

  git(...words: string[]): string {
    return execFileSync("git", ["-C", this.work, ...words], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env.PATH,
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: "Ada",
        GIT_AUTHOR_EMAIL: "ada@example.org",
        GIT_COMMITTER_NAME: "Ada",
        GIT_COMMITTER_EMAIL: "ada@example.org",
      },
    }).trim();
  }

  write(name: string, text: string | Buffer): this {
    const path = join(this.work, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return this;
  }

  link(name: string, target: string): this {
    mkdirSync(dirname(join(this.work, name)), { recursive: true });
    symlinkSync(target, join(this.work, name));
    return this;
  }

  remove(name: string): this {
    rmSync(join(this.work, name), { recursive: true, force: true });
    return this;
  }

  /** Commits everything and pushes; returns the commit. */
  commit(subject: string, ...options: string[]): string {
    this.git("add", "-A");
    this.git("commit", "-q", "--allow-empty", "-m", subject, ...options);
    return this.push();
  }

  push(branch = "main"): string {
    this.git("push", "-q", "--force", this.bare, `HEAD:refs/heads/${branch}`, "--tags");
    return this.git("rev-parse", "HEAD");
  }
}
