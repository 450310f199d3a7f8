/** The directories that bay uses, and the short name that keeps two bays on one machine apart. */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

export interface Roots {
  /** State that survives a reboot: /var/lib/bay. */
  root: string;
  /** Sockets, programs, FIFOs, namespaces: /run/bay. */
  run: string;
  /** Five hex digits of the root's path; part of every link, table and cgroup that bay makes. */
  tag: string;
}

/** The roots by flag, environment (BAY_ROOT, BAY_RUN) or default. */
export function resolveRoots(options: { root?: string | undefined; run?: string | undefined } = {}): Roots {
  const root = resolve(options.root ?? process.env.BAY_ROOT ?? "/var/lib/bay");
  const run = resolve(options.run ?? process.env.BAY_RUN ?? "/run/bay");
  return {
    root,
    run,
    // computed when it is used: commands that only ask bayd do not need it, and node:crypto takes long to load
    get tag() {
      const tag = createHash("sha256").update(root).digest("hex").slice(0, 5);
      Object.defineProperty(this, "tag", { value: tag, enumerable: true });
      return tag;
    },
  };
}

/** Makes the directories. Only root may enter: a volume may hold a container's setuid files. */
export function makeRoots(roots: Roots): void {
  for (const directory of [roots.root, roots.run]) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, directory === roots.root ? 0o700 : 0o711);
  }
  for (const directory of ["blobs/sha256", "layers", "containers", "volumes", "state"]) {
    mkdirSync(join(roots.root, directory), { recursive: true, mode: 0o711 });
  }
  for (const directory of ["containers", "netns", "execs", "rootfs"]) {
    mkdirSync(join(roots.run, directory), { recursive: true, mode: 0o700 });
  }
}

/** The path of bayd's socket. */
export function socketPath(roots: Roots): string {
  return join(roots.run, "bay.sock");
}
