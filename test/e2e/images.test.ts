import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { PLAIN_ENTRY } from "../../src/image/tar/describe.ts";
import { encodeEntry, padding } from "../../src/image/tar/header.ts";
import { Bay, COMMAND, ended, eventually } from "../support/bay.ts";
import { sampleOf } from "../support/long.ts";

const file = (name: string, bytes: Buffer, mode = 0o644) =>
  Buffer.concat([
    encodeEntry({ ...PLAIN_ENTRY, name, type: "file", mode, size: bytes.length }),
    bytes,
    padding(bytes.length),
  ]);
const tar = (...entries: Buffer[]) => Buffer.concat([...entries, Buffer.alloc(1024)]);

/** What docker save writes, of layers that are given; their digests are right unless others are given. */
function archive(name: string, layers: Buffer[], diffIds?: string[]): Buffer {
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["/busybox", "sleep", "1000"] },
      rootfs: {
        type: "layers",
        diff_ids:
          diffIds ?? layers.map((layer) => `sha256:${createHash("sha256").update(layer).digest("hex")}`),
      },
    }),
  );
  const manifest = [
    { Config: "config.json", RepoTags: [name], Layers: layers.map((_, index) => `${index}/layer.tar`) },
  ];
  return tar(
    file("config.json", config),
    file("manifest.json", Buffer.from(JSON.stringify(manifest))),
    ...layers.map((layer, index) => file(`${index}/layer.tar`, layer)),
  );
}

describe("images on this host", () => {
  const bay = new Bay();
  const stack = (image: string) =>
    bay.write(
      `name: img\nservices:\n  a: { image: "${image}", network_mode: none, stop_grace_period: 0s, restart: always }\n`,
    );
  const busybox = file("busybox", readFileSync("/bin/busybox"), 0o755);
  const load = (name: string, ...layers: Buffer[]) => {
    bay.write("", "image.tar");
    writeFileSync(join(bay.folder, "stack", "image.tar"), archive(name, layers));
    return bay.run(["image", "load", "-i", "image.tar"]);
  };
  const blobs = () => readdirSync(join(bay.folder, "root", "blobs", "sha256"));
  const layers = () =>
    readdirSync(join(bay.folder, "root", "layers")).filter((name) => /^[0-9a-f]{16}$/.test(name));
  beforeAll(() => void stack("none"));
  afterAll(() => bay.close());
  afterEach(() => void bay.run(["down", "-v", "-t", "0"]));

  it("may have 120 layers, of which the topmost counts", () => {
    const upper = Array.from({ length: 119 }, (_, index) => tar(file("number", Buffer.from(String(index)))));
    expect(load("many:1", tar(busybox), ...upper).code).toBe(0);
    stack("many:1").ok("up", "-d");
    expect(bay.ok("exec", "-T", "a", "/busybox", "cat", "/number")).toBe("118");
  });

  it("that lose their name stay while a container is made of them", () => {
    expect(load("moving:1", tar(busybox, file("version", Buffer.from("one")))).code).toBe(0);
    stack("moving:1").ok("up", "-d");
    expect(load("moving:1", tar(busybox, file("version", Buffer.from("two")))).code).toBe(0);
    bay.ok("image", "prune", "-f");
    bay.ok("restart");
    expect(bay.ok("exec", "-T", "a", "/busybox", "cat", "/version")).toBe("one");
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(2);
    bay.ok("up", "-d");
    expect(bay.ok("exec", "-T", "a", "/busybox", "cat", "/version")).toBe("two");
    bay.ok("image", "prune", "-f");
    expect(bay.ok("exec", "-T", "a", "/busybox", "cat", "/version")).toBe("two");
    expect(bay.run(["image", "rm", "moving:1"]).err).toContain("is used by the container img-a-1");
    bay.ok("down");
    bay.ok("image", "prune", "-a", "-f");
    expect(blobs()).toEqual([]);
    expect(layers()).toEqual([]);
  });

  it("with invalid digests, or with the layer of another image, are refused and change nothing", () => {
    const layer = tar(busybox, file("version", Buffer.from("honest")));
    load("honest:1", layer);
    const outside = join(bay.folder, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "victim"), "there");
    const claim = (diffId: string) => {
      const other = tar(busybox, file("version", Buffer.from("poisoned")));
      writeFileSync(join(bay.folder, "stack", "image.tar"), archive("evil:1", [other], [diffId]));
      return bay.run(["image", "load", "-i", "image.tar"]);
    };
    for (const diffId of ["../../outside", "", "sha256:", `sha256:${"../".repeat(20)}etc`]) {
      const { code, err } = claim(diffId);
      expect([code, err]).toEqual([1, expect.stringContaining("diff_ids")]);
    }
    const honest = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
    expect(readFileSync(join(outside, "victim"), "utf8")).toBe("there");
    // the layer of that digest is here, and is not what the archive has under its name
    expect(claim(honest).code).toBe(0);
    stack("evil:1").ok("up", "-d");
    expect(bay.ok("exec", "-T", "a", "/busybox", "cat", "/version")).toBe("honest");
    bay.ok("down");
    bay.ok("image", "rm", "evil:1");
    stack("honest:1").ok("up", "-d");
    expect(bay.ok("exec", "-T", "a", "/busybox", "cat", "/version")).toBe("honest");
    bay.ok("down");
    bay.ok("image", "rm", "honest:1");
    // and a layer that is not here yet is not made of what only claims to be it
    expect(claim(honest).code).toBe(1);
    expect(layers()).toEqual([]);
  });

  it("that are damaged are found, and whole again after they are loaded again", () => {
    const layer = tar(busybox, file("random", randomBytes(100_000)));
    load("whole:1", layer);
    expect(bay.run(["image", "verify"]).code).toBe(0);
    const digest = createHash("sha256").update(layer).digest("hex");
    truncateSync(join(bay.folder, "root", "blobs", "sha256", digest), 1000);
    const { code, out } = bay.run(["image", "verify"]);
    expect([code, out]).toEqual([1, expect.stringContaining(digest)]);
    expect(bay.run(["image", "verify"]).out).toContain(`${digest}: it is missing`);
    load("whole:1", layer);
    expect(bay.run(["image", "verify"]).code).toBe(0);
    bay.ok("image", "rm", "whole:1");
  });

  it("are loaded once by two commands at once, and saved as docker-archive that is the same again", async () => {
    const layer = tar(busybox, file("random", randomBytes(3_000_000)));
    writeFileSync(join(bay.folder, "stack", "image.tar"), archive("twice:1", [layer]));
    const both = await Promise.all([1, 2].map(() => bay.call(["image", "load", "-i", "image.tar"])));
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    bay.ok("image", "save", "-o", "saved.tar", "twice:1");
    const listed = execFileSync("tar", ["-tf", join(bay.folder, "stack", "saved.tar")], { encoding: "utf8" });
    expect(listed).toContain(createHash("sha256").update(layer).digest("hex"));
    // bayd writes the file itself, and a stream has the same bytes
    const saved = join(bay.folder, "stack", "saved.tar");
    const asStream = execFileSync(process.execPath, [COMMAND, "image", "save", "twice:1"], {
      env: bay.env,
      maxBuffer: 1 << 28,
    });
    expect(readFileSync(saved).equals(asStream)).toBe(true);
    const id = bay.ok("image", "ls", "-q");
    bay.ok("image", "rm", "twice:1");
    bay.ok("image", "load", "-i", "saved.tar");
    expect(bay.ok("image", "ls", "-q")).toBe(id);
    bay.ok("image", "rm", "twice:1");
  });

  it("are saved into the file that is named, and into no other", async () => {
    load("saved:1", tar(busybox, file("random", randomBytes(1_000_000))));
    const at = (name: string) => join(bay.folder, "stack", name);
    // what is not a file is written to, and not replaced
    execFileSync("mkfifo", [at("pipe")]);
    const reader = ended(spawn("sh", ["-c", `wc -c < '${at("pipe")}'`]));
    bay.ok("image", "save", "-o", "pipe", "saved:1");
    expect(Number((await reader).out)).toBeGreaterThan(1_000_000);
    expect(lstatSync(at("pipe")).isFIFO()).toBe(true);
    // what fails leaves the file that was there
    writeFileSync(at("kept"), "kept");
    expect(bay.run(["image", "save", "-o", "kept", "absent:1"]).err).toContain("absent:1");
    expect(readdirSync(join(bay.folder, "stack")).filter((name) => name.startsWith("kept"))).toEqual([
      "kept",
    ]);
    expect(readFileSync(at("kept"), "utf8")).toBe("kept");
    // a path that leads to another file than the one that the client has made
    const { dev, ino } = lstatSync(at("kept"));
    symlinkSync(at("kept"), at("link"));
    for (const [path, number] of [
      ["kept", ino + 1],
      ["link", ino],
      ["pipe", ino],
    ] as const) {
      const body = JSON.stringify({ names: ["saved:1"], path: at(path), dev, ino: number });
      const words = ["-s", "--unix-socket", bay.socket, "-H", "content-type: application/json", "-d", body];
      const answer = execFileSync("curl", [...words, "http://d/bay/v1/images/save"], { encoding: "utf8" });
      expect(answer).toContain("OTHER_FILE");
    }
    expect(readFileSync(at("kept"), "utf8")).toBe("kept");
    bay.ok("image", "rm", "saved:1");
  });

  it("are made of containers, which tell what they changed and can be exported", () => {
    load(
      "base:1",
      tar(
        busybox,
        file("kept", Buffer.from("k")),
        file("gone", Buffer.from("g")),
        file("dir/old", Buffer.from("o")),
      ),
    );
    stack("base:1").ok("up", "-d");
    const run = (command: string) => bay.ok("exec", "-T", "a", "/busybox", "sh", "-c", command);
    run(
      "/busybox rm /gone && /busybox rm -r /dir && /busybox mkdir /dir && echo new > /dir/new && echo more >> /kept && " +
        "/busybox ln /kept /also && /busybox ln -s kept /link && /busybox touch -d '2001-02-03 04:05:06' /dir/new",
    );
    expect(bay.ok("container", "diff", "a").trim().split("\n")).toEqual([
      "A /also",
      "C /dir",
      "A /dir/new",
      "D /gone",
      "C /kept",
      "A /link",
    ]);
    const id = bay.ok("container", "commit", "-m", "by hand", "a", "made:1").trim();
    expect(bay.ps()[0]!.State).toBe("running");
    expect(bay.ok("image", "history", "made:1")).toContain("by hand");
    bay.ok("container", "export", "-o", "whole.tar", "img-a-1");
    const whole = execFileSync("tar", ["-tf", join(bay.folder, "stack", "whole.tar")], { encoding: "utf8" });
    expect(whole).toMatch(/^(\.\/)?dir\/new$/m);
    expect(whole).not.toMatch(/gone|dir\/old|proc\/self/);
    bay.ok("down");
    stack("made:1").ok("up", "-d");
    expect(run("/busybox cat /kept /also /link /dir/*; /busybox ls /dir")).toBe(
      "kmore\nkmore\nkmore\nnew\nnew\n",
    );
    expect(bay.run(["exec", "-T", "a", "/busybox", "cat", "/gone"]).code).not.toBe(0);
    // what is unpacked and committed again is the same layer
    const layersOf = (name: string) =>
      (JSON.parse(bay.ok("image", "inspect", name)) as { RootFS: { Layers: string[] } }[])[0]!.RootFS.Layers;
    expect(id).toMatch(/^sha256:/);
    expect(layersOf("made:1").length).toBe(layersOf("base:1").length + 1);
    bay.ok("down");
    for (const name of ["made:1", "base:1"]) bay.ok("image", "rm", name);
  });

  it("survive kill -9 of bayd in the middle of a load", async () => {
    const layer = tar(
      busybox,
      ...Array.from({ length: 3000 }, (_, index) => file(`f${index}`, randomBytes(2000))),
    );
    writeFileSync(join(bay.folder, "stack", "image.tar"), archive("killed:1", [layer]));
    bay.ok("image", "ls");
    for (const pause of sampleOf([60, 120, 180, 240, 300], 2)) {
      const loading = bay.call(["image", "load", "-i", "image.tar"]);
      await new Promise((resolve) => setTimeout(resolve, pause));
      const killed = bay.daemonPid();
      process.kill(killed, "SIGKILL");
      await loading;
      await eventually(() => {
        bay.ok("version");
        expect(bay.daemonPid()).not.toBe(killed);
      });
      expect(bay.run(["image", "verify"]).code).toBe(0);
      bay.run(["image", "rm", "killed:1"]);
    }
    expect((await bay.call(["image", "load", "-i", "image.tar"])).code).toBe(0);
    expect(bay.run(["image", "verify"]).code).toBe(0);
    const rest = readdirSync(join(bay.folder, "root", "blobs", "sha256")).filter((name) =>
      name.startsWith("."),
    );
    expect(rest).toEqual([]);
    bay.ok("image", "rm", "killed:1");
    bay.ok("image", "prune", "-a", "-f");
    expect(blobs()).toEqual([]);
  });
});
