/** RUN --mount: what a step sees of contexts, stages and caches, and what it leaves. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { BASE, Builds } from "../support/builds.ts";

interface Usage {
  BuildCache: { Type: string; Description: string; Size: number }[];
}

describe("a step's mounts", () => {
  const builds = new Builds();
  const { bay, put, run, build, say } = builds;
  const usage = () => (JSON.parse(bay.ok("system", "df", "-v", "--format", "json")) as Usage).BuildCache;
  beforeEach(() => builds.empty());
  afterAll(() => bay.close());

  it("show the context without what the ignore file leaves out, as root's", () => {
    put("src/a", "a");
    put("src/secret", "hidden");
    put(".dockerignore", "**/secret\n");
    build(
      "FROM base\nRUN --mount=target=/m ls /m/src > /list && stat -c %u:%g /m/src/a >> /list\n" +
        "RUN --mount=source=src/a,target=/one cat /one > /one-file\n",
    );
    expect(say("cat /list /one-file; ls -d /m /one 2>&1; true")).toBe(
      "a\n0:0\na" + "ls: /m: No such file or directory\nls: /one: No such file or directory\n",
    );
  });

  it("are in the working directory where their target is relative", () => {
    put("src/a", "a");
    build(
      "FROM base\nWORKDIR /src\nRUN --mount=target=. cat src/a > /seen\n" +
        "RUN --mount=type=cache,target=modules touch /src/modules/b && ls /src/modules >> /seen\n" +
        "WORKDIR deep\nRUN --mount=type=bind,source=src,target=../m ls /src/m >> /seen; ls -A /src /src/deep > /left\n",
    );
    expect(say("cat /seen /left")).toBe("ab\na\n/src:\ndeep\nm\n\n/src/deep:\n");
    expect(run(`${BASE}FROM base\nRUN --mount=type=cache,target=/ ls\n`).err).toContain(
      'Dockerfile:9:1: error: RUN --mount: the target "/" is the root',
    );
  });

  it("accept writes with rw, and discard them", () => {
    put("src/a", "first");
    const told = build(
      "FROM base AS other\nRUN mkdir /files && echo stage > /files/b\n" +
        "FROM base\nRUN --mount=source=src,target=/m,rw --mount=from=other,source=/files,target=/n,rw " +
        "echo changed > /m/a && echo more > /m/c && rm /n/b && cat /m/a /m/c > /seen && ls /n >> /seen\n" +
        "RUN --mount=source=src,target=/m --mount=from=other,source=/files,target=/n cat /m/a /n/b > /again\n",
    );
    expect(told).toContain("DONE");
    expect(say("cat /seen; echo -; cat /again")).toBe("changed\nmore\n-\nfirststage\n");
    expect(readFileSync(join(builds.context, "src/a"), "utf8")).toBe("first");
    expect(readdirSync(join(builds.context, "src"))).toEqual(["a"]);
    // neither the image nor the stage that was mounted has what the step wrote
    expect(say("ls -d /m /n /files 2>/dev/null; grep -rl changed /bin/../etc /tmp /root /m; true")).toBe("");
    build(
      "FROM base AS other\nRUN mkdir /files && echo stage > /files/b\nFROM other\nRUN ls /files > /left\n",
    );
    expect(say("cat /files/b /left")).toBe("stage\nb\n");
  });

  it("begin a cache with a stage's files", () => {
    const file = (word: string) =>
      "FROM base AS seed\nRUN mkdir -p /seed/deep && echo begun > /seed/deep/file\n" +
      "FROM base\nRUN --mount=type=cache,id=seeded,from=seed,source=/seed,target=/c " +
      `echo ${word} >> /c/deep/file; cat /c/deep/file > /seen\n`;
    build(file("one"));
    expect(say("cat /seen")).toBe("begun\none\n");
    build(file("two"));
    expect(say("cat /seen")).toBe("begun\none\ntwo\n");
  });

  it("give a private cache to one at a time, and another to the next", () => {
    const step = (name: string) =>
      `FROM base AS ${name}\nRUN --mount=type=cache,id=own,sharing=private,target=/c ` +
      `ls /c > /before; touch /c/${name}; sleep 1; ls /c > /after\n`;
    build(
      `${step("left")}${step("right")}FROM base\nCOPY --from=left /before /after /left/\n` +
        "COPY --from=right /before /after /right/\n",
    );
    expect(say("cat /left/before /left/after; echo -; cat /right/before /right/after")).toBe(
      "left\n-\nright\n",
    );
    expect(usage().filter(({ Description }) => Description === "cache mount own").length).toBe(2);
  });

  it("are counted and pruned with the rest, by size and wholly", () => {
    build("FROM base\nRUN --mount=type=cache,target=/c head -c 3000000 /dev/urandom > /c/big\n");
    const mounts = () => usage().filter(({ Type }) => Type === "exec.cachemount");
    expect(mounts().some(({ Size }) => Size >= 3_000_000)).toBe(true);
    const total = usage().reduce((sum, { Size }) => sum + Size, 0);
    bay.ok("builder", "prune", "-f", "--keep-storage", String(total - 1));
    const left = usage();
    expect(left.length).toBeGreaterThan(0);
    expect(left.reduce((sum, { Size }) => sum + Size, 0)).toBeLessThan(total);
    bay.ok("builder", "prune", "-af");
    expect(usage()).toEqual([]);
    const kept = readdirSync(join(bay.folder, "root", "build-cache")).filter(
      (name) => !name.startsWith(".gone"),
    );
    expect(kept).toEqual([]);
  });

  it("leave nothing, and follow no symbolic link that a step creates at a mount point", () => {
    const victim = join(bay.folder, "victim");
    mkdirSync(join(victim, "empty"), { recursive: true });
    writeFileSync(join(victim, "file"), "");
    build(
      "FROM base\nRUN --mount=type=cache,target=/a/empty --mount=type=tmpfs,target=/a/file " +
        `mv /a /b && ln -s ${victim} /a\nRUN --mount=type=tmpfs,target=/deep/er/x true\n`,
    );
    expect(existsSync(join(victim, "empty"))).toBe(true);
    expect(existsSync(join(victim, "file"))).toBe(true);
    rmdirSync(join(victim, "empty"));
    expect(say("ls -d /deep 2>&1; true")).toContain("No such file");
  });

  it("say what does not exist", () => {
    symlinkSync("/etc", join(builds.context, "link"));
    const wrong = (mount: string) => run(`${BASE}FROM base\nRUN --mount=${mount} true\n`).err;
    expect(wrong("source=absent,target=/m")).toContain('"absent" does not exist');
    expect(wrong("from=base,source=/absent,target=/m")).toContain("/absent does not exist");
    expect(wrong("source=link/hostname,target=/m")).toContain("does not exist");
  });
});
