/** Whole builds: instructions, stages, the cache of steps, and its export and import. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BuildRequest } from "../../../src/build/types.ts";
import { type BuildRoom, loadBuildRoom } from "../../support/build-room.ts";

let room: BuildRoom;
beforeAll(async () => {
  room = await loadBuildRoom();
});
afterAll(() => room.close());
beforeEach(() => {
  room.reset();
  write({ "a.txt": "a", "b.txt": "b", "src/one": "1" });
});
const write = (files: Record<string, string>) => {
  for (const [name, content] of Object.entries(files)) {
    const path = join(room.folder, "context", name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
  }
};
const configOf = (reference = "built:1") => room.images.configOf(room.images.records.need(reference));
const filesOf = (reference = "built:1") => {
  const at = room.unpacked(reference);
  return Object.fromEntries(
    readdirSync(at, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(at, name)).isFile())
      .map((name) => [name, readFileSync(join(at, name), "utf8")]),
  );
};
const code = (name: string, message?: RegExp) =>
  expect.objectContaining({ code: name, ...(message ? { message: expect.stringMatching(message) } : {}) });
/** A RUN that writes a file. */
const writing = (name: string, content = "made") => {
  room.runner = ({ upper }) => {
    writeFileSync(join(upper, name), content);
    return 0;
  };
};

describe("a build", () => {
  it("makes an image of files, commands and a config", async () => {
    writing("made");
    const { told } = await room.build(
      'FROM scratch AS base\nARG NAME=x\nENV A=$NAME\nWORKDIR /srv\nCOPY *.txt ./\nRUN make it\nUSER app\nLABEL l=1\nMAINTAINER me\nCMD ["serve"]\n',
      { labels: { given: "2" }, args: { NAME: "y", UNUSED: "z" } },
    );
    expect(filesOf()).toEqual({ "srv/a.txt": "a", "srv/b.txt": "b", made: "made" });
    expect(configOf()).toMatchObject({
      author: "me",
      config: {
        Env: [expect.stringMatching(/^PATH=/), "A=y"],
        WorkingDir: "/srv",
        User: "app",
        Labels: { l: "1", given: "2" },
        Cmd: ["serve"],
      },
    });
    expect(configOf().history!.map(({ empty_layer }) => empty_layer ?? false)).toEqual([
      ...[true, true, false, false, false, true, true, true, true],
    ]);
    expect(told.filter((line) => /^(started|done)/.test(line))).toEqual([
      "started [base 1/3] WORKDIR /srv",
      "done [base 1/3] WORKDIR /srv",
      "started [base 2/3] COPY *.txt ./",
      "done [base 2/3] COPY *.txt ./",
      "started [base 3/3] RUN make it",
      "done [base 3/3] RUN make it",
    ]);
    expect(told.join("\n")).toContain("UNUSED");
    expect(room.ran).toEqual(["make it"]);
  });

  it("runs a step again only if its inputs changed", async () => {
    writing("made");
    const dockerfile = "FROM scratch\nCOPY a.txt /\nRUN one\nRUN two\n";
    const first = await room.build(dockerfile);
    const second = await room.build(dockerfile);
    expect(second.id).toBe(first.id);
    expect(second.told.filter((line) => line.startsWith("cached"))).toHaveLength(3);
    await room.build(dockerfile.replace("RUN two", "RUN three"));
    expect(room.ran).toEqual(["one", "two", "three"]);
    write({ "b.txt": "changed, and not copied" });
    await room.build(dockerfile);
    expect(room.ran).toHaveLength(3);
    write({ "a.txt": "changed" });
    await room.build(dockerfile);
    expect(room.ran).toEqual(["one", "two", "three", "one", "two"]);
    await room.build(dockerfile, { noCache: true });
    expect(room.ran).toHaveLength(7);
  });

  it("runs only the stages that the target needs, and one stage again on request", async () => {
    writing("made");
    const dockerfile =
      "FROM scratch AS tools\nRUN tools\nFROM scratch AS unused\nRUN unused\nFROM scratch AS app\nCOPY --from=tools /made /bin/made\nRUN app\n";
    await room.build(dockerfile, { target: "app" });
    expect([...room.ran].sort()).toEqual(["app", "tools"]);
    expect(filesOf()).toEqual({ "bin/made": "made", made: "made" });
    await room.build(dockerfile, { noCacheFilter: ["tools"] });
    expect([...room.ran].sort()).toEqual(["app", "tools", "tools"]);
  });

  it("bases a stage on another one, and on an image with its triggers", async () => {
    writing("made");
    await room.build("FROM scratch\nENV A=1\nONBUILD RUN trigger\n", { tags: ["base:1"] });
    expect(room.ran).toEqual([]);
    const { told } = await room.build("FROM base:1 AS one\nRUN own\nFROM one\nRUN more\n");
    expect(room.ran).toEqual(["trigger", "own", "more"]);
    expect(configOf().config).toMatchObject({ Env: expect.arrayContaining(["A=1"]) });
    expect(configOf().config?.OnBuild ?? null).toBeNull();
    expect(told).toContain("started [one 1/2] RUN trigger");
  });

  it("writes here-documents with variables, or as they are", async () => {
    await room.build("FROM scratch\nARG A=1\nCOPY <<one <<'two' /etc/\nA is $A, \\$A\none\nA is $A\ntwo\n");
    expect(filesOf()).toEqual({ "etc/one": "A is 1, $A\n", "etc/two": "A is $A\n" });
  });

  it("passes the document of a RUN to the shell", async () => {
    await room.build("FROM scratch\nRUN <<EOF\necho one\necho two\nEOF\n");
    expect(room.ran).toEqual(["echo one\necho two\n"]);
  });

  it("gives a command its variables, mounts and limits, and no secret a layer", async () => {
    let seen: Parameters<BuildRoom["runner"]>[0] | undefined;
    room.runner = (config) => {
      seen = config;
      mkdirSync(join(config.upper, "cache"), { recursive: true }); // as the mount made it
      return 0;
    };
    await room.build(
      "FROM scratch\nARG A=1\nENV B=2\nUSER app\nRUN --mount=type=cache,target=/cache,id=c --mount=type=tmpfs,target=/tmp,size=1m --mount=type=secret,id=token,env=TOKEN make\n",
      {
        secrets: { token: { value: "sesame" } },
        extraHosts: ["db=10.0.0.1"],
        shmSize: 1 << 20,
        ulimits: { nofile: { soft: 1, hard: 2 } },
        network: "none",
      },
    );
    expect(seen).toMatchObject({
      args: ["/bin/sh", "-c", "make"],
      env: expect.arrayContaining(["A=1", "B=2", "TOKEN=sesame"]),
      user: "app",
      network: "none",
      extraHosts: ["db=10.0.0.1"],
      shmSize: 1 << 20,
      mounts: [
        { destination: "/cache", type: "bind" },
        { destination: "/tmp", type: "tmpfs", options: expect.arrayContaining(["size=1048576"]) },
      ],
    });
    expect(filesOf()).toEqual({});
    expect(JSON.stringify(room.steps.list()) + JSON.stringify(configOf())).not.toContain("sesame");
    expect(room.caches.list()).toMatchObject([{ id: "c" }]);
  });

  it("fails with the place, the exit code and the end of the output, and keeps no step", async () => {
    room.runner = ({ onOutput }) => {
      onOutput(1, Buffer.from("first\nlast words\n"));
      return 3;
    };
    const failing = room.build("FROM scratch\nRUN one\n");
    await expect(failing).rejects.toThrow(/Dockerfile:2/);
    await expect(failing).rejects.toThrow(/the command ended with exit code 3/);
    await expect(failing).rejects.toThrow(/last words/);
    expect(room.steps.list()).toEqual([]);
    expect(room.images.records.list()).toEqual([]);
    expect(readdirSync(join(room.folder, "root/layers")).filter((name) => name.startsWith(".step"))).toEqual(
      [],
    );
  });

  it("is interrupted by the client", async () => {
    const controller = new AbortController();
    room.runner = () => {
      controller.abort();
      return 0;
    };
    await expect(room.build("FROM scratch\nRUN one\nRUN two\n", {}, controller.signal)).rejects.toThrow(
      code("ABORTED"),
    );
    expect(room.ran).toEqual(["one"]);
  });

  it("limits what a step tells to clients", async () => {
    room.runner = ({ onOutput }) => {
      for (let round = 0; round < 4; round++) onOutput(1, Buffer.alloc(1 << 20, "x"));
      return 0;
    };
    const { told } = await room.build("FROM scratch\nRUN loud\n");
    const output = told.filter((line) => line.startsWith("output"));
    expect(output).toHaveLength(2);
    expect(output[1]).toContain("[output clipped, log limit 2MiB reached]");
  });

  it.each<[string, RegExp, Partial<BuildRequest>?]>([
    ["FROM scratch\nCOPY absent /\n", /absent" does not exist/],
    ["FROM scratch\nCOPY a.txt b.txt /x\n", /with several sources the target must be a directory/],
    ["FROM scratch\nCOPY http://e.test/x /\n", /COPY does not support URLs/],
    ["FROM scratch\nADD --checksum=sha256:00 a.txt /\n", /a.txt is neither a URL nor a git repository/],
    ["FROM scratch\nADD --checksum=sha256:00 http://e.test/x /\n", /invalid digest "sha256:00"/],
    ["FROM scratch\nCOPY --from=7 /a /b\n", /the stage 7 does not exist/],
    ["FROM scratch\nCOPY --chmod=rw a.txt /\n", /rw/],
    [
      "FROM scratch AS a\nCOPY --from=b /x /\nFROM scratch AS b\nCOPY --from=a /x /\n",
      /circular dependency between stages/,
    ],
    ["FROM scratch AS a\nCOPY --from=a /x /\n", /the stage a depends on itself/],
    ["FROM scratch\nRUN --mount=type=secret,id=t,required=true x\n", /the build has no secret t/],
    ["FROM scratch\nRUN --mount=type=ssh,required=true x\n", /the build has no SSH agent default/],
    ["FROM scratch\nRUN --network=host x\n", /network\.host/],
    ["FROM scratch\nCOPY a.txt /\n", /the build has no context to copy from/, { context: undefined }],
    [
      "FROM scratch\nRUN x\n",
      /only one platform can be built at a time/,
      { platform: "linux/amd64,linux/arm64" },
    ],
    ["FROM scratch AS app\n", /ap/, { target: "ap" }],
    ["FRM scratch\n", /FRM/],
  ])("is rejected: %j", async (dockerfile, message, more) => {
    await expect(room.build(dockerfile, more)).rejects.toThrow(message);
    expect(room.images.records.list()).toEqual([]);
  });

  it("reads the Dockerfile and the ignore file of its context", async () => {
    write({ Dockerfile: "FROM scratch\nCOPY . /\n", ".dockerignore": "*.txt\nDockerfile\n.dockerignore\n" });
    await room.build("", { dockerfile: { path: "" }, ignore: undefined });
    expect(filesOf()).toEqual({ "src/one": "1" });
    await expect(room.build("", { dockerfile: { path: "absent" } })).rejects.toThrow(
      "the context has no absent",
    );
    await expect(room.build("", { dockerfile: { path: "" }, context: undefined })).rejects.toThrow(
      code("NO_DOCKERFILE"),
    );
  });

  it("takes files and images of other contexts by name", async () => {
    mkdirSync(join(room.folder, "other"));
    writeFileSync(join(room.folder, "other/o"), "other");
    await room.build("FROM scratch\nCOPY a.txt /in-image\n", { tags: ["parts:1"] });
    await room.build("FROM scratch\nCOPY --from=more o /\nCOPY --from=Image /in-image /\n", {
      contexts: {
        more: { kind: "folder", path: join(room.folder, "other") },
        image: { kind: "image", reference: "parts:1" },
      },
    });
    expect(filesOf()).toEqual({ o: "other", "in-image": "a" });
    await expect(
      room.build("FROM more\n", { contexts: { more: { kind: "folder", path: join(room.folder, "other") } } }),
    ).rejects.toThrow(/this context is a directory, expected an image/);
  });

  it("has layers of its own with COPY --link, and reproducible times with SOURCE_DATE_EPOCH", async () => {
    const dockerfile = (env: string) => `FROM scratch\nENV E=${env}\nRUN x\nCOPY --link a.txt /\n`;
    await room.build(dockerfile("1"));
    writing("made");
    const { told } = await room.build(dockerfile("2"));
    expect(told).toContain("cached [stage-0 2/2] COPY --link a.txt /");
    const epoch = { args: { SOURCE_DATE_EPOCH: "1000" } };
    const first = await room.build("FROM scratch\nCOPY a.txt /\n", epoch);
    expect(configOf().created).toBe("1970-01-01T00:16:40.000Z");
    await room.build("FROM scratch\nCOPY a.txt /\n", { ...epoch, noCache: true, tags: ["again:1"] });
    expect(room.images.records.need("again:1").id).toBe(first.id);
  });
});

describe("whether an image is outdated", () => {
  it("is told by the first instruction that is not in the cache", async () => {
    const dockerfile = "FROM scratch\nCOPY a.txt /\nRUN one\n";
    const { id } = await room.build(dockerfile);
    const ask = (text: string, more: Partial<BuildRequest> = {}) =>
      room.builder.outdated(room.request(text, more), { id });
    expect(await ask(dockerfile)).toBeUndefined();
    write({ "a.txt": "changed" });
    expect(await ask(dockerfile)).toMatch(/^the cache is not valid from .*2.* on$/);
    expect(await ask("FROM scratch\nCOPY gone /\n")).toMatch(/^the build would fail: /);
    expect(await ask("FROM scratch\nLABEL new=1\n")).toBe("the image is outdated");
    expect(await ask(dockerfile, { pull: true })).toBeUndefined();
    expect(await ask("FROM absent.test/x:1\n")).toBeUndefined();
    expect(room.ran).toEqual(["one"]);
  });
});

describe("the cache of another host", () => {
  const dockerfile = "FROM scratch AS tools\nRUN tools\nFROM scratch\nCOPY --from=tools /made /\nRUN app\n";
  beforeEach(() => writing("made"));

  it("is exported to a directory, and its steps are taken instead of run", async () => {
    const path = join(room.folder, "cache");
    const { told } = await room.build(dockerfile, {
      cacheTo: [{ kind: "local", path, mode: "max", ignoreError: false }],
    });
    expect(told).toContain(`started [cache] to ${path}`);
    expect(readdirSync(path).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
    room.steps.remove(room.steps.list());
    room.ran.length = 0;
    const second = await room.build(dockerfile, { cacheFrom: [{ kind: "local", path }] });
    expect(room.ran).toEqual([]);
    expect(second.told.filter((line) => line.startsWith("cached"))).toHaveLength(3);
    expect(filesOf()).toEqual({ made: "made" });
  });

  it("is in the image itself if it is inline", async () => {
    await room.build(dockerfile, { cacheTo: [{ kind: "inline", mode: "min", ignoreError: false }] });
    expect(JSON.stringify(configOf())).toContain("RUN app");
  });

  it("is a warning where it cannot be read, or written if failures are ignored", async () => {
    const absent = { kind: "local", path: join(room.folder, "absent") } as const;
    const { told } = await room.build(dockerfile, { cacheFrom: [absent] });
    expect(told.join("\n")).toMatch(/the cache .*absent cannot be imported: /);
    writeFileSync(join(room.folder, "file"), "");
    const bad = { kind: "local", path: join(room.folder, "file/x"), mode: "min" } as const;
    const lenient = await room.build(dockerfile, { cacheTo: [{ ...bad, ignoreError: true }] });
    expect(lenient.told.join("\n")).toContain("the cache was not exported to");
    await expect(room.build(dockerfile, { cacheTo: [{ ...bad, ignoreError: false }] })).rejects.toThrow(
      /ENOTDIR|EEXIST/,
    );
  });
});

describe("the store of steps", () => {
  it("removes steps, but none while a build runs", async () => {
    writing("made");
    await room.build("FROM scratch\nRUN one\n", { tags: [] });
    const steps = room.steps.list();
    expect(steps).toHaveLength(1);
    await room.steps.during(async () => {
      expect(() => room.steps.remove(steps)).toThrow(code("BUILD_RUNNING"));
    });
    room.steps.remove(steps);
    expect([room.steps.list(), room.steps.find(steps[0]!.key)]).toEqual([[], undefined]);
  });

  it("runs a step of two builds once, and forgets layers that no record has", async () => {
    writing("made");
    await Promise.all([
      room.build("FROM scratch\nRUN one\n"),
      room.build("FROM scratch\nRUN one\n", { tags: ["b:1"] }),
    ]);
    expect(room.ran).toEqual(["one"]);
    mkdirSync(join(room.folder, "root/layers/build-0123456789abcdef"));
    room.steps.sweep();
    expect(existsSync(join(room.folder, "root/layers/build-0123456789abcdef"))).toBe(false);
  });
});

describe("cache mounts", () => {
  const take = (key: string, sharing: "shared" | "private" | "locked") =>
    room.caches.take({ key, id: key, sharing }, async (made) => chmodSync(made, 0o700));

  it("are shared, locked or private", async () => {
    const [one, two] = [await take("a", "shared"), await take("a", "shared")];
    expect(two.directory).toBe(one.directory);
    const [three, four] = [await take("b", "private"), await take("b", "private")];
    expect(four.directory).not.toBe(three.directory);
    three.giveBack();
    expect((await take("b", "private")).directory).toBe(three.directory);
    const five = await take("c", "locked");
    let isTaken = false;
    const six = take("c", "locked").then((taken) => {
      isTaken = true;
      return taken;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isTaken).toBe(false);
    five.giveBack();
    expect((await six).directory).toBe(five.directory);
  });

  it("leave nothing where their content cannot be made, and are removed", async () => {
    const failing = room.caches.take({ key: "x", id: "x", sharing: "shared" }, async () => {
      throw new Error("no content");
    });
    await expect(failing).rejects.toThrow("no content");
    expect([room.caches.list(), readdirSync(join(room.folder, "caches"))]).toEqual([[], []]);
    const { directory, giveBack } = await take("y", "shared");
    const [record] = room.caches.list();
    expect([room.caches.isInUse(record!), room.caches.pathOf(record!)]).toEqual([true, directory]);
    giveBack();
    room.caches.remove([record!]);
    expect([room.caches.list(), existsSync(directory)]).toEqual([[], false]);
  });

  it("and recorded digests are swept", () => {
    writeFileSync(room.caches.digestFile("old"), "{}");
    mkdirSync(join(room.folder, "caches/.mount-half"));
    room.caches.sweep();
    room.caches.removeDigests(0);
    expect(existsSync(room.caches.digestFile("old"))).toBe(true);
    room.caches.removeDigests(Date.now() + 60_000);
    expect(existsSync(room.caches.digestFile("old"))).toBe(false);
  });
});
