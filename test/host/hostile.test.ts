/** Hostile images: archives and symlinks that try to lead out of the container's own file system. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PLAIN_ENTRY } from "../../src/image/tar/describe.ts";
import { encodeEntry, padding, type TarEntry } from "../../src/image/tar/header.ts";
import { Bay, makeBusybox } from "../support/bay.ts";

const plain: TarEntry = { ...PLAIN_ENTRY, name: "x", type: "file", mode: 0o644 };

function tar(entries: (Partial<TarEntry> & { content?: string })[]): Buffer {
  return Buffer.concat([
    ...entries.flatMap(({ content = "", ...entry }) => {
      const bytes = Buffer.from(content);
      return [encodeEntry({ ...plain, ...entry, size: bytes.length }), bytes, padding(bytes.length)];
    }),
    Buffer.alloc(1024),
  ]);
}

describe("a hostile archive", () => {
  const bay = new Bay();
  const outside = join(bay.folder, "outside");
  beforeAll(() => {
    mkdirSync(outside);
    writeFileSync(join(outside, "victim"), "untouched");
    bay.write(
      "name: bad\nimages: { bad: { rootfs: ../bad.tar } }\nservices: { a: { image: bad, command: /x } }\n",
    );
  });
  afterAll(() => bay.close());
  const up = (entries: Parameters<typeof tar>[0]) => {
    writeFileSync(join(bay.folder, "bad.tar"), tar(entries));
    return bay.run(["up", "-d"]).err;
  };
  const untouched = () => {
    expect(readFileSync(join(outside, "victim"), "utf8")).toBe("untouched");
    expect(existsSync("/tmp/bay-escaped")).toBe(false);
  };

  it("cannot write through parent paths", () => {
    expect(up([{ name: "../../../../tmp/bay-escaped", content: "x" }])).toContain("is outside of the image");
    untouched();
  });

  it("cannot write through its own symlinks", () => {
    const text = up([
      { name: "out", type: "symlink", linkName: outside },
      { name: "out/victim", content: "overwritten" },
    ]);
    expect(text).toContain("entry out/victim cannot be unpacked");
    untouched();
  });

  it("cannot link to the host's files", () => {
    expect(up([{ name: "passwd", type: "hardlink", linkName: "../../../../etc/passwd" }])).toContain(
      "is outside of the image",
    );
    expect(up([{ name: "passwd", type: "hardlink", linkName: "/etc/passwd" }])).toContain(
      "entry passwd cannot be unpacked: /etc/passwd does not exist (in the image)",
    );
    untouched();
  });

  it("has absolute names inside the image, and useless device nodes", () => {
    up([
      { name: "disk", type: "block", devMajor: 254, devMinor: 0 },
      { name: "/tmp/bay-escaped", content: "inside" },
    ]);
    untouched();
    const { err } = bay.run(["run", "--rm", "-T", "a", "/x"]);
    expect(err).not.toContain("INTERNAL");
  });

  it("is rejected if it is truncated or random data", () => {
    writeFileSync(
      join(bay.folder, "bad.tar"),
      tar([{ name: "a", content: "x".repeat(5000) }]).subarray(0, 2000),
    );
    expect(bay.run(["up", "-d"]).err).toContain("ends");
    writeFileSync(join(bay.folder, "bad.tar"), Buffer.alloc(2048, 7));
    expect(bay.run(["up", "-d"]).err).toMatch(/tar header/);
  });
});

describe("an image whose mount points are symlinks to the host", () => {
  const bay = new Bay();
  const rootfs = join(bay.folder, "rootfs");
  const outside = join(bay.folder, "outside");
  beforeAll(() => {
    makeBusybox(rootfs);
    mkdirSync(outside);
  });
  afterAll(() => bay.close());
  const stack = (extra = "") =>
    bay.write(
      `name: links\nimages: { box: { rootfs: ../rootfs } }\nservices:\n  a: { image: box, command: sleep 1000, stop_grace_period: 0s, volumes: ["data:/data"]${extra} }\nvolumes: { data: }\n`,
    );

  it("gets its volume inside, and nothing outside", () => {
    symlinkSync(outside, join(rootfs, "data"));
    stack().ok("up", "-d");
    bay.ok("exec", "-T", "a", "sh", "-c", "echo inside > /data/file");
    expect(existsSync(join(outside, "file"))).toBe(false);
    expect(bay.ok("exec", "-T", "a", "sh", "-c", `cat ${outside}/file`)).toBe("inside\n");
    bay.ok("down", "-v");
    unlinkSync(join(rootfs, "data"));
  });

  it("gets /etc/hosts inside, and the host's is unchanged", () => {
    const before = readFileSync("/etc/hosts", "utf8");
    rmSync(join(rootfs, "etc"), { recursive: true });
    symlinkSync(outside, join(rootfs, "etc"));
    stack().ok("up", "-d");
    expect(bay.ok("exec", "-T", "a", "cat", "/etc/hosts")).toContain("localhost");
    expect(existsSync(join(outside, "hosts"))).toBe(false);
    expect(readFileSync("/etc/hosts", "utf8")).toBe(before);
    bay.ok("down", "-v");
    unlinkSync(join(rootfs, "etc"));
  });

  it("is refused where /proc is a symlink", () => {
    rmSync(join(rootfs, "proc"), { recursive: true });
    symlinkSync("/tmp", join(rootfs, "proc"));
    const { code, err } = stack().run(["up", "-d"]);
    expect(code).toBe(1);
    expect(err).toContain("mount /proc");
    bay.ok("down", "-v");
    expect(
      execFileSync("sh", ["-c", `grep -c ${bay.folder} /proc/self/mountinfo || true`], {
        encoding: "utf8",
      }).trim(),
    ).toBe("0");
  });
});
