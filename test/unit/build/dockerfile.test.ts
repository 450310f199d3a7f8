import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRunMount } from "../../../src/build/dockerfile/run-mount.ts";
import { expand } from "../../../src/build/dockerfile/words.ts";
import { findStage } from "../../../src/build/find-stage.ts";
import { changedConfig } from "../../../src/build/index.ts";
import { globalArgs, Scope } from "../../../src/build/scope.ts";
import { type Dockerfile, readDockerfile, targetStage } from "../../../src/build/stages.ts";
import { csvFields } from "../../../src/core/csv.ts";
import type { Diagnostic } from "../../../src/core/diagnostics.ts";
import { runs } from "../../support/property-runs.ts";

function read(source: string): { file: Dockerfile; problems: Diagnostic[] } {
  const problems: Diagnostic[] = [];
  return { file: readDockerfile(source, "Dockerfile", (problem) => problems.push(problem)), problems };
}
const only = (source: string) => {
  const { file, problems } = read(`FROM x\n${source}`);
  expect(problems.filter(({ severity }) => severity === "error")).toEqual([]);
  return file.stages[0]!.instructions[0]!;
};
const wrong = (source: string) =>
  read(source)
    .problems.map(({ message, hint }) => `${message} ${hint ?? ""}`)
    .join("\n");

describe("a Dockerfile", () => {
  it("is read into stages, with the part before them", () => {
    const { file } = read(
      "ARG V=1\nFROM a:$V AS one\nRUN x\nFROM one AS Two\nCOPY --from=one /a /b\nFROM 0\n",
    );
    expect(file.globals.map(({ args }) => args)).toEqual([[{ key: "V", value: "1" }]]);
    expect(file.stages.map(({ from }) => [from.image, from.as])).toEqual([
      ["a:$V", "one"],
      ["one", "two"],
      ["0", undefined],
    ]);
    expect(findStage(file.stages, "TWO", 2)?.index).toBe(1);
    expect(findStage(file.stages, "two", 1)).toBeUndefined();
    expect(findStage(file.stages, "1", 3)?.index).toBe(1);
    expect(targetStage(file, undefined).index).toBe(2);
    expect(() => targetStage(file, "absent")).toThrow(/no stage "absent"/);
  });

  it("may have its lines put together, with comments and empty lines between", () => {
    expect(only("RUN a \\\n  # comment\n\n  b \\\n\tc\n")).toMatchObject({
      command: { isShell: true, words: ["a   b \tc"] },
    });
    expect(read("# escape=`\nFROM x\nRUN a `\n b\n").file.stages[0]!.instructions[0]).toMatchObject({
      command: { words: ["a  b"] },
    });
    expect(read("\uFEFFFROM x\r\nRUN a\r\n").problems).toEqual([]);
  });

  it("has here-documents, whose names may be quoted", () => {
    expect(only('COPY <<one <<-"two" /dir/\n$a\none\n\tb\n\ttwo\n')).toMatchObject({
      sources: [],
      heredocs: [
        { name: "one", content: "$a\n", expand: true },
        { name: "two", content: "b\n", expand: false },
      ],
      target: "/dir/",
    });
    expect(only("RUN python3 <<EOF\nprint(1)\nEOF\n")).toMatchObject({
      heredocs: [{ content: "print(1)\n" }],
    });
    expect(only('RUN echo "<<EOF"\n')).toMatchObject({ heredocs: [] });
    expect(only("RUN a << 2\n")).toMatchObject({ heredocs: [] });
    expect(wrong("FROM x\nRUN <<EOF\nnever ends")).toContain("the here-document EOF is not terminated");
  });

  it("reports all of its errors at once", () => {
    const text = wrong(
      [
        "RUN before",
        "FROM a b c d",
        "FROM x AS 1bad",
        "FROM x",
        "COPY one",
        "COPY --form=a x y",
        "COPY --link=maybe x y",
        "ADD --from=a x y",
        "ENV",
        "ENV lonely",
        "LABEL a=1 b",
        "EXPOSE",
        'CMD ["a", 1]',
        "SHELL sh -c",
        "ONBUILD FROM x",
        "ONBUILD ONBUILD RUN x",
        "HEALTHCHECK --interval=5 CMD x",
        "HEALTHCHECK TEST x",
        "STOPSIGNAL",
        "WORKDIR",
        "RUN --network=lan x",
        "FRMO y",
        "NONSENSE",
      ].join("\n"),
    );
    for (const word of [
      "RUN appears before the first FROM",
      "either one or three arguments",
      'invalid stage name "1bad"',
      "COPY needs at least two arguments, got 1",
      "did you mean --from?",
      "--link expects true or false",
      "ADD: unknown flag --from",
      "ENV needs at least 1 argument",
      "ENV must have two arguments",
      '"b" has no =',
      "EXPOSE needs at least 1",
      "an array must contain strings only",
      "SHELL needs an array",
      "FROM is not allowed after ONBUILD",
      "ONBUILD is not allowed after ONBUILD",
      'invalid duration "5"',
      'HEALTHCHECK: unknown type "TEST"',
      "STOPSIGNAL needs exactly 1 argument",
      "WORKDIR needs exactly 1 argument",
      "default, none or host",
      "did you mean FROM?",
      'unknown instruction "NONSENSE"',
    ])
      expect(text).toContain(word);
    expect(wrong("")).toContain("no instructions");
    expect(wrong("ARG a\n")).toContain("no FROM");
    expect(wrong("# escape=x\nFROM y")).toContain("neither ` nor");
    expect(wrong("# escape=`\n# escape=`\nFROM y")).toContain("is given twice");
  });

  it("is parsed or rejected, whatever its text, and never throws", () => {
    const words = fc.constantFrom(
      "FROM",
      "RUN",
      "COPY",
      "<<EOF",
      "EOF",
      "\\",
      "\n",
      "--from=a",
      "[",
      '"',
      "$",
      "${a",
      "ENV",
      "=",
      "#",
      "\t",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string()), { maxLength: 30 }), (parts) => {
        read(parts.join(" "));
      }),
      runs(1000),
    );
  });
});

describe("words", () => {
  const known: Record<string, string> = { A: "a/b/c.tar.gz", E: "" };
  const lookup = (name: string) => known[name];

  it.each([
    ["${A#*/}", "b/c.tar.gz"],
    ["${A##*/}", "c.tar.gz"],
    ["${A%.*}", "a/b/c.tar"],
    ["${A%%.*}", "a/b/c"],
    ["${A/b/x}", "a/x/c.tar.gz"],
    ["${A//[.]/_}", "a/b/c.tar.gz"],
    ["${A//./_}", "a/b/c_tar_gz"],
    ["${A/\\//-}", "a-b/c.tar.gz"],
    ["${A//?/x}", "xxxxxxxxxxxx"],
    ["${E:-d} ${E-d} ${N-d} ${N:-$A}", "d  d a/b/c.tar.gz"],
    ["${E:+x}${E+x}${N+x}", "x"],
    ["'$A' \"$A\" \\$A", "$A a/b/c.tar.gz $A"],
  ])("replaces %s by %s", (source, wanted) => {
    expect(expand(source, lookup).text).toBe(wanted);
  });

  it("are as they were where nothing in them means anything", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const plain = text.replace(/[\\$'"]/g, "");
        expect(expand(plain, lookup).text).toBe(plain);
      }),
    );
  });

  it("are parsed, or an error says why not", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."a${}:-+?#%/\\'\" *") }), (text) => {
        try {
          expand(text, lookup);
        } catch (error) {
          expect((error as { code?: string }).code).toBe("BAD_WORD");
        }
      }),
      runs(2000),
    );
  });
});

describe("mounts of RUN", () => {
  it("are read with their defaults", () => {
    expect(parseRunMount("type=cache,target=/c")).toEqual({
      type: "cache",
      target: "/c",
      source: "/",
      from: undefined,
      id: "",
      sharing: "shared",
      readOnly: false,
      mode: 0o755,
      uid: 0,
      gid: 0,
    });
    expect(parseRunMount("target=/x,src=a,ro")).toMatchObject({ type: "bind", source: "a", readOnly: true });
    expect(parseRunMount("type=bind,dst=/x,rw")).toMatchObject({ readOnly: false });
    expect(parseRunMount("type=secret,id=a")).toMatchObject({ target: "/run/secrets/a", mode: 0o400 });
    expect(parseRunMount("type=secret,id=a,env=A")).toMatchObject({ target: undefined, env: "A" });
    expect(parseRunMount("type=secret,target=/t/name")).toMatchObject({ id: "name" });
    expect(parseRunMount("type=ssh")).toMatchObject({ id: "default", target: undefined });
    expect(parseRunMount("type=tmpfs,target=/t,size=64m")).toMatchObject({ size: 64 << 20 });
  });

  it.each([
    ["type=nfs,target=/x", "unknown type"],
    ["type=cache", "needs a target"],
    ["type=cache,target=/x,sharing=mine", "sharing: expected shared"],
    ["type=tmpfs,target=/x,mode=755", 'does not support "mode"'],
    ["type=cache,target=/x,mode=9", "invalid octal number"],
    ["type=bind,target", "has no value"],
    // options of mount(8) that other builders passed on (CVE-2024-9407)
    ["type=bind,target=/x,bind-propagation=shared", 'does not support "bind-propagation"'],
    ["type=bind,target=/x,relabel=shared", 'does not support "relabel"'],
    ["type=cache,target=/x,upperdir=/etc", 'does not support "upperdir"'],
    ["type=bind,traget=/x", "did you mean target?"],
    ['type=bind,"target=/x', "is not closed"],
  ])("are refused: %s", (text, word) => {
    let said = "";
    try {
      parseRunMount(text);
    } catch (error) {
      const { message, hint } = error as { message: string; hint?: string };
      said = `${message} ${hint ?? ""}`;
    }
    expect(said).toContain(word);
  });

  it("may quote their fields", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (fields) => {
        const line = fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(",");
        expect(csvFields(line)).toEqual(fields);
      }),
    );
  });
});

describe("variables of a stage", () => {
  it("are ENV over ARG, the command line over defaults, and global ARGs where they are asked for", () => {
    const { file } = read("ARG A=1 B=$A C\nFROM x\nARG A\nARG B=own\nARG C=3\nARG D=$A$E\n");
    const globals = globalArgs(file.globals, { C: "given" }, { TARGETOS: "linux" }, {});
    expect(Object.fromEntries(globals)).toEqual({ TARGETOS: "linux", A: "1", B: "1", C: "given" });
    const scope = new Scope(globals, { C: "given", HTTP_PROXY: "p" }, {}, ["E=env", "B=hidden"]);
    for (const instruction of file.stages[0]!.instructions)
      if (instruction.kind === "arg") scope.declare(instruction);
    expect(Object.fromEntries(scope.args)).toEqual({ A: "1", B: "own", C: "given", D: "1env" });
    expect(scope.text("$A $B $C $D $TARGETOS.")).toBe("1 hidden given 1env .");
    expect(scope.environment()).toEqual({
      env: ["E=env", "B=hidden", "A=1", "C=given", "D=1env"],
      proxies: ["HTTP_PROXY=p"],
    });
  });
});

describe("changes of a config", () => {
  it("do what the instructions say, in their order", () => {
    const base = { Env: ["A=1"], Cmd: ["old"], Entrypoint: ["e"] };
    expect(changedConfig(base, ["ENV A=2 B=$A", 'ENTRYPOINT ["x"]', "USER u", "ONBUILD RUN y"])).toEqual({
      Env: ["A=2", "B=1"],
      Cmd: null,
      Entrypoint: ["x"],
      User: "u",
      OnBuild: ["RUN y"],
    });
    expect(changedConfig(base, ["CMD a b", "ENTRYPOINT c"])).toMatchObject({
      Cmd: ["/bin/sh", "-c", "a b"],
      Entrypoint: ["/bin/sh", "-c", "c"],
    });
    expect(changedConfig(base, [])).toBe(base);
    expect(() => changedConfig(base, ["EXPOSE 70000", "RUN x", "STOPSIGNAL SIGNOPE"])).toThrow(
      /invalid port[\s\S]*RUN cannot[\s\S]*invalid signal/,
    );
  });
});
