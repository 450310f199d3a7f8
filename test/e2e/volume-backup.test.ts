/** Backup and restore of volumes: all that a file has is kept, a restore is all or nothing, and hostile archives stay inside. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EntryType, encodeEntry } from "../../src/image/tar/header.ts";
import { JournalStore } from "../../src/store/index.ts";
import type { VolumeRecord } from "../../src/volume/index.ts";
import { Bay, eventually } from "../support/bay.ts";
import { sampleOf } from "../support/long.ts";

/** Everything of a tree that a backup keeps, one line a file. */
const treeOf = (folder: string): string =>
  execFileSync(
    "sh",
    [
      "-c",
      "find . ! -type s -printf '%P|%y|%m|%U|%G|%s|%n|%T@|%l|%b\\n' | sort; find . -type f -print0 | sort -z | xargs -0r sha256sum; getfattr -Rhd -m - -e hex . | cat; find . \\( -type c -o -type b \\) -print0 | xargs -0r stat -c '%n %t:%T'",
    ],
    { cwd: folder, encoding: "latin1" },
  );

const END = Buffer.alloc(1024);
const entry = (name: string, type: EntryType = "file", more: object = {}) =>
  encodeEntry({
    name,
    type,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 1,
    nanoseconds: 0,
    linkName: "",
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
    ...more,
  });

describe("volume backup and restore", () => {
  const bay = new Bay();
  const data = (volume: string) => join(bay.folder, "root/volumes", volume, "_data");
  const file = (name: string) => join(bay.folder, name);
  const service = (more = "") =>
    `name: v\nimages: { box: { rootfs: ../busybox } }\nservices:\n  a: { image: box, init: true, stop_grace_period: 0s, volumes: ["data:/data"], command: [sleep, "100000"] }\nvolumes: { data: {${more}} }\n`;

  beforeAll(() => {
    bay.busybox();
    bay.write(service());
    bay.ok("up", "-d");
    bay.ok("stop");
    execFileSync(
      "sh",
      [
        "-c",
        `echo hi > f; chown 12:34 f; chmod 4711 f; ln f hard; ln -s ../../../../etc/passwd link
         mkfifo pipe; mknod null c 1 3; mknod disk b 259 70000; mkdir -m 1777 d; : > d/.wh.kept
         truncate -s 64M sparse; printf end | dd of=sparse bs=1 seek=50000000 conv=notrunc status=none
         truncate -s 1M hole; printf begin > begin; truncate -s 1M begin; head -c 3000000 /dev/urandom > random
         : > "$(printf 'b\\377ad\\nname')"; n=$(head -c 200 /dev/zero | tr '\\0' n); mkdir $n; truncate -s 2M $n/$n; : > $n/$n.2
         setfattr -n user.binary -v 0x00ff0a f; setfattr -n trusted.overlay.opaque -v y d
         setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 random
         chown -h 4000000:3000000 link; touch -h -d '1969-12-31 23:59:58.25' link; touch -d '2001-02-03 04:05:06.123456789' d
         chown 99:98 .; chmod 2750 .; setfattr -n user.root -v r .; touch -d '2002-02-02 02:02:02.123456789' .`,
      ],
      { cwd: data("v_data") },
    );
  });
  afterAll(() => bay.close());

  it("keep owners, modes, times, links, holes, attributes and device files", () => {
    bay.ok("volume", "backup", "v_data", "-o", file("all.tar"));
    expect(statSync(file("all.tar")).mode & 0o777).toBe(0o600);
    expect(statSync(file("all.tar")).size).toBeLessThan(10_000_000);
    bay.ok("volume", "restore", "copy", "-i", file("all.tar"), "--devices");
    expect(treeOf(data("copy"))).toBe(treeOf(data("v_data")));
    // tar(1) reads it, sparse files too
    mkdirSync(file("unpacked"));
    execFileSync("tar", ["-C", file("unpacked"), "-xpf", file("all.tar")]);
    expect(execFileSync("cmp", [file("unpacked/sparse"), join(data("v_data"), "sparse")]).length).toBe(0);
    // and what tar(1) writes is restored
    const packed = [
      "--xattrs",
      "--xattrs-include=*",
      "--sparse",
      "--format=posix",
      "-C",
      data("v_data"),
      ".",
    ];
    execFileSync("tar", ["-czf", file("other.tgz"), ...packed]);
    bay.ok("volume", "restore", "other", "-i", file("other.tgz"), "--devices");
    expect(treeOf(data("other"))).toBe(treeOf(data("v_data")));
  });

  it("go through pipes, and replace what was there", () => {
    writeFileSync(join(data("copy"), "more"), "");
    const [node, command] = [process.execPath, "dist/bay.js"];
    const { status, stderr } = spawnSync(
      "sh",
      ["-ec", `${node} ${command} volume backup v_data | ${node} ${command} volume restore copy --devices`],
      { env: bay.env, encoding: "utf8" },
    );
    expect([status, stderr]).toEqual([0, expect.stringContaining("volume copy restored")]);
    expect(treeOf(data("copy"))).toBe(treeOf(data("v_data")));
    expect(readdirSync(join(data("copy"), ".."))).toEqual(["_data"]);
  });

  it("make no device files unless they are asked for, and change nothing then", () => {
    const { code, err } = bay.run(["volume", "restore", "copy", "-i", file("all.tar")]);
    expect([code, err]).toEqual([1, expect.stringMatching(/device file "disk"\n {2}use --devices/)]);
    expect(treeOf(data("copy"))).toBe(treeOf(data("v_data")));
    expect(bay.run(["volume", "restore", "fresh", "-i", file("all.tar")]).code).toBe(1);
    expect(bay.ok("volume", "ls", "-q")).not.toContain("fresh");
  });

  it("warn of containers that write meanwhile, pause them on demand, and refuse to restore below them", async () => {
    bay.ok("start");
    const plain = bay.run(["volume", "backup", "v_data", "-o", file("live.tar")]);
    expect([plain.code, plain.err]).toEqual([0, expect.stringContaining("v-a-1 may write to the volume")]);
    const paused = bay.run(["volume", "backup", "v_data", "--pause", "-o", file("live.tar")]);
    expect([paused.code, paused.err]).toEqual([0, expect.not.stringContaining("may write")]);
    expect(bay.ps()[0]!.State).toBe("running");
    const before = treeOf(data("v_data"));
    const refused = bay.run(["volume", "restore", "v_data", "-i", file("live.tar"), "--devices"]);
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringMatching(/the volume v_data is used by v-a-1\n.*--force/),
    ]);
    expect(treeOf(data("v_data"))).toBe(before);
    writeFileSync(join(data("v_data"), "later"), "");
    bay.ok("volume", "restore", "v_data", "-i", file("live.tar"), "--devices", "--force");
    expect(treeOf(data("v_data"))).toBe(before);
    // the container sees the same volume
    expect(bay.ok("exec", "-T", "a", "cat", "/data/f")).toBe("hi\n");
    expect(bay.run(["exec", "-T", "a", "ls", "/data/later"]).code).not.toBe(0);
    bay.ok("stop");
  });

  it("leave no container paused where bayd is killed during a backup", async () => {
    bay.ok("start");
    const child = bay.start(["volume", "backup", "v_data", "--pause"]); // nobody reads it
    await eventually(() => expect(bay.ps()[0]!.State).toBe("paused"));
    process.kill(bay.daemonPid(), "SIGKILL");
    await eventually(() => expect(bay.ps()[0]!.State).toBe("running"));
    expect(bay.ok("exec", "-T", "a", "cat", "/data/f")).toBe("hi\n");
    child.kill("SIGKILL");
    // also where bayd is told to stop
    const again = bay.start(["volume", "backup", "v_data", "--pause"]);
    await eventually(() => expect(bay.ps()[0]!.State).toBe("paused"));
    const { Pid } = bay.ps()[0]!;
    bay.ok("daemon", "stop");
    expect(bay.ps()[0]!.State).toBe("running");
    expect(readFileSync(`/proc/${Pid}/cgroup`, "utf8")).not.toBe("");
    again.kill("SIGKILL");
    bay.ok("image", "ls");
    expect(bay.ok("exec", "-T", "a", "cat", "/data/f")).toBe("hi\n");
    bay.ok("stop");
  });

  describe("of a hostile or broken archive", () => {
    beforeAll(() => {
      writeFileSync(
        file("small.tar"),
        Buffer.concat([entry(".", "directory", { mode: 0o755 }), entry("old"), END]),
      );
      bay.ok("volume", "restore", "victim", "-i", file("small.tar"));
    });
    const secret = () => file("secret");
    const restore = (...parts: Buffer[]) => {
      writeFileSync(file("evil.tar"), Buffer.concat(parts));
      return bay.run(["volume", "restore", "victim", "-i", file("evil.tar")]);
    };
    const isAsBefore = () => {
      expect(readdirSync(data("victim"))).toEqual(["old"]);
      expect(readdirSync(join(data("victim"), ".."))).toEqual(["_data"]);
      expect(existsSync(secret())).toBe(false);
    };

    it.each([
      ["a name that climbs out", () => [entry("../../../secret"), END]],
      [
        "a hard link that climbs out",
        () => [entry("x", "hardlink", { linkName: "../../../../../etc/passwd" }), END],
      ],
      ["a hard link to a file of the host", () => [entry("x", "hardlink", { linkName: "/etc/passwd" }), END]],
      ["a device file", () => [entry("disk", "block", { devMajor: 8, devMinor: 0 }), END]],
      ["no end marker", () => [entry("new")]],
      ["a cut in a file", () => [entry("new", "file", { size: 5000 }), Buffer.alloc(100)]],
      ["bytes that are no tar", () => [Buffer.alloc(4096, "no tar ")]],
      ["nothing at all", () => []],
      ["cut gzip", () => [readFileSync(file("other.tgz")).subarray(0, 5000)]],
    ])("refuses %s, and the volume stays as it was", (_what, parts) => {
      const { code, err } = restore(...parts());
      expect([code, err]).toEqual([1, expect.stringMatching(/^error\[\w+\]: /)]);
      isAsBefore();
    });

    it("takes nothing of a client that goes away", async () => {
      const child = bay.start(["volume", "restore", "victim"]);
      child.stdin.write(Buffer.concat([entry("new"), entry("newer")]));
      await eventually(() => expect(existsSync(join(data("victim"), "../_restore/new/newer"))).toBe(true));
      child.kill("SIGKILL");
      await eventually(isAsBefore);
    });

    it("writes through no symbolic link", async () => {
      const target = file("outside");
      mkdirSync(target, { recursive: true });
      const { code } = restore(
        entry("link", "symlink", { linkName: target }),
        entry("link/secret"),
        entry("absolute", "symlink", { linkName: "/" }),
        entry("absolute/written"),
        entry("/rooted"),
        END,
      );
      expect(readdirSync(target)).toEqual([]);
      expect(existsSync("/written")).toBe(false);
      expect(existsSync("/rooted")).toBe(false);
      expect(readdirSync(join(bay.folder, "root/volumes"))).not.toContain("secret");
      expect([0, 1]).toContain(code);
      if (code === 0) expect(readdirSync(data("victim"))).toContain("rooted");
      else isAsBefore();
      await eventually(() => void bay.ok("volume", "rm", "victim"));
    });
  });

  describe("after a kill of bayd", () => {
    /** The files that a kill leaves in each phase, and what the restore comes to. */
    const moments = [
      ["unpacking", { _data: ["a", "b"], "_restore/new": ["c"] }, ["a", "b"]],
      ["clearing", { _data: ["a", "b"], "_restore/new": ["c", "d"] }, ["c", "d"]],
      ["clearing", { _data: ["b"], "_restore/new": ["c", "d"], "_restore/old": ["a"] }, ["c", "d"]],
      ["filling", { _data: ["c"], "_restore/new": ["d"], "_restore/old": ["a", "b"] }, ["c", "d"]],
      ["filling", { _data: ["c", "d"], "_restore/new": [], "_restore/old": ["a"] }, ["c", "d"]],
      ["filling", { _data: ["c", "d"] }, ["c", "d"]],
    ] as const;

    // all volumes at once: bayd finds each of them at its start
    it("each volume is whole, whatever the phase of its restore was", () => {
      const volumes = moments.map((_, index) => `kept${index}`);
      const home = (volume: string) => join(data(volume), "..");
      for (const volume of volumes) bay.ok("volume", "restore", volume, "-i", file("small.tar"));
      bay.ok("daemon", "stop");
      const store = new JournalStore(join(bay.folder, "root/state"));
      for (const [index, [phase, files]] of moments.entries()) {
        const volume = volumes[index]!;
        for (const name of readdirSync(home(volume))) rmSync(join(home(volume), name), { recursive: true });
        for (const [folder, names] of Object.entries(files)) {
          mkdirSync(join(home(volume), folder), { recursive: true });
          for (const name of names) writeFileSync(join(home(volume), folder, name), name);
        }
        const record = store.get<VolumeRecord>(`volume/${volume}`)!;
        store.put(`volume/${volume}`, { ...record, restore: { phase, staging: "_restore" } });
      }
      store.close();
      bay.ok("volume", "ls");
      for (const [index, moment] of moments.entries()) {
        const volume = volumes[index]!;
        expect([moment, readdirSync(data(volume)), readdirSync(home(volume))]).toEqual([
          moment,
          moment[2],
          ["_data"],
        ]);
      }
      bay.ok("volume", "backup", volumes[0]!, "-o", file("kept.tar"));
    });

    it("at any moment, it is the old volume or the new one", async () => {
      const FILES = 1000;
      for (const kind of ["old", "new"]) {
        const folder = file(`many-${kind}`);
        mkdirSync(folder);
        for (let index = 0; index < FILES; index++) writeFileSync(join(folder, `${kind}-${index}`), kind);
        execFileSync("tar", ["-C", folder, "-cf", file(`${kind}.tar`), "."]);
      }
      for (const kilobytes of sampleOf([1, 500, 670, 170, 470, 510], 2)) {
        bay.ok("volume", "restore", "many", "-i", file("old.tar"));
        const child = bay.start(["volume", "restore", "many"]);
        child.stdin.on("error", () => {});
        const tar = readFileSync(file("new.tar"));
        child.stdin.write(tar.subarray(0, kilobytes * 1024));
        if (kilobytes * 1024 >= tar.length) child.stdin.end();
        await eventually(() => expect(existsSync(join(data("many"), "../_restore"))).toBe(true));
        process.kill(bay.daemonPid(), "SIGKILL");
        child.kill("SIGKILL");
        await eventually(() => void bay.ok("volume", "ls"));
        await eventually(() => expect(readdirSync(join(data("many"), ".."))).toEqual(["_data"]));
        const names = readdirSync(data("many"));
        expect(names).toHaveLength(FILES);
        expect(new Set(names.map((name) => name.slice(0, 3))).size).toBe(1);
      }
    });
  });

  it("work on a folder of the host and on a file system that are volumes", () => {
    const folder = file("device");
    mkdirSync(folder);
    chmodSync(folder, 0o700);
    for (const options of [
      `driver_opts: { type: none, o: bind, device: ${folder} }`,
      'driver_opts: { type: tmpfs, o: "size=64m", device: tmpfs }',
    ]) {
      bay.write(service(options).replace("name: v", "name: w"));
      bay.ok("up", "-d");
      bay.ok("exec", "-T", "a", "sh", "-c", "echo one > /data/one; mkdir /data/d; echo two > /data/d/two");
      bay.ok("volume", "backup", "w_data", "-o", file("w.tar"));
      bay.ok("exec", "-T", "a", "sh", "-c", "rm -r /data/d; echo more > /data/more");
      bay.ok("volume", "restore", "w_data", "-i", file("w.tar"), "--force");
      expect(bay.ok("exec", "-T", "a", "sh", "-c", "cd /data; ls -A; cat one d/two")).toBe(
        "d\none\none\ntwo\n",
      );
      bay.ok("stop");
      expect(bay.run(["volume", "restore", "w_data", "-i", file("w.tar")]).code).toBe(0);
      expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain("volumes/w_data/_data");
      bay.ok("down", "-v");
    }
    expect(readFileSync(join(folder, "d/two"), "utf8")).toBe("two\n");
  });

  it("say what is wrong", () => {
    const missing = bay.run(["volume", "backup", "nothing", "-o", file("no.tar")]);
    expect([missing.code, missing.err]).toEqual([
      1,
      expect.stringMatching(/the volume nothing does not exist\n.*bay volume ls/),
    ]);
    expect(existsSync(file("no.tar"))).toBe(false);
    expect(bay.run(["volume", "restore", "x/y", "-i", file("small.tar")]).err).toContain("x/y");
    expect(bay.run(["volume", "restore", "v_data", "-i", file("gone.tar")]).err).toContain("gone.tar");
    // a large archive that is refused at once: the reason comes through
    const big = openSync(file("big.tar"), "w");
    writeSync(big, entry("big", "file", { size: 300 << 20 }));
    writeSync(big, END, 0, END.length, (300 << 20) + 512);
    bay.write(service());
    bay.ok("start");
    expect(bay.run(["volume", "restore", "v_data", "-i", file("big.tar")]).err).toContain("is used by v-a-1");
  });
});
