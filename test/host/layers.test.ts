/** Layers: what GNU tar writes comes out as GNU tar and umoci unpack it; what is wrong ends in an error, and the store stays whole. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LayerStore, layerName } from "../../src/image/layers/layer-store.ts";
import { ContentStore } from "../../src/image/store/content-store.ts";
import { PLAIN_ENTRY } from "../../src/image/tar/describe.ts";
import { encodeEntry, padding, type TarEntry } from "../../src/image/tar/header.ts";

const sh = (script: string, ...args: string[]) =>
  execFileSync("bash", ["-ec", script, "bash", ...args], {
    encoding: "latin1",
    stdio: ["ignore", "pipe", "pipe"],
  });

/** A tree with everything that a layer may hold. */
const TREE = String.raw`
mkdir -p "$1" && cd "$1"
mkdir -p deep/er dir
echo text > plain
printf 'x%.0s' {1..300} > "$(printf 'n%.0s' {1..150})"
ln plain hard; ln -s ../over/there link; ln -s "$(printf 'l%.0s' {1..180})" longlink
mkfifo fifo; mknod null c 1 3; mknod disk b 7 9
truncate -s 5M sparse; printf middle | dd of=sparse bs=1 seek=2500000 conv=notrunc status=none
echo big > owner; chown 3000000:2999999 owner
cp /bin/true capable; setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 capable
setfattr -n user.bytes -v 0xff000a3d80 plain
printf bytes > "$(printf 'not-\xff\xfe-text')"
echo sub > time; touch -d '2021-02-03 04:05:06.123456789' time
touch -h -d '1999-12-31 23:59:59.5' link
chmod 4755 capable; chmod 1777 dir; chmod 2750 deep
touch -d '2020-01-01' deep/er deep dir .
`;

/** Everything of a tree that counts, a line each. */
const LISTING = String.raw`
cd "$1" && find . -mindepth 1 -printf '%P|%y|%m|%U|%G|%s|%l|%T@|%n\n' | sed -E 's/(\|d\|[^|]*\|[^|]*\|[^|]*\|)[0-9]+\|/\1-|/; s/(\|d\|.*)\|[0-9]+$/\1/' | LC_ALL=C sort
find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
getfattr -R -h -d -m 'user|security.capability' -e hex . 2>/dev/null | LC_ALL=C sort
find . -type b -o -type c | LC_ALL=C sort | xargs -r stat -c '%n %t %T'
`;

describe("layers", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-layers-"));
  const layers = new LayerStore(join(folder, "root"));
  const tree = join(folder, "tree");
  beforeAll(() => void sh(TREE, tree));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  let serial = 0;
  /** Unpacks a tar; gives the directory. */
  const unpack = async (bytes: Buffer, plain = bytes) => {
    const file = join(folder, `layer-${serial++}`);
    writeFileSync(file, bytes);
    const diffId = digestOf(plain);
    await layers.unpack({ file, offset: 0, size: bytes.length }, diffId);
    return join(layers.directory, layerName(diffId));
  };
  const tarOf = (...options: string[]) => {
    const file = join(folder, `tar-${serial++}`);
    execFileSync("tar", ["-C", tree, ...options, "-cf", file, "."]);
    return readFileSync(file);
  };
  const PAX = [
    "--format=posix",
    "--xattrs",
    "--xattrs-include=user.*",
    "--xattrs-include=security.capability",
  ];

  it("are unpacked as they were packed, in PAX form, with sparse files of each form", async () => {
    const expected = sh(LISTING, tree);
    for (const version of ["0.0", "0.1", "1.0"]) {
      const directory = await unpack(tarOf(...PAX, "--sparse", `--sparse-version=${version}`));
      expect(sh(LISTING, directory)).toBe(expected);
      expect(Number(sh(`stat -c %b "$1/sparse"`, directory))).toBeLessThan(100);
    }
  });

  it("are unpacked as they were packed, in GNU's form, as far as it supports", async () => {
    const known = (listing: string) =>
      listing
        .split("\n")
        .filter((line) => !/user\.bytes|security\.capability|^# file|^$/.test(line))
        .map((line) => line.replace(/\.\d{10}(\|\d+)?$/, "$1"))
        .join("\n");
    const directory = await unpack(tarOf("--format=gnu", "--sparse"));
    expect(known(sh(LISTING, directory))).toBe(known(sh(LISTING, tree)));
  });

  it("are unpacked from gzip and zstd, also with several members", async () => {
    const plain = tarOf(...PAX);
    const expected = sh(LISTING, tree);
    const half = Math.floor(plain.length / 2);
    const members = Buffer.concat([gzipSync(plain.subarray(0, half)), gzipSync(plain.subarray(half))]);
    expect(sh(LISTING, await unpack(members, plain))).toBe(expected);
    const again = tarOf(...PAX, "--sort=name");
    writeFileSync(join(folder, "again.tar"), again);
    execFileSync("zstd", ["-q", "-f", "-3", join(folder, "again.tar"), "-o", join(folder, "again.zst")]);
    expect(sh(LISTING, await unpack(readFileSync(join(folder, "again.zst")), again))).toBe(expected);
  });

  it("result in the same tree as with umoci", async () => {
    const plain = tarOf(...PAX, "--exclude=./disk", "--exclude=./null", "--exclude=./sparse");
    const layout = join(folder, "layout");
    const content = new ContentStore(layout);
    writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    const media = "application/vnd.oci.image";
    const layer = content.put(plain, `${media}.layer.v1.tar`);
    const config = content.put(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: {},
        rootfs: { type: "layers", diff_ids: [layer.digest] },
      }),
      `${media}.config.v1+json`,
    );
    const manifest = content.put(
      JSON.stringify({ schemaVersion: 2, mediaType: `${media}.manifest.v1+json`, config, layers: [layer] }),
      `${media}.manifest.v1+json`,
    );
    const index = {
      schemaVersion: 2,
      manifests: [{ ...manifest, annotations: { "org.opencontainers.image.ref.name": "t" } }],
    };
    writeFileSync(join(layout, "index.json"), JSON.stringify(index));
    execFileSync("umoci", ["unpack", "--image", `${layout}:t`, join(folder, "bundle")], { stdio: "pipe" });
    // umoci keeps no nanoseconds of directories that it fills, and neither tool is asked for the root's own time
    expect(sh(LISTING, await unpack(plain))).toBe(sh(LISTING, join(folder, "bundle", "rootfs")));
  });

  const entry = (fields: Partial<TarEntry>, content = "") => {
    const bytes = Buffer.from(content);
    const whole = {
      ...PLAIN_ENTRY,
      name: "x",
      type: "file" as const,
      mode: 0o644,
      ...fields,
      size: bytes.length,
    };
    return Buffer.concat([encodeEntry(whole), bytes, padding(bytes.length)]);
  };
  const archive = (...entries: Buffer[]) => Buffer.concat([...entries, Buffer.alloc(1024)]);

  it("convert whiteouts to overlayfs's, and reject those that hide no file", async () => {
    const directory = await unpack(
      archive(
        entry({ name: "dir", type: "directory", mode: 0o755 }),
        entry({ name: "dir/.wh..wh..opq" }),
        entry({ name: "dir/.wh.gone" }),
        entry({ name: ".wh..wh.plnk" }),
      ),
    );
    expect(sh('stat -c "%F %t %T" "$1/dir/gone"', directory)).toBe("character special file 0 0\n");
    expect(sh('getfattr -n trusted.overlay.opaque --only-values "$1/dir" 2>/dev/null', directory)).toBe("y");
    expect(readdirSync(directory)).toEqual(["dir"]);
    for (const name of [".wh...", "dir/.wh..", ".wh."])
      await expect(unpack(archive(entry({ name: "keep" }, name), entry({ name })))).rejects.toThrow(
        /has no file name/,
      );
  });

  it("are packed again to the same bytes", async () => {
    const content = new ContentStore(join(folder, "packed"));
    mkdirSync(join(folder, "upper"));
    sh(TREE, join(folder, "upper", "tree"));
    sh(
      'cd "$1" && mkdir opaque && setfattr -n trusted.overlay.opaque -v y opaque && echo in > opaque/in && mknod hidden c 0 0',
      join(folder, "upper"),
    );
    const first = await content.pack(join(folder, "upper"), "layer");
    const { file, size } = content.piece(first.digest);
    await layers.unpack({ file, offset: 0, size }, first.digest);
    const directory = join(layers.directory, layerName(first.digest));
    const known = (listing: string) => listing.replace(/^hidden\|.*\n/m, ""); // of a whiteout only that it is one counts
    expect(known(sh(LISTING, directory))).toBe(known(sh(LISTING, join(folder, "upper"))));
    expect((await content.pack(directory, "layer")).digest).toBe(first.digest);
    const names = execFileSync("tar", ["-tf", file], { encoding: "utf8" });
    expect(names).toMatch(/^opaque\/\.wh\.\.wh\.\.opq$/m);
    expect(names).toMatch(/^\.wh\.hidden$/m);
  });

  it("replace existing files of any kind", async () => {
    const directory = await unpack(
      archive(
        entry({ name: "a", type: "directory", mode: 0o755 }),
        entry({ name: "a/b" }, "inside"),
        entry({ name: "a" }, "now a file"),
        entry({ name: "a", type: "symlink", linkName: "elsewhere" }),
        entry({ name: "a", type: "directory", mode: 0o700 }),
        entry({ name: "a/c" }, "again"),
        entry({ name: "same" }, "1"),
        entry({ name: "same", type: "hardlink", linkName: "same" }),
      ),
    );
    expect(sh('cd "$1" && find a same -printf "%p %y %m\\n" | sort', directory)).toBe(
      "a d 700\na/c f 644\nsame f 644\n",
    );
  });

  it("that are bombs, cut or damaged end in an error and leave nothing", async () => {
    const before = readdirSync(layers.directory).sort();
    const plain = archive(entry({ name: "f" }, "x".repeat(10_000)));
    const zipped = gzipSync(plain);
    await expect(unpack(zipped.subarray(0, zipped.length - 12), plain)).rejects.toThrow(/too early/);
    const damaged = Buffer.from(zipped);
    damaged[40] = damaged[40]! ^ 0xff;
    await expect(unpack(damaged, plain)).rejects.toThrow(/damaged|too early|tar/);
    await expect(unpack(plain.subarray(0, 5000))).rejects.toThrow(/ends inside/);
    await expect(unpack(plain, Buffer.from("another"))).rejects.toThrow(/but the image has/);
    // a zstd frame of zeros beyond any honest ratio: 200 GB in a few kB
    const bomb = join(folder, "bomb");
    sh(
      'head -c 400M /dev/zero | zstd -q -19 > "$1.one"; for i in $(seq 3); do cat "$1.one"; done > "$1"',
      bomb,
    );
    const size = readFileSync(bomb).length;
    expect(size).toBeLessThan(200_000);
    await expect(unpack(readFileSync(bomb), plain)).rejects.toThrow(/tar|decompression bomb/);
    expect(readdirSync(layers.directory).sort()).toEqual(before);
  });

  it("that do not fit on the disk end in an error that says so, and leave nothing", async () => {
    const small = join(folder, "small");
    mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", small]);
    try {
      const store = new LayerStore(small);
      const content = new ContentStore(small);
      const bytes = archive(entry({ name: "random" }, randomBytes(6 << 20).toString("latin1")));
      const file = join(folder, "large");
      writeFileSync(file, bytes);
      const piece = { file, offset: 0, size: bytes.length };
      await expect(store.unpack(piece, digestOf(bytes))).rejects.toThrow(/ENOSPC/);
      await expect(content.adopt(piece, "layer", digestOf(bytes))).rejects.toThrow(/ENOSPC/);
      expect(readdirSync(store.directory)).toEqual([]);
      expect(readdirSync(join(small, "blobs", "sha256"))).toEqual([]);
      expect(existsSync(content.path(digestOf(bytes)))).toBe(false);
    } finally {
      execFileSync("umount", [small]);
    }
  });
});
