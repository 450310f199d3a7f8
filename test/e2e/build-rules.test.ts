/** Rules of Dockerfiles as BuildKit has them: what a wildcard matches, what the ignore file leaves, how long an ARG holds. */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { BASE, Builds } from "../support/builds.ts";

describe("a Dockerfile's rules", () => {
  const builds = new Builds();
  const { bay, put, run, build, say } = builds;
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
    expect(run(`${BASE}FROM base\nADD d /f1\n`).err).toContain('"d" is left out by the ignore file');
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
});
