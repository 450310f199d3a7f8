/** Building one Dockerfile by bay and by buildah, and what of the two images differs: files, modes, owners, links, config. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Bay, ended, type Result } from "../../support/bay.ts";

type Tree = Record<string, string>;
type Config = Record<string, unknown>;

/** What a path is, without its times. */
function describePath(path: string): string {
  const stat = lstatSync(path);
  const mode = (stat.mode & 0o7777).toString(8);
  const owner = `${stat.uid}:${stat.gid}`;
  if (stat.isSymbolicLink()) return `link ${owner} ${readlinkSync(path)}`;
  if (stat.isFile())
    return `file ${mode} ${owner} ${createHash("sha1").update(readFileSync(path)).digest("hex").slice(0, 8)} ${stat.nlink > 1 ? `linked ${stat.nlink}` : ""}`;
  if (stat.isDirectory()) return `folder ${mode} ${owner}`;
  return `special ${(stat.mode & 0o170000).toString(8)} ${mode} ${owner} ${stat.rdev}`;
}

/** Where the runtimes mount something of their own. */
const RUNTIME = /^\/(dev|proc|sys)($|\/)|^\/etc\/(hosts|hostname|resolv\.conf)$|^\/run(\/\.containerenv)?$/;

function treeOf(root: string): Tree {
  const tree: Tree = {};
  const walk = (path: string) => {
    for (const name of readdirSync(join(root, path))) {
      const at = `${path}/${name}`;
      if (RUNTIME.test(at)) continue;
      tree[at] = describePath(join(root, at));
      if (lstatSync(join(root, at)).isDirectory()) walk(at);
    }
  };
  walk("");
  return tree;
}

/** Fields of a container's config, which an image's has not. */
const OF_CONTAINERS = [
  "AttachStdin",
  "AttachStdout",
  "AttachStderr",
  "Tty",
  "OpenStdin",
  "StdinOnce",
  "Hostname",
];

/** Nothing, an empty list and an empty map say the same. */
function configOf(config: Config): Config {
  const { Labels, ...given } = config as Config & { Labels?: Record<string, string> };
  const rest = Object.fromEntries(Object.entries(given).filter(([key]) => !OF_CONTAINERS.includes(key)));
  const labels = Object.fromEntries(
    Object.entries(Labels ?? {}).filter(([key]) => !key.startsWith("io.buildah")),
  );
  return Object.fromEntries(
    Object.entries<unknown>({ ...rest, Labels: labels })
      .filter(([, value]) => !["null", '""', "[]", "{}"].includes(JSON.stringify(value)))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

export const hasBuildah = spawnSync("buildah", ["--version"]).status === 0;

export interface Built {
  /** Undefined where buildah cannot show it: of an image with triggers. */
  tree: Tree | undefined;
  config: Config;
}

export interface Failed {
  failure: string;
}

export class Comparison {
  readonly bay = new Bay();
  readonly context = join(this.bay.folder, "context");
  // in memory: buildah waits for the disk at each step
  readonly #storage = mkdtempSync("/dev/shm/buildah-");

  #buildah(...words: string[]): Promise<Result> {
    const roots = ["--root", join(this.#storage, "root"), "--runroot", join(this.#storage, "run")];
    const child = spawn("buildah", [...roots, "--storage-driver", "overlay", ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    return ended(child);
  }

  /** Makes the image `base` in both. */
  async start(): Promise<void> {
    const { bay } = this;
    bay.write("name: x\nservices: {}\n");
    mkdirSync(this.context);
    const basis = join(bay.folder, "basis");
    mkdirSync(basis);
    copyFileSync("/bin/busybox", join(basis, "busybox"));
    const file = `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /etc /home/bob /root /dev /proc /sys && mkdir -m 1777 /tmp && chown 7:8 /home/bob \\
  && touch /etc/hosts /etc/hostname /etc/resolv.conf \\
  && printf 'root:x:0:0:root:/root:/bin/sh\\nbob:x:7:8::/home/bob:/bin/sh\\n' > /etc/passwd \\
  && printf 'root:x:0:\\nusers:x:100:\\n' > /etc/group
`;
    writeFileSync(join(basis, "Dockerfile"), file);
    bay.ok("image", "build", "-t", "base", basis);
    const built = await this.#buildah("bud", "--isolation", "chroot", "-q", "-t", "localhost/base", basis);
    if (built.code !== 0) throw new Error(built.err);
  }

  close(): void {
    this.bay.close();
    // it leaves its store mounted on itself
    spawnSync("umount", ["-l", join(this.#storage, "root", "overlay")]);
    rmSync(this.#storage, { recursive: true, force: true });
  }

  #unpacked(archive: string): Tree {
    const root = mkdtempSync(join(this.#storage, "tree-"));
    execFileSync("tar", ["--numeric-owner", "-xpf", archive, "-C", root]);
    const tree = treeOf(root);
    rmSync(root, { recursive: true, force: true });
    return tree;
  }

  /** Its complaint where it cannot build it. */
  async byBay(file: string, options: readonly string[] = []): Promise<Built | Failed> {
    const archive = join(this.#storage, "bay.tar");
    const outputs = ["-o", "type=image,name=case", "-o", `type=tar,dest=${archive}`];
    const { code, err } = await this.bay.call([
      "image",
      "build",
      "-f",
      file,
      ...options,
      ...outputs,
      this.context,
    ]);
    if (code !== 0) return { failure: `${err}\n${this.bay.log()}` };
    const [inspected] = JSON.parse(this.bay.ok("image", "inspect", "case")) as [{ Config: Config }];
    return { tree: this.#unpacked(archive), config: configOf(inspected.Config) };
  }

  /** Its complaint where it cannot build it. */
  async byBuildah(file: string, options: readonly string[] = []): Promise<Built | Failed> {
    const base = "localhost/base";
    const source = readFileSync(file, "utf8").replace(/^(FROM |ARG TAG=)base\b/gm, `$1${base}`);
    writeFileSync(`${file}.buildah`, source);
    const built = await this.#buildah(
      "bud",
      ...["--isolation", "chroot", "--network", "host", "--layers=false", "--format", "docker", "-q"],
      ...["-f", `${file}.buildah`, "-t", "localhost/case", ...options, this.context],
    );
    if (built.code !== 0) return { failure: built.err };
    const inspected = await this.#buildah("inspect", "--type", "image", "localhost/case");
    const { Docker } = JSON.parse(inspected.out) as { Docker: { config: Config } };
    const config = configOf(Docker.config);
    const from = await this.#buildah("from", "--pull-never", "localhost/case");
    if (from.code !== 0) return { tree: undefined, config };
    const container = from.out.trim();
    const tree = treeOf((await this.#buildah("mount", container)).out.trim());
    await this.#buildah("rm", container);
    return { tree, config };
  }
}

/** BuildKit, and bay with it, writes the working directory down also where no instruction gives one. */
const DEFAULT_DIRECTORY = 'WorkingDir: bay "/", buildah nothing';

/** A line each: `/path: bay …, buildah …`, or `Field: …`. */
export function differences(own: Built, other: Built): string[] {
  const lines: string[] = [];
  const compare = (a: Record<string, unknown>, b: Record<string, unknown>) => {
    for (const key of [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()) {
      const [left, right] = [JSON.stringify(a[key]), JSON.stringify(b[key])];
      if (left !== right) lines.push(`${key}: bay ${left ?? "nothing"}, buildah ${right ?? "nothing"}`);
    }
  };
  if (other.tree) compare(own.tree ?? {}, other.tree);
  compare(own.config, other.config);
  return lines.filter((line) => line !== DEFAULT_DIRECTORY);
}
