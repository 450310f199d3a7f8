/**
 * Ways out of an image that container tools have had: each layer here tries one, and ends in an error or in something
 * harmless inside. The victim is a directory of the host beside the layer's own.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LayerStore, layerName } from "../../src/image/layers/layer-store.ts";
import { isLong } from "../support/long.ts";

interface Raw {
  name: string;
  /** ustar's type: 0 file, 1 hard link, 2 symlink, 3 char, 4 block, 5 directory, x and g PAX, L and K GNU's long names. */
  type?: string;
  link?: string;
  content?: string | Buffer;
  mode?: number;
}

const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, "0")}\0`;

/** A header just as it is told, whatever sense it makes. */
function header({ name, type = "0", link = "", mode = 0o644 }: Raw, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100, "latin1");
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(link, 157, 100, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  block.write(
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      7,
    )} `,
    148,
  );
  return block;
}

function tar(...entries: Raw[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? "");
    const rest = Buffer.alloc((512 - (content.length % 512)) % 512);
    return [header(entry, content.length), content, rest];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** PAX records before an entry: each says its own length. */
function pax(records: Record<string, string>, type = "x"): Raw {
  const content = Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = rest.length;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      return `${length}${rest}`;
    })
    .join("");
  return { name: "pax", type, content };
}

const UP = "../".repeat(12);

describe("a layer", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-escapes-"));
  const layers = new LayerStore(join(folder, "root"));
  const outside = join(folder, "outside");
  const victim = join(outside, "victim");
  let serial = 0;
  const unpack = async (bytes: Buffer): Promise<string> => {
    const file = join(folder, `layer-${serial++}`);
    writeFileSync(file, bytes);
    const diffId = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await layers.unpack({ file, offset: 0, size: bytes.length }, diffId);
    return join(layers.directory, layerName(diffId));
  };
  beforeAll(() => {
    mkdirSync(outside, { mode: 0o711 });
    writeFileSync(victim, "untouched", { mode: 0o600 });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const state = () => [
    readdirSync(outside),
    readFileSync(victim, "utf8"),
    statSync(victim).mode & 0o7777,
    statSync(victim).nlink,
    statSync(outside).mode & 0o7777,
    existsSync("/bay-escaped"),
    existsSync("/tmp/bay-escaped"),
  ];

  const TRICKS: Record<string, Raw[]> = {
    "a parent path": [{ name: `${UP}tmp/bay-escaped`, content: "x" }],
    "a parent path behind an honest one": [{ name: `a/b/../../../${UP}tmp/bay-escaped`, content: "x" }],
    "an absolute name": [{ name: "/bay-escaped", content: "x" }],
    "a symlink as a parent": [
      { name: "out", type: "2", link: outside },
      { name: "out/victim", content: "overwritten" },
    ],
    "a relative symlink as a parent": [
      { name: "out", type: "2", link: `${UP}${outside}` },
      { name: "out/new", content: "new" },
    ],
    "a chain of symlinks": [
      { name: "a", type: "2", link: "b" },
      { name: "b", type: "2", link: "c" },
      { name: "c", type: "2", link: outside },
      { name: "a/victim", content: "overwritten" },
    ],
    "a symlink that a directory of its name follows": [
      { name: "out", type: "2", link: outside },
      { name: "out", type: "5", mode: 0o777 },
      { name: "out/victim", content: "overwritten" },
    ],
    "a symlink that a file of its name follows": [
      { name: "out", type: "2", link: victim },
      { name: "out", content: "overwritten", mode: 0o777 },
    ],
    "a symlink to the root": [
      { name: "root", type: "2", link: "/" },
      { name: "root/bay-escaped", content: "x" },
    ],
    "a hard link out": [{ name: "hard", type: "1", link: victim }],
    "a hard link out by parents": [{ name: "hard", type: "1", link: `${UP}${victim}` }],
    "a hard link through a symlink": [
      { name: "out", type: "2", link: outside },
      { name: "hard", type: "1", link: "out/victim" },
      { name: "hard", content: "overwritten" },
    ],
    "a hard link to a symlink, and a file over it": [
      { name: "soft", type: "2", link: victim },
      { name: "hard", type: "1", link: "soft" },
      { name: "hard", content: "overwritten", mode: 0o777 },
    ],
    "a whiteout of the parent": [{ name: ".wh..." }],
    "a whiteout through a symlink": [{ name: "out", type: "2", link: outside }, { name: "out/.wh.victim" }],
    "a whiteout by parents": [{ name: `${UP}${outside}/.wh.victim` }],
    "a whiteout with a slash hidden in its name": [{ name: `.wh.${UP}victim` }],
    "an opaque directory through a symlink": [
      { name: "out", type: "2", link: outside },
      { name: "out/.wh..wh..opq" },
    ],
    "a PAX path": [pax({ path: `${UP}tmp/bay-escaped` }), { name: "honest", content: "x" }],
    "a PAX path for all that follows": [pax({ path: `${UP}tmp/bay-escaped` }, "g"), { name: "honest" }],
    "a PAX link path": [pax({ linkpath: victim }), { name: "hard", type: "1", link: "honest" }],
    "a PAX path with a NUL byte": [pax({ path: "a\0/../../x" }), { name: "honest" }],
    "GNU's long name": [
      { name: "././@LongLink", type: "L", content: `${UP}tmp/bay-escaped\0` },
      { name: "honest", content: "x" },
    ],
    "GNU's long link": [
      { name: "././@LongLink", type: "K", content: `${victim}\0` },
      { name: "hard", type: "1", link: "honest" },
    ],
    "overlayfs's own attributes": [
      pax({
        "SCHILY.xattr.trusted.overlay.redirect": outside,
        "SCHILY.xattr.trusted.overlay.metacopy": "",
      }),
      { name: "moved", type: "5", mode: 0o755 },
    ],
    "attributes and a mode for a symlink's target": [
      pax({ "SCHILY.xattr.user.bay": "x" }),
      { name: "soft", type: "2", link: victim, mode: 0o777 },
    ],
    "a directory whose name is the root": [{ name: "/", type: "5", mode: 0o777 }],
    "a file whose name is the root": [{ name: ".", content: "x" }],
    "no name at all": [{ name: "", content: "x" }],
  };

  it.each(Object.entries(TRICKS))("does not leave its directory by %s", async (_, entries) => {
    const before = state();
    let directory: string | undefined;
    try {
      directory = await unpack(tar(...entries));
    } catch (error) {
      expect((error as { code?: string }).code).toMatch(/^BAD_(LAYER|TAR)$/);
    }
    expect(state()).toEqual(before);
    if (directory === undefined) return;
    // what came is inside, and no word of overlayfs's is the archive's
    expect(
      execFileSync("sh", ["-c", 'getfattr -R -h -d -m trusted.overlay.redirect "$1"', "sh", directory], {
        encoding: "utf8",
      }),
    ).toBe("");
  });

  it("keeps device nodes as nodes, which no container can open, and names that are not text", async () => {
    const name = Buffer.from([0x6e, 0xff, 0xfe, 0x0a, 0x1b]).toString("latin1");
    const directory = await unpack(
      tar({ name: "disk", type: "4" }, { name: "zero", type: "3" }, { name, content: "odd" }),
    );
    expect(lstatSync(join(directory, "disk")).isBlockDevice()).toBe(true);
    const names = readdirSync(Buffer.from(directory), { encoding: "buffer" });
    expect(names.some((each) => each.equals(Buffer.from(name, "latin1")))).toBe(true);
  });

  it("shows a name without characters that control a terminal", async () => {
    const name = "evil\u001b[2J\u0007";
    await expect(unpack(tar({ name: `${UP}${name}` }))).rejects.toThrow(/is outside of the image/);
    const message = await unpack(tar({ name: `${UP}${name}` })).catch((error: Error) => error.message);
    expect(message).not.toMatch(/\p{C}/u);
  });

  const COUNT = isLong ? 1_000_000 : 50_000;

  it(`of ${COUNT} tiny files is unpacked, in bounded memory`, async () => {
    const small = join(folder, "many");
    mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3g,nr_inodes=1100000", "tmpfs", small]);
    try {
      const file = join(small, "layer.tar");
      const hash = createHash("sha256");
      const fd = openSync(file, "w");
      const BATCH = 10_000;
      const put = (bytes: Buffer) => {
        hash.update(bytes);
        writeSync(fd, bytes);
      };
      for (let from = 0; from < COUNT; from += BATCH) {
        const blocks = Array.from({ length: BATCH }, (_, index) => {
          const number = from + index;
          return header({ name: `${Math.floor(number / 1000)}/${number}` }, 0);
        });
        put(Buffer.concat(blocks));
      }
      put(Buffer.alloc(1024));
      closeSync(fd);
      const store = new LayerStore(small);
      const before = process.memoryUsage().rss;
      let peak = before;
      const timer = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage().rss);
      }, 50);
      const diffId = `sha256:${hash.digest("hex")}`;
      await store.unpack({ file, offset: 0, size: statSync(file).size }, diffId);
      clearInterval(timer);
      expect(peak - before).toBeLessThan(150 << 20);
      const directory = join(store.directory, layerName(diffId));
      expect(readdirSync(directory).length).toBe(COUNT / 1000);
      expect(readdirSync(join(directory, String(COUNT / 1000 - 1))).length).toBe(1000);
    } finally {
      execFileSync("umount", [small]);
    }
  });
});
