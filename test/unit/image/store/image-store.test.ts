/** Images of a store in a temporary folder: names, sweeps, verification, archives. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { intoFile } from "../../../../src/image/archive/into-file.ts";
import { readingSink } from "../../../../src/image/archive/write.ts";
import { hostPlatform } from "../../../../src/image/model/platform.ts";
import type { ImageSource } from "../../../../src/image/sources/source.ts";
import { ImageStore } from "../../../../src/image/store/image-store.ts";
import { forgetConfigs, inspectImage } from "../../../../src/image/store/inspect-image.ts";
import { NotedLayers, putImage } from "../../../contracts/registry.ts";
import { MemoryStore } from "../../../support/memory-store.ts";

let folder: string;
let state: MemoryStore;
let images: ImageStore;
const at = (name: string) => join(folder, name);
const openStore = (name: string, records = new MemoryStore()) => {
  const opened = new ImageStore(at(name), records);
  Object.assign(opened, { layers: new NotedLayers(at(name)) });
  return opened;
};
const add = (text: string, ...names: string[]) =>
  images.add(names, async () => putImage(images.content, text).manifest);
const code = (name: string) => expect.objectContaining({ code: name });
const blobs = (store = images) => store.content.list().length;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-images-"));
  mkdirSync(at("here/blobs/sha256"), { recursive: true });
  mkdirSync(at("there/blobs/sha256"), { recursive: true });
  state = new MemoryStore();
  images = openStore("here", state);
  forgetConfigs();
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("names of images", () => {
  it("find an image, also by its ID and the beginning of it", async () => {
    const record = await add("one", "web:1", "example.test/web:2");
    expect(images.records.find("docker.io/library/web:1")!.id).toBe(record.id);
    const hex = record.id.slice("sha256:".length);
    for (const id of [record.id, hex, hex.slice(0, 6)]) expect(images.records.need(id).id).toBe(record.id);
    expect(images.records.byId(hex.slice(0, 5))).toBeUndefined();
    expect(() => images.records.need("absent:1")).toThrow(
      expect.objectContaining({
        code: "IMAGE_NOT_FOUND",
        hint: "bay image pull absent:1 fetches it from its registry",
      }),
    );
    expect(images.records.tagsOf(record.id).sort()).toEqual(["example.test/web:2", "web:1"]);
    await expect(images.get("absent:1")).rejects.toThrow(code("IMAGE_NOT_FOUND"));
  });

  it("leave an image under its ID when its last name moves or is removed", async () => {
    const first = await add("one", "web:1");
    const second = await add("two", "web:1");
    expect(images.records.find("web:1")!.id).toBe(second.id);
    expect(images.records.byId(first.id)!.reference).toBe(`<none>@${first.id}`);
    expect((await images.get("web:1", first.id)).id).toBe(first.id);
    images.records.untag(images.records.find("web:1")!);
    expect(images.records.byId(second.id)!.reference).toBe(`<none>@${second.id}`);
    images.records.tag(second.id, "web:3");
    expect(
      images.records
        .list()
        .map(({ reference }) => reference)
        .sort(),
    ).toEqual([`<none>@${first.id}`, "docker.io/library/web:3"]);
    images.records.forget(images.records.byId(first.id)!);
    expect(images.records.byId(first.id)).toBeUndefined();
  });

  it("keep the digest of a registry only in its repository", async () => {
    const record = await add("one", "example.test/web:1");
    images.records.notePushed(record, "sha256:77");
    images.records.tag("example.test/web:1", "example.test/web:2");
    images.records.tag("example.test/web:1", "other.test/web:1");
    expect(images.records.find("example.test/web:2")!.pushed!.digest).toBe("sha256:77");
    expect(images.records.find("other.test/web:1")!.pushed).toBeUndefined();
    const digest = `sha256:${"7".repeat(64)}`;
    images.records.notePushed(record, digest);
    expect(images.records.need(`example.test/web@${digest}`).id).toBe(record.id);
    expect(() => images.records.need(`other.test/web@${digest}`)).toThrow(code("IMAGE_NOT_FOUND"));
    images.records.notePushed({ ...record, id: "sha256:other" }, "sha256:99");
    expect(images.records.find("example.test/web:1")!.pushed!.digest).toBe(digest);
  });

  it("are in the index for other tools", async () => {
    await add("one", "web:1");
    await add("two");
    const { manifests } = JSON.parse(readFileSync(at("here/index.json"), "utf8"));
    expect(manifests.map(({ annotations }: { annotations?: object }) => annotations)).toEqual(
      expect.arrayContaining([undefined, { "org.opencontainers.image.ref.name": "web:1" }]),
    );
    expect(readFileSync(at("here/oci-layout"), "utf8")).toBe('{"imageLayoutVersion":"1.0.0"}\n');
  });
});

describe("what a container gets of an image", () => {
  it("is its config, and its layers with the topmost first", async () => {
    const record = await add("one", "web:1");
    const image = await images.get("web:1");
    expect(image.lower).toEqual([
      record.manifest ? image.config.rootfs.diff_ids[0]!.slice(7, 23) : "",
      "mount-points",
    ]);
    expect(image.layersDirectory).toBe(at("here/layers"));
    expect(images.configOf(record)).toMatchObject(hostPlatform());
    expect(images.layersOf(record)).toHaveLength(1);
    expect(existsSync(at("here/layers/mount-points/etc/resolv.conf"))).toBe(true);
  });

  it("is read from the state alone, if all blobs are there", async () => {
    const record = await add("one", "web:1");
    expect(inspectImage(state, at("here"), "web:1")!.config).toMatchObject(hostPlatform());
    expect(inspectImage(state, at("here"), "web:1", "sha256:absent")).toBeUndefined();
    expect(inspectImage(state, at("here"), "absent:1")).toBeUndefined();
    expect(inspectImage(state, at("here"), "renamed:1", record.id)!.record.id).toBe(record.id);
    forgetConfigs();
    images.content.remove(images.layersOf(record)[0]!.digest);
    expect(inspectImage(state, at("here"), "web:1")).toBeUndefined();
  });
});

describe("a sweep", () => {
  it("removes what no image needs, and nothing that is held", async () => {
    const kept = await add("one", "web:1");
    const gone = await add("two", "old:1");
    const release = images.hold(gone);
    images.records.forget(gone);
    expect(await images.sweep()).toMatchObject({ blobs: 0, layers: 0 });
    release();
    images.content.put("nobody's", "text/plain");
    mkdirSync(at("here/layers/0123456789abcdef"));
    const swept = await images.sweep();
    expect(swept).toMatchObject({ blobs: 4, layers: 1 });
    expect(swept.bytes).toBeGreaterThan(3000);
    expect(blobs()).toBe(3);
    expect((await images.verify()).checked).toBe(3);
    expect(readdirSync(at("here/layers"))).not.toContain("0123456789abcdef");
    expect(kept.id).toBe(images.records.find("web:1")!.id);
  });

  it("waits for operations whose blobs no image has yet", async () => {
    let finish = () => {};
    const busy = images.during(
      () =>
        new Promise<void>((resolve) => {
          images.content.put("needed soon", "text/plain");
          finish = resolve;
        }),
    );
    const swept = images.sweep();
    let isDone = false;
    void swept.then(() => {
      isDone = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect([isDone, blobs()]).toEqual([false, 1]);
    finish();
    await busy;
    expect(await swept).toMatchObject({ blobs: 1 });
  });

  it("keeps a recent interrupted download, unless everything unfinished is to go", async () => {
    writeFileSync(at(`here/blobs/sha256/.part-${"a".repeat(64)}`), "part");
    const unfinished = images.content.unfinished();
    await images.sweep();
    expect(images.content.unfinished()).toEqual(unfinished);
    await images.sweep({ unfinished: true });
    expect(images.content.unfinished()).toEqual([]);
  });
});

describe("verification", () => {
  it("finds a blob that is damaged or missing, and puts a damaged one aside", async () => {
    const record = await add("one", "web:1");
    const [layer] = images.layersOf(record);
    writeFileSync(images.content.piece(layer!.digest).file, "other");
    const other = `sha256:${createHash("sha256").update("other").digest("hex")}`;
    expect(await images.verify()).toEqual({
      checked: 3,
      problems: [
        { image: "docker.io/library/web:1", digest: layer!.digest, message: `its digest is ${other}` },
      ],
      damaged: [layer!.digest],
    });
    expect((await images.verify()).problems).toMatchObject([{ message: "it is missing" }]);
    images.content.remove(record.id);
    expect((await images.verify()).problems).toMatchObject([{ digest: record.id, message: "it is missing" }]);
  });

  it("finds a layer that is not unpacked", async () => {
    await add("one", "web:1");
    Object.assign(images, { layers: new NotedLayers(at("here")) });
    expect((await images.verify()).problems).toMatchObject([
      { message: "it is not unpacked; the next start unpacks it" },
    ]);
  });
});

describe("an archive of images", () => {
  const save = async (file: string, ...names: string[]) => {
    const parts: Buffer[] = [];
    const chosen = names.map((name) => ({
      record: images.records.need(name),
      name: images.records.need(name).reference,
    }));
    await images.archives.save(chosen, async (bytes) => void parts.push(Buffer.from(bytes)));
    writeFileSync(at(file), Buffer.concat(parts));
  };

  it("gives the same images with their names to another store", async () => {
    const [one, two] = [await add("one", "web:1", "web:2"), await add("two", "example.test/db:1")];
    await save("all.tar", "web:1", "web:2", "example.test/db:1");
    const there = openStore("there");
    const loaded = await there.archives.load(at("all.tar"));
    expect(loaded.map(({ reference }) => reference).sort()).toEqual([
      "docker.io/library/web:1",
      "docker.io/library/web:2",
      "example.test/db:1",
    ]);
    expect([there.records.find("web:2")!.id, there.records.find("example.test/db:1")!.id]).toEqual([
      one.id,
      two.id,
    ]);
    expect(blobs(there)).toBe(6);
  });

  it("is read as a directory, and compressed", async () => {
    const { id } = await add("one", "web:1");
    await save("one.tar", "web:1");
    mkdirSync(at("layout"));
    execFileSync("tar", ["-x", "-f", at("one.tar"), "-C", at("layout"), "--exclude=manifest.json"]);
    writeFileSync(at("one.tar.gz"), gzipSync(readFileSync(at("one.tar"))));
    for (const path of ["layout", "one.tar.gz"]) {
      mkdirSync(at(`to-${path}/blobs/sha256`), { recursive: true });
      const there = openStore(`to-${path}`);
      expect((await there.archives.load(at(path))).map((record) => record.id)).toEqual([id]);
      expect(readdirSync(at(`to-${path}/layers`)).filter((name) => name.startsWith(".tmp"))).toEqual([]);
    }
  });

  it("is read as docker save wrote it before it knew OCI layouts", async () => {
    const { id } = await add("one", "web:1");
    await save("one.tar", "web:1");
    mkdirSync(at("old"));
    execFileSync("tar", ["-x", "-f", at("one.tar"), "-C", at("old")]);
    rmSync(at("old/oci-layout"));
    execFileSync("tar", ["-c", "-f", at("old.tar"), "-C", at("old"), "manifest.json", "blobs"]);
    const there = openStore("there");
    expect(await there.archives.load(at("old.tar"))).toMatchObject([
      { id, reference: "docker.io/library/web:1" },
    ]);
  });

  it("gives one image by name or digest, without a name here", async () => {
    const one = await add("one", "web:1");
    await add("two", "web:2");
    await save("two.tar", "web:1", "web:2");
    const there = openStore("there");
    for (const name of ["docker.io/library/web:1", one.manifest.digest])
      expect(await there.archives.take(at("two.tar"), name)).toMatchObject({
        id: one.id,
        reference: `<none>@${one.id}`,
      });
    await expect(there.archives.take(at("two.tar"), undefined)).rejects.toThrow(
      "the archive has 2 images: docker.io/library/web:1, docker.io/library/web:2",
    );
    await expect(there.archives.take(at("two.tar"), "db:1")).rejects.toThrow(code("BAD_ARCHIVE"));
  });

  it("has other names than here on request", async () => {
    const record = await add("one", "web:1");
    const parts: Buffer[] = [];
    await images.archives.saveAs(record, ["other:9"], async (bytes) => void parts.push(Buffer.from(bytes)));
    writeFileSync(at("other.tar"), Buffer.concat(parts));
    expect(await openStore("there").archives.load(at("other.tar"))).toMatchObject([
      { reference: "docker.io/library/other:9" },
    ]);
    await expect(images.archives.saveAs(record, ["Not A Name"], async () => {})).rejects.toThrow(
      code("BAD_REFERENCE"),
    );
  });

  it("is rejected if it lacks something, is damaged, or is no archive", async () => {
    const { manifest } = await add("one", "web:1");
    await save("one.tar", "web:1");
    mkdirSync(at("layout"));
    execFileSync("tar", ["-x", "-f", at("one.tar"), "-C", at("layout"), "--exclude=manifest.json"]);
    const there = openStore("there");
    const rejects = async (message: string | RegExp) =>
      expect(there.archives.load(at("layout"))).rejects.toThrow(message);
    const file = (digest: string) => at(`layout/blobs/${digest.replace(":", "/")}`);
    const { config, layers } = JSON.parse(readFileSync(file(manifest.digest), "utf8"));
    const before = readFileSync(file(layers[0].digest));
    writeFileSync(file(layers[0].digest), "other bytes");
    await rejects(/digest/);
    rmSync(file(layers[0].digest));
    await rejects(`the archive lacks blobs/${layers[0].digest.replace(":", "/")}`);
    writeFileSync(file(layers[0].digest), before);
    writeFileSync(file(config.digest), readFileSync(file(config.digest), "utf8").replace("{", "{ "));
    await rejects(/the digest of the config is sha256:/);
    rmSync(at("layout/index.json"));
    await rejects("the archive is neither an OCI layout nor an archive of docker save");
    writeFileSync(at("layout/manifest.json"), "nonsense");
    await rejects("the archive's manifest.json is not JSON");
    writeFileSync(at("layout/manifest.json"), "{}");
    await rejects("the archive's manifest.json is malformed");
    await expect(there.archives.load(at("absent"))).rejects.toThrow("does not exist");
    await expect(there.archives.load("/dev/null")).rejects.toThrow(
      "/dev/null is neither a file nor a directory",
    );
    expect(there.records.list()).toEqual([]);
  });

  it("does not follow a link in its directory to the outside", async () => {
    mkdirSync(at("layout"));
    writeFileSync(at("secret"), "{}");
    execFileSync("ln", ["-s", "../secret", at("layout/index.json")]);
    writeFileSync(at("layout/oci-layout"), "{}");
    await expect(images.archives.load(at("layout"))).rejects.toThrow(code("BAD_ARCHIVE"));
  });

  it("is written to a file of the client, and to no other", async () => {
    await add("one", "web:1");
    writeFileSync(at("target"), "earlier content that is longer than nothing");
    const { dev, ino } = statSync(at("target"));
    const target = { path: at("target"), dev, ino };
    const record = images.records.need("web:1");
    const signal = new AbortController().signal;
    await intoFile(target, signal, (sink) =>
      images.archives.save([{ record, name: record.reference }], sink),
    );
    expect(await openStore("there").archives.load(at("target"))).toMatchObject([{ id: record.id }]);
    const other = expect.objectContaining({ code: "OTHER_FILE" });
    await expect(intoFile({ ...target, ino: ino + 1 }, signal, async () => {})).rejects.toThrow(other);
    await expect(intoFile({ ...target, path: at("absent") }, signal, async () => {})).rejects.toThrow(other);
    await expect(
      intoFile(target, AbortSignal.abort(), (sink) => readingSink(sink.put).put(Buffer.from("x"))),
    ).rejects.toThrow(code("ABORTED"));
  });
});

describe("new images", () => {
  it("come from a tar of a file system", async () => {
    mkdirSync(at("tree"));
    writeFileSync(at("tree/file"), "content");
    execFileSync("tar", ["-c", "-z", "-f", at("root.tar.gz"), "-C", at("tree"), "file"]);
    const made = await images.importTar(at("root.tar.gz"), {
      name: "imported:1",
      comment: "why",
      platform: "linux/arm64",
      config: { Cmd: ["/file"] },
    });
    expect(images.configOf(made)).toMatchObject({
      architecture: "arm64",
      config: { Cmd: ["/file"] },
      history: [{ created_by: "bay image import", comment: "why" }],
    });
    expect(made.reference).toBe("docker.io/library/imported:1");
    expect(() => images.importTar(at("root.tar.gz"), { name: "Not A Name" })).toThrow(code("BAD_REFERENCE"));
    await expect(
      images.importTar(at("root.tar.gz"), { name: undefined, platform: "linux/arm64/v8/x" }),
    ).rejects.toThrow(code("BAD_PLATFORM"));
  });

  it("come from a directory or a tar that the stack names, and are made again only if it changes", async () => {
    mkdirSync(at("tree/etc"), { recursive: true });
    writeFileSync(at("tree/etc/conf"), "one");
    const source: ImageSource = { kind: "rootfs", path: "tree", base: folder, config: { Cmd: ["/x"] } };
    const said: string[] = [];
    const first = await images.ensure("made:1", source, { say: (line) => said.push(line) });
    expect(first.config.config).toMatchObject({ Cmd: ["/x"] });
    expect((await images.ensure("made:1", source)).id).toBe(first.id);
    writeFileSync(at("tree/etc/conf"), "another length");
    const second = await images.ensure("made:1", source);
    expect(second.id).not.toBe(first.id);
    const [same, again] = await Promise.all([
      images.ensure("other:1", { ...source, config: {} }),
      images.ensure("other:1", { ...source, config: {} }),
    ]);
    expect(same.id).toBe(again.id);
    await expect(images.ensure("bad:1", { ...source, path: "absent" })).rejects.toThrow(
      `the rootfs ${at("absent")} does not exist`,
    );
    expect(images.making.size).toBe(0);
  });

  it("come from an archive with changes of the config", async () => {
    await add("one", "web:1");
    const parts: Buffer[] = [];
    const record = images.records.need("web:1");
    await images.archives.save(
      [{ record, name: record.reference }],
      async (bytes) => void parts.push(Buffer.from(bytes)),
    );
    writeFileSync(at("one.tar"), Buffer.concat(parts));
    const source = { kind: "archive", path: "one.tar", reference: undefined, base: folder } as const;
    expect((await images.ensure("same:1", { ...source, config: {} })).id).toBe(record.id);
    const changed = await images.ensure("changed:1", { ...source, config: { User: "app" } });
    expect(changed.config.config).toMatchObject({ User: "app" });
    expect(changed.id).not.toBe(record.id);
  });
});
