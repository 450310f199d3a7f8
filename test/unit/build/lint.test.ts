import { describe, expect, it } from "vitest";
import { RULES, type RuleName } from "../../../src/build/lint/rules.ts";
import { checkDockerfile } from "../../../src/build/read-request.ts";

/** Rules that a file breaks, with the line of each. */
function broken(source: string, ignore: string[] = []): string[] {
  return checkDockerfile({ source, file: "Dockerfile" }, ignore).briefly.map((line) =>
    line.replace(/^Dockerfile:(\d+):.*?warning: (\w+):.*$/s, "$2 $1"),
  );
}

/** A file that breaks the rule, the lines where it does, and one that does not. */
const TABLE: Record<RuleName, [bad: string, lines: number[], good: string]> = {
  StageNameCasing: ["FROM a AS Base\n", [1], "FROM a AS base\n"],
  FromAsCasing: ["FROM a as base\n", [1], "FROM a AS base\nFROM a AS other\n"],
  NoEmptyContinuation: ["FROM a\nRUN one \\\n\n two\n", [2], "FROM a\nRUN one \\\n# a comment\n two\n"],
  ConsistentInstructionCasing: [
    "FROM a\nRUN b\nrun c\nWorkdir /d\n",
    [3, 4],
    "from a as b\nrun c\nworkdir /d\n",
  ],
  DuplicateStageName: ["FROM a AS b\nFROM c AS b\n", [2], "FROM a AS b\nFROM c AS d\n"],
  ReservedStageName: ["FROM a AS scratch\nFROM a AS context\n", [1, 2], "FROM a AS scratched\n"],
  JSONArgsRecommended: [
    "FROM a\nENTRYPOINT run it\nCMD there\n",
    [2, 3],
    'FROM a\nENTRYPOINT ["run"]\nSHELL ["/bin/bash", "-c"]\nCMD there\n',
  ],
  MaintainerDeprecated: ["FROM a\nMAINTAINER me\n", [2], "FROM a\nLABEL maintainer=me\n"],
  UndefinedArgInFrom: [
    "ARG VERSION=1\nFROM a:${VERSOIN}\n".replace("}\n", ":-1}\nFROM b:$VERSOIN\n"),
    [3],
    "ARG VERSION=1\nFROM a:$VERSION\nFROM --platform=$BUILDPLATFORM b\n",
  ],
  WorkdirRelativePath: [
    "FROM a\nWORKDIR sub\nWORKDIR deeper\n",
    [2],
    "FROM a AS b\nWORKDIR /at\nWORKDIR sub\nFROM b\nWORKDIR more\n",
  ],
  UndefinedVar: [
    "FROM scratch AS base\nENV NAME=1\nCOPY $NAEM /x\nFROM base\nUSER $NAME$NONE\nLABEL a=$PAHT\n",
    [3, 5, 6],
    "FROM a AS z\nARG B\nENV C=$B D=${UNKNOWN}\nFROM z\nENV J=$JAVA_HOME\nFROM scratch\nENV E=${F:-g} H=$PATH\nRUN echo $I\n",
  ],
  MultipleInstructionsDisallowed: [
    'FROM a\nCMD ["b"]\nCMD ["c"]\nHEALTHCHECK NONE\nHEALTHCHECK NONE\n',
    [2, 4],
    'FROM a\nCMD ["b"]\nFROM a\nCMD ["b"]\n',
  ],
  LegacyKeyValueFormat: ["FROM a\nENV b c d\nLABEL e f\n", [2, 3], "FROM a\nENV b=c d=e\n"],
  RedundantTargetPlatform: [
    "FROM --platform=$TARGETPLATFORM a\nFROM --platform=${TARGETPLATFORM} a\n",
    [1, 2],
    "FROM --platform=$BUILDPLATFORM a\n",
  ],
  SecretsUsedInArgOrEnv: [
    "FROM a\nARG GITHUB_TOKEN\nENV AWS_SECRET_ACCESS_KEY=a DB_PASSWORD=b\n",
    [2, 3, 3],
    "FROM a\nARG PUBLIC_KEY\nENV KEYBOARD=x TOKENS=3\n",
  ],
  InvalidDefaultArgInFrom: [
    "ARG TAG\nARG IMAGE\nFROM a:$TAG\nFROM $IMAGE\n",
    [3, 4],
    "ARG TAG=1\nARG IMAGE=b\nFROM a:$TAG\nFROM $IMAGE\nARG STAGE=0\nFROM a:${NOT:-1}\n",
  ],
  FromPlatformFlagConstDisallowed: [
    "FROM --platform=linux/amd64 a\n",
    [1],
    "FROM --platform=linux/arm64 a AS for_arm64\n",
  ],
  CopyIgnoredFile: [
    "FROM a\nCOPY . /x\nCOPY left/out /y\nADD out /z\n",
    [3, 4],
    "FROM a\nCOPY other /y\nCOPY --from=b out /z\n",
  ],
  InvalidDefinitionDescription: [
    "# check=experimental=all\n# says nothing\nARG A\n# the base\nFROM a AS base\n",
    [3, 5],
    "# check=experimental=InvalidDefinitionDescription\n# A what it is\nARG A\n# other\n\n# base of all\nFROM a AS base\n",
  ],
  ExposeProtoCasing: ["FROM a\nEXPOSE 80/TCP 81/tcp\n", [2], "FROM a\nEXPOSE 80/udp\n"],
  ExposeInvalidFormat: ["FROM a\nEXPOSE 127.0.0.1:80:80 81:82\n", [2, 2], "FROM a\nEXPOSE 80 90-91/udp\n"],
};

describe("the build checks", () => {
  it.each(Object.keys(RULES) as RuleName[])("%s", (rule) => {
    const [bad, lines, good] = TABLE[rule];
    const of = (source: string) =>
      broken(source, ["out", "left"]).filter((found) => found.startsWith(`${rule} `));
    expect(of(bad)).toEqual(lines.map((line) => `${rule} ${line}`));
    expect(of(good)).toEqual([]);
    // a directive skips it, and the file's lines move down
    const isDirective = bad.startsWith("# check");
    if (!isDirective) expect(of(`# check=skip=${rule}\n${bad}`)).toEqual([]);
    expect(of(`# check=skip=all\n${bad.replace(/^# check.*\n/, "")}`)).toEqual([]);
  });

  it("names the rule, the place and what was meant", () => {
    const { warnings } = checkDockerfile(
      { source: "FROM scratch\nENV VALUE=1\nLABEL a=$VALEU\n", file: "Dockerfile" },
      [],
    );
    expect(warnings).toEqual([
      "Dockerfile:3:1: warning: UndefinedVar: the variable VALEU is not set; did you mean VALUE?\n" +
        "  3 | LABEL a=$VALEU\n    | ^^^^^^^^^^^^^^",
    ]);
  });

  it("fail a build if the file asks for it, and reject unknown rules", () => {
    const check = (source: string) => () => checkDockerfile({ source, file: "Dockerfile" }, []);
    expect(check("# check=error=true\nFROM a as b\n")).toThrow(/error: FromAsCasing/);
    expect(check("# check=error=true;skip=FromAsCasing\nFROM a as b\n")).not.toThrow();
    expect(check("# check=skip=FromAsCase\nFROM a\n")).toThrow(/did you mean FromAsCasing/);
    expect(check("# check=skip\nFROM a\n")).toThrow();
    expect(check("# check=wrong=1\nFROM a\n")).toThrow(/unknown option "wrong"/);
    expect(check("# check=error=perhaps\nFROM a\n")).toThrow(/true or false/);
  });
});
