/** File systems whose changes the kernel does not report. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { networkFileSystem } from "../../../src/watch/file-systems.ts";
import type { Rule } from "../../../src/watch/rule.ts";
import { RuleWatch } from "../../../src/watch/rule-watch.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-file-systems-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** statfs(2), <linux/magic.h> and the file systems' own sources; some are negative where f_type is a signed 32-bit number. */
const MAGIC: [number, string | undefined][] = [
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xff534d42 | 0, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x65735546, "FUSE"],
  [0x01021997, "9p"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x786f4256, "vboxsf"],
  [0xef53, undefined], // ext4
  [0x01021994, undefined], // tmpfs
  [0x9123683e | 0, undefined], // btrfs
  [0x794c7630, undefined], // overlay
];

describe("the file system of a watched path", () => {
  it.each(MAGIC)("with the magic number %i is %s", (type, name) => {
    expect(networkFileSystem("/src", () => type)).toBe(name);
  });

  it("is unknown for a path that does not exist, and local for this folder", () => {
    expect(networkFileSystem(join(folder, "none"))).toBeUndefined();
    expect(networkFileSystem(folder)).toBeUndefined();
  });

  const rule: Rule = {
    service: "web",
    index: 0,
    action: "sync",
    root: folder,
    target: "/app",
    initialSync: false,
    exec: undefined,
    counts: () => true,
    prunes: () => false,
    bound: [],
  };
  const watchOf = (
    changed: (paths: ReadonlySet<string>) => void,
    networkOf: (path: string) => string | undefined,
  ) => {
    const told: string[] = [];
    const events = {
      changed: (_watch: RuleWatch, paths: ReadonlySet<string>) => changed(paths),
      suspected: () => {},
      unreadable: () => {},
      polling: (path: string, reason: string) => void told.push(`${path} ${reason}`),
      skipped: (_watch: RuleWatch, paths: readonly string[]) => void told.push(`skipped ${paths.join()}`),
    };
    return { watch: new RuleWatch(rule, events, networkOf), told };
  };

  it("is polled if other machines change it, and the event says why", async () => {
    let changed: (paths: ReadonlySet<string>) => void = () => {};
    const { watch, told } = watchOf(
      (paths) => changed(paths),
      () => "NFS",
    );
    await watch.start();
    const seen = new Promise<ReadonlySet<string>>((resolve) => {
      changed = resolve;
    });
    writeFileSync(join(folder, "a"), "text");
    expect([...(await seen)]).toEqual(["a"]);
    await watch.close();
    expect(told).toEqual([`${folder} it is on NFS, which does not report changes of other machines`]);
  });

  it("is looked at for each file system that is mounted below, and each is reported once", async () => {
    mkdirSync(join(folder, "share", "deep"), { recursive: true });
    const { watch, told } = watchOf(
      () => {},
      (path) => (path.includes("share") ? "SMB" : undefined),
    );
    // as if another file system was mounted there
    watch.tree.devices.set(-1, "share");
    await watch.start();
    await watch.close();
    expect(told).toEqual([
      `${join(folder, "share")} it is on SMB, which does not report changes of other machines`,
    ]);
  });

  it("reports a file that cannot be synchronised once, also if it is made later, and no ignored one", async () => {
    let changed: (paths: ReadonlySet<string>) => void = () => {};
    const { watch, told } = watchOf(
      (paths) => changed(paths),
      () => "NFS",
    );
    watch.rule.counts = (path) => !path.startsWith("ignored");
    execFileSync("mkfifo", [join(folder, "early"), join(folder, "ignored")]);
    await watch.start();
    const seen = new Promise<ReadonlySet<string>>((resolve) => {
      changed = resolve;
    });
    execFileSync("mkfifo", [join(folder, "later")]);
    writeFileSync(join(folder, "b"), "text");
    await seen;
    await watch.close();
    expect(told.filter((text) => text.startsWith("skipped"))).toEqual(["skipped early", "skipped later"]);
  });
});
