/** Rules of Dockerfiles as BuildKit has them: what a wildcard matches, what the ignore file leaves, how long an ARG holds. */
import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { BASE, Builds } from "../support/builds.ts";

describe("a Dockerfile's rules", () => {
  const builds = new Builds();
  const { bay, context, put, run, build, inspect, say } = builds;
  beforeEach(() => builds.empty());
  afterAll(() => bay.close());

  it("a wildcard for folders passes over files", () => {
    put("packages/a/package.json", "{}");
    put("packages/README.md", "r");
    build("FROM base\nCOPY packages/*/package.json /p/\nCOPY --parents packages/*/package.json /q/\n");
    expect(say("ls /p /q/packages")).toBe("/p:\npackage.json\n\n/q/packages:\na\n");
  });

  it("copies from a stage and from a here-document at once", () => {
    build("FROM base AS one\nRUN echo hi > /f\nFROM base\nCOPY --from=one /f <<a.txt /t/\ncontent\na.txt\n");
    expect(say("cat /t/f /t/a.txt")).toBe("hi\ncontent\n");
  });

  it("a folder that the ignore file empties does not exist, and one of which something is left does", () => {
    put("d/f", "1");
    put("e/f", "1");
    put(".dockerignore", "d\ne\n!d/none\n!e/f\n");
    expect(run(`${BASE}FROM base\nADD d /f1\n`).err).toContain('"d" is excluded by the ignore file');
    build("FROM base\nCOPY d* e /f2/\n");
    expect(say("ls /f2")).toBe("f\n");
    build("FROM base\nCOPY e /f1\n");
    expect(say("ls /f1")).toBe("f\n");
  });

  it("an ARG holds in stages that begin with its stage", () => {
    const file = 'FROM base AS a\nARG X=one\nFROM a AS b\nFROM b\nRUN echo "[$X]" > /x\n';
    build(file);
    expect(say("cat /x")).toBe("[one]\n");
    build(file, "--build-arg", "X=two");
    expect(say("cat /x")).toBe("[two]\n");
  });

  it("a cache mount of another owner or mode is another cache", () => {
    build(`FROM base
RUN --mount=type=cache,target=/c,id=k touch /c/root
RUN --mount=type=cache,target=/c,id=k,uid=7,gid=8,mode=0700 stat -c '%u:%g %a' /c > /o && ls /c >> /o
RUN --mount=type=cache,target=/c,id=k ls /c >> /o
`);
    expect(say("cat /o")).toBe("7:8 700\nroot\n");
  });

  it("the directory of a user that does not exist is root's", () => {
    build("FROM base\nUSER nosuch\nWORKDIR /w\nUSER root\n");
    expect(say("stat -c %u /w")).toBe("0\n");
  });

  it("of two files that a wildcard gives one name, the later stays", () => {
    put("a.txt", "a");
    put("b.txt", "b");
    put("p/same", "p");
    put("q/same", "q");
    build("FROM base\nCOPY *.txt /one\nCOPY */same /two/\nCOPY p/same *.txt /three/\n");
    expect(say("cat /one /two/*; ls /three")).toBe("bqa.txt\nb.txt\nsame\n");
  });

  it("a wildcard without a match makes nothing", () => {
    put("a.txt", "a");
    build("FROM base\nCOPY none* /x/\nCOPY none* a.txt /y/\n");
    expect(say("ls -d /x /y/a.txt 2>/dev/null || true")).toBe("/y/a.txt\n");
  });

  it("no link leads to what the ignore file leaves out, and none that it leaves out leads anywhere", () => {
    put("secret/key", "k");
    put("open/f", "f");
    put(".dockerignore", "secret/*\nhidden\n");
    symlinkSync("secret", join(context, "way"));
    symlinkSync("secret/key", join(context, "key"));
    symlinkSync("open", join(context, "hidden"));
    symlinkSync("open", join(context, "shown"));
    build("FROM base\nCOPY way /x/\nCOPY shown /y/\nCOPY shown/f hidde[n] w*y /z/\n");
    expect(say("find /x /y /z | sort")).toBe("/x\n/y\n/y/f\n/z\n/z/f\n");
    for (const source of ["key", "way/key", "hidden", "hidden/f", "ke*", "shown/f hidden/f"])
      expect([source, run(`${BASE}FROM base\nCOPY ${source} /x/\n`).err]).toEqual([
        source,
        expect.stringContaining("is excluded by the ignore file"),
      ]);
  });

  it("a link to what is not there is named, also where a wildcard matches it", () => {
    put("a.txt", "a");
    symlinkSync("gone", join(context, "b.txt"));
    for (const source of ["b.txt", "*.txt"])
      expect(run(`${BASE}FROM base\nCOPY ${source} /x/\n`).err).toContain(
        '"b.txt" is a symbolic link to a file that does not exist',
      );
    put(".dockerignore", "b.txt\n");
    build("FROM base\nCOPY *.txt /x/\n");
    expect(say("ls /x")).toBe("a.txt\n");
  });

  it("--exclude takes away what a wildcard found, files by their names, and what is below directories", () => {
    for (const name of ["home.txt", "home.md", "homs", "homely/a.txt", "homely/b", "other.txt"])
      put(name, name);
    build(
      "FROM base\nCOPY --exclude=*.txt --exclude=*.md hom* /x/\nCOPY --exclude=homely hom* /y/\nCOPY --exclude=*.txt other.txt homely /z/\n",
    );
    expect(say("cd /x; ls; cd /y; ls; cd /z; ls")).toBe("b\nhoms\nhome.md\nhome.txt\nhoms\nb\n");
    expect(run(`${BASE}FROM base\nCOPY [z-a /x/\n`).err).toContain("BAD_DOCKERFILE]: Dockerfile:");
  });

  it("gives directories the times of their sources, and those below the target their modes too", () => {
    put("d/sub/f", "f");
    put("p/q/g", "g");
    for (const [name, mode] of [
      ["d/sub", 0o750],
      ["d", 0o700],
      ["p/q", 0o711],
      ["p", 0o750],
    ] as const) {
      chmodSync(join(context, name), mode);
      utimesSync(join(context, name), 1e9, 1e9);
    }
    build(`FROM base
COPY d /new/
COPY d /above/below
RUN mkdir -m 1777 /there
COPY d/ /there/
COPY --parents p/q/g /parents/
COPY --chmod=600 d/sub/f /closed/f
`);
    const stat = (path: string) => say(`stat -c '%a %Y' ${path}`).trim();
    expect(stat("/new")).toBe("755 1000000000");
    expect(stat("/new/sub")).toBe("750 1000000000");
    expect(stat("/above/below")).toBe("755 1000000000");
    expect(stat("/there")).toBe("1777 1000000000");
    expect(stat("/parents/p")).toBe("750 1000000000");
    expect(stat("/parents/p/q")).toBe("711 1000000000");
    // a mode for a file does not close the directory that is made for it
    expect(stat("/closed")).toMatch(/^755 /);
  });

  it("links of an archive stay below its target", () => {
    const tree = join(context, "tree");
    const pack = (name: string, ...members: string[]) => {
      execFileSync("tar", ["--owner=0", "--group=0", "-cf", join(context, name), "-C", tree, ...members]);
    };
    put("tree/etc/first", "first");
    symlinkSync("/etc", join(tree, "absolute"));
    symlinkSync("../../../..", join(tree, "climbs"));
    symlinkSync("/etc/first", join(tree, "file"));
    linkSync(join(tree, "etc/first"), join(tree, "hard"));
    pack("links.tar", "etc", "absolute", "climbs", "file", "hard");
    // a second archive writes through the links of the first
    mkdirSync(join(context, "through/absolute"), { recursive: true });
    mkdirSync(join(context, "through/climbs/etc"), { recursive: true });
    put("through/absolute/second", "second");
    put("through/climbs/etc/third", "third");
    put("through/file", "replaced");
    const at = ["-C", join(context, "through"), "absolute/second", "climbs/etc/third", "file"];
    execFileSync("tar", ["-cf", join(context, "through.tar"), ...at]);
    build("FROM base\nADD links.tar /t/\nADD through.tar /t/\n");
    expect(
      say(
        "cd /t && ls etc && cat file hard && readlink absolute && readlink climbs && cat /etc/first /etc/second /etc/third 2>/dev/null || echo none",
      ),
    ).toBe("first\nsecond\nthird\nreplacedfirst/etc\n../../../..\nnone\n");
    execFileSync("tar", ["-P", "-cf", join(context, "out.tar"), "--transform=s,^,../,", "-C", tree, "hard"]);
    expect(run(`${BASE}FROM base\nADD out.tar /t/\n`).err).toContain("is outside of the image");
  });

  it("names values of --build-arg that no ARG takes", () => {
    const file = "ARG A\nFROM base AS one\nARG B\nFROM base\nARG C=1\n";
    const given = ["A=1", "B=1", "C=1", "http_proxy=", "SOURCE_DATE_EPOCH=0", "TARGETARCH=x"];
    const all = (names: string[]) => names.flatMap((name) => ["--build-arg", name]);
    expect(build(file, ...all(given))).not.toContain("were not consumed");
    // also when every step comes from the cache
    for (const _ of [1, 2])
      expect(build(file, ...all([...given, "c=2", "AA=3"]))).toContain(
        "[Warning] One or more build-args [AA c] were not consumed",
      );
  });

  it("a stage of scratch works in /, and has a PATH", () => {
    put("Dockerfile", "FROM scratch\nCOPY busybox /\n");
    bay.ok("image", "build", "-q", "-t", "test:1", context);
    expect(inspect().Config).toMatchObject({ WorkingDir: "/", Env: [expect.stringMatching(/^PATH=/)] });
    build("FROM base\nWORKDIR /a/\nWORKDIR ..\nRUN pwd > /where\nWORKDIR /\n");
    expect(inspect().Config.WorkingDir).toBe("/");
    expect(say("cat /where; pwd")).toBe("/\n/\n");
  });
});
