/** Layers to and from directories: what an archive says becomes files, and nothing leaves the directory. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { layerChanges, packHere } from "../../../../src/image/layers/pack-layer.ts";
import { unpackHere, unpackInto, unpackVolume } from "../../../../src/image/layers/unpack.ts";
import { PLAIN_ENTRY } from "../../../../src/image/tar/describe.ts";
import { encodeEntry, padding, type TarEntry } from "../../../../src/image/tar/header.ts";
import type { ReadBytes } from "../../../../src/image/tar/read.ts";
import { setXattr } from "../../../../src/linux/index.ts";

const isRoot = process.getuid!() === 0;
const OWN = { uid: process.getuid!(), gid: process.getgid!() };
let folder: string;
let root: string;
const at = (...names: string[]) => join(root, ...names);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-unpack-"));
  root = join(folder, "root");
  mkdirSync(root);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Given = Partial<TarEntry> & { name: string; content?: string };
function tar(...entries: Given[]): ReadBytes {
  const bytes = Buffer.concat([
    ...entries.map(({ content = "", ...entry }) => {
      const data = Buffer.from(content);
      const whole: TarEntry = {
        ...PLAIN_ENTRY,
        ...OWN,
        type: "file",
        mode: 0o644,
        size: data.length,
        ...entry,
      };
      return Buffer.concat([encodeEntry(whole), data, padding(data.length)]);
    }),
    Buffer.alloc(1024),
  ]);
  return reading(bytes);
}
function reading(bytes: Buffer): ReadBytes {
  let from = 0;
  return (length) => {
    const part = bytes.subarray(from, from + length);
    from += part.length;
    return part;
  };
}
const unpack = (...entries: Given[]) => unpackHere(tar(...entries), root);
const code = (name: string) => expect.objectContaining({ code: name });

describe("a layer", () => {
  it("has files, directories and links with their modes and times", () => {
    unpack(
      { name: "etc/", type: "directory", mode: 0o750, mtime: 1_000_000 },
      { name: "etc/conf", content: "text", mode: 0o600, mtime: 1_700_000_000, nanoseconds: 123_000_000 },
      { name: "etc/link", type: "symlink", linkName: "conf" },
      { name: "etc/same", type: "hardlink", linkName: "/etc/conf" },
      { name: "deep/er/file", content: "x" },
      { name: "pipe", type: "fifo", mode: 0o640 },
    );
    expect(readFileSync(at("etc/conf"), "utf8")).toBe("text");
    expect(statSync(at("etc")).mode & 0o777).toBe(0o750);
    expect(statSync(at("etc/conf")).mtimeMs).toBeCloseTo(1_700_000_000_123, -1);
    expect(statSync(at("etc")).mtimeMs).toBe(1_000_000_000);
    expect(readlinkSync(at("etc/link"))).toBe("conf");
    expect(statSync(at("etc/same")).ino).toBe(statSync(at("etc/conf")).ino);
    expect(lstatSync(at("pipe")).isFIFO()).toBe(true);
  });

  it("replaces what an earlier entry of the same name was", () => {
    unpack(
      { name: "a", content: "one" },
      { name: "a", type: "directory", mode: 0o755 },
      { name: "a/inner", content: "x" },
      { name: "a", content: "two" },
      { name: "b", type: "symlink", linkName: "a" },
      { name: "b", content: "not through the link" },
      { name: "c", type: "fifo" },
      { name: "c", type: "fifo" },
    );
    expect([readFileSync(at("a"), "utf8"), readFileSync(at("b"), "utf8")]).toEqual([
      "two",
      "not through the link",
    ]);
  });

  it("never has an entry or the target of a link outside", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.constantFrom("", "a/", "./", "a/./"), (up, start) => {
        const name = `${start}${"../".repeat(up + 1)}escaped`;
        expect(() => unpack({ name, content: "x" })).toThrow(code("BAD_LAYER"));
        expect(() => unpack({ name: "link", type: "hardlink", linkName: name })).toThrow(code("BAD_LAYER"));
        expect(readdirSync(folder)).toEqual(["root"]);
      }),
    );
  });

  it("names an entry that cannot be unpacked without its control characters", () => {
    expect(() => unpack({ name: "a", content: "" }, { name: "a/b\u001b[2J", content: "" })).toThrow(
      /^entry a\/b\?\[2J cannot be unpacked: .*\(in the image\)$/,
    );
    expect(() => unpack({ name: "l", type: "hardlink", linkName: "absent" })).toThrow(code("BAD_LAYER"));
  });

  it("rejects a whiteout without a name, and ignores aufs's own files", () => {
    for (const name of [".wh.", "a/.wh..", "a/.wh..."])
      expect(() => unpack({ name, content: "" })).toThrow(code("BAD_LAYER"));
    unpack({ name: ".wh..wh.plnk", type: "directory" }, { name: ".wh..wh.aufs", content: "" });
    expect(readdirSync(root)).toEqual([]);
  });

  it.skipIf(!isRoot)("has overlayfs's whiteouts, and packs them as OCI's again", () => {
    mkdirSync(at("kept"));
    writeFileSync(at("kept/old"), "");
    unpack(
      { name: "kept/.wh.old", content: "" },
      { name: "fresh", type: "directory", mode: 0o755 },
      { name: "fresh/.wh..wh..opq", content: "" },
      { name: "fresh/file", content: "x" },
    );
    expect(lstatSync(at("kept/old")).isCharacterDevice()).toBe(true);
    const found = [...layerChanges(root)].map(({ path, isWhiteout, isOpaque }) => [
      path,
      isWhiteout,
      isOpaque,
    ]);
    expect(found).toEqual([
      ["fresh", false, true],
      ["fresh/file", false, false],
      ["kept", false, false],
      ["kept/old", true, false],
    ]);
    const again = join(folder, "again");
    mkdirSync(again);
    unpackHere(reading(packed(root)), again);
    expect([...layerChanges(again)].map(({ path }) => path)).toEqual(found.map(([path]) => path));
    expect(lstatSync(join(again, "kept/old")).isCharacterDevice()).toBe(true);
  });

  it("gives everything to one owner, and keeps kinds, where it is copied into a container", () => {
    writeFileSync(at("file"), "");
    mkdirSync(at("folder"));
    const into = (...entries: Given[]) => unpackInto(root, tar(...entries), { owner: OWN, keepKinds: true });
    into({ name: "new", content: "x", uid: 4_000_000, gid: 4_000_000 }, { name: "./", type: "directory" });
    expect(statSync(at("new")).uid).toBe(OWN.uid);
    expect(() => into({ name: "file", type: "directory" })).toThrow(
      'cannot overwrite the non-directory "file" with a directory',
    );
    expect(() => into({ name: "folder", content: "" })).toThrow(
      'cannot overwrite the directory "folder" with a non-directory',
    );
    into({ name: ".wh.file", content: "a name like any other" });
    expect(existsSync(at("file"))).toBe(true);
  });
});

describe("the backup of a volume", () => {
  it("counts its entries, and needs its end", () => {
    const entries: Given[] = [
      { name: "./", type: "directory", mode: 0o711 },
      { name: ".wh.plain", content: "no whiteout" },
    ];
    expect(unpackVolume(tar(...entries), false, root)).toEqual({ entries: 2, lostAttributes: 0 });
    expect(readFileSync(at(".wh.plain"), "utf8")).toBe("no whiteout");
    const [first] = [encodeEntry({ ...PLAIN_ENTRY, ...OWN, name: "a", type: "file", mode: 0o644 })];
    expect(() => unpackVolume(reading(first!), false, root)).toThrow(code("BAD_TAR"));
  });

  it("has device files only on request", () => {
    const device: Given = { name: "null", type: "char", devMajor: 1, devMinor: 3, mode: 0o666 };
    expect(() => unpackVolume(tar(device), false, root)).toThrow(
      expect.objectContaining({ code: "DEVICE_FILE", hint: "use --devices to create device files" }),
    );
    if (!isRoot) return;
    unpackVolume(tar(device), true, root);
    expect(lstatSync(at("null")).isCharacterDevice()).toBe(true);
  });
});

function packed(directory: string, newest?: number): Buffer {
  const parts: Buffer[] = [];
  packHere((bytes) => parts.push(Buffer.from(bytes)), newest, directory);
  return Buffer.concat(parts);
}

describe("packing a directory as a layer", () => {
  it("gives the same bytes for the same tree, whatever the order of its creation", () => {
    const make = (names: string[]) => {
      const tree = mkdtempSync(join(folder, "tree-"));
      for (const name of names) {
        writeFileSync(join(tree, name), `content of ${name}`);
        utimesSync(join(tree, name), 1, 2);
      }
      return tree;
    };
    const names = ["b", "a", "ä", "c".repeat(120)];
    expect(packed(make(names)).equals(packed(make([...names].reverse())))).toBe(true);
  });

  it("limits times, and writes hard links once", () => {
    writeFileSync(at("one"), "content");
    linkSync(at("one"), at("two"));
    symlinkSync("one", at("three"));
    chmodSync(at("one"), 0o4755);
    const again = join(folder, "again");
    mkdirSync(again);
    unpackHere(reading(packed(root, 1_000)), again);
    expect(statSync(join(again, "one")).ino).toBe(statSync(join(again, "two")).ino);
    expect(statSync(join(again, "one")).mtimeMs).toBe(1_000_000);
    expect(statSync(join(again, "one")).mode & 0o7777).toBe(0o4755);
    expect(readlinkSync(join(again, "three"))).toBe("one");
  });

  it("is the inverse of unpacking", () => {
    const tree = fc.uniqueArray(
      fc.record({
        name: fc.stringMatching(/^[a-z]{1,8}$/),
        content: fc.uint8Array({ maxLength: 3000 }),
        mode: fc.integer({ min: 0o400, max: 0o777 }),
        mtime: fc.nat(2 ** 31),
      }),
      { selector: ({ name }) => name, maxLength: 6 },
    );
    fc.assert(
      fc.property(tree, (files) => {
        const [from, to] = ["from", "to"].map((name) => mkdtempSync(join(folder, `${name}-`)));
        for (const { name, content, mode, mtime } of files) {
          writeFileSync(join(from!, name), content);
          chmodSync(join(from!, name), mode);
          utimesSync(join(from!, name), mtime, mtime);
        }
        const bytes = packed(from!);
        unpackHere(reading(bytes), to!);
        expect(packed(to!).equals(bytes)).toBe(true);
      }),
    );
  });

  it("keeps extended attributes, but none of overlayfs", () => {
    writeFileSync(at("file"), "");
    if (!setXattr(Buffer.from(at("file")), "user.colour", Buffer.from([1, 0, 255]))) return; // tmpfs without them
    const changes = [...layerChanges(root)];
    expect(changes[0]!.xattrs.get("user.colour")).toEqual(Buffer.from([1, 0, 255]));
  });
});
