/** Stacks of several files: extends, include, !reset and !override, and where a value came from. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { explainValues, readPath } from "../../../src/stack/explain.ts";
import { readMerged } from "../../../src/stack/files/merge-files.ts";
import { type LoadedStack, type LoadOptions, loadStack } from "../../../src/stack/index.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-files-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

function load(files: Record<string, string>, options: Partial<LoadOptions> = {}): LoadedStack {
  write(files);
  return loadStack({ cwd: folder, environment: {}, name: "demo", ...options });
}

const problems = (files: Record<string, string>, options: Partial<LoadOptions> = {}): string => {
  try {
    load(files, options);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("the stack was loaded");
};

describe("extends", () => {
  it("puts a service of the same file below its own keys, through several", () => {
    const { services } = load({
      "bay.yaml": `services:
  first: {image: x, environment: {A: "1", B: "1"}, command: [run]}
  second: {extends: first, environment: {B: "2"}}
  third: {extends: {service: second}, command: [other]}
`,
    }).stack;
    expect(services.third!.environment).toEqual({ A: "1", B: "2" });
    expect(services.third!.command).toEqual(["other"]);
    expect(services.first!.environment).toEqual({ A: "1", B: "1" });
  });

  it("takes the paths of another file relative to that file", () => {
    const { services } = load({
      "bay.yaml":
        "services:\n  web: {extends: {file: base/common.yaml, service: web}, volumes: ['./own:/own']}\n",
      "base/common.yaml":
        "services:\n  web: {image: x, env_file: web.env, volumes: ['./data:/data', 'named:/n'], build: ./src}\nvolumes: {named: {}}\n",
      "base/web.env": "FROM_BASE=1\n",
      "bay.override.yaml": "volumes: {named: {}}\n",
    }).stack;
    expect(services.web!.environment).toEqual({ FROM_BASE: "1" });
    const mounts = services.web!.mounts.map((mount) => JSON.stringify(mount)).join("\n");
    expect(mounts).toContain(`"${join(folder, "base/data")}"`);
    expect(mounts).toContain(`"${join(folder, "own")}"`);
  });

  it("reports cycles, missing services and missing files", () => {
    expect(problems({ "bay.yaml": "services:\n  a: {extends: b}\n  b: {extends: a}\n" })).toContain(
      "services.a.extends: circular extends",
    );
    const unknown = problems({ "bay.yaml": "services:\n  web: {image: x}\n  a: {extends: wbe}\n" });
    expect(unknown).toContain("bay.yaml:3:16");
    expect(unknown).toContain("did you mean web?");
    expect(problems({ "bay.yaml": "services:\n  a: {extends: {file: no.yaml, service: b}}\n" })).toContain(
      "does not exist",
    );
    expect(problems({ "bay.yaml": "services:\n  a: {extends: [b]}\n" })).toContain(
      "expected the name of a service",
    );
  });
});

describe("include", () => {
  it("includes services with paths and variables of their own directory", () => {
    const { services, volumes } = load({
      "bay.yaml": "include: [db/bay.yaml]\nservices:\n  web: {image: x, depends_on: [db]}\n",
      "db/bay.yaml":
        "services:\n  db: {image: 'pg:${TAG}', volumes: ['./init:/init', 'data:/d']}\nvolumes: {data: {}}\n",
      "db/.env": "TAG=15\n",
      ".env": "OTHER=1\n",
    }).stack;
    expect(services.db!.image).toBe("pg:15");
    expect(JSON.stringify(services.db!.mounts)).toContain(join(folder, "db/init"));
    expect(Object.keys(volumes)).toEqual(["data"]);
  });

  it("takes several files of one entry over each other, an env file and a folder by name", () => {
    const { services } = load({
      "bay.yaml":
        "include:\n  - {path: [a/one.yaml, a/two.yaml], env_file: other.env, project_directory: b}\nservices: {}\n",
      "a/one.yaml": "services:\n  s: {image: 'x:${TAG}', volumes: ['./d:/d']}\n",
      "a/two.yaml": "services:\n  s: {command: [two]}\n",
      "other.env": "TAG=7\n",
    }).stack;
    expect([services.s!.image, services.s!.command]).toEqual(["x:7", ["two"]]);
    expect(JSON.stringify(services.s!.mounts)).toContain(join(folder, "b/d"));
  });

  it("reports duplicates, circular includes and missing files", () => {
    expect(
      problems({
        "bay.yaml": "include: [b.yaml]\nservices:\n  a: {image: x}\n",
        "b.yaml": "services:\n  a: {image: y}\n",
      }),
    ).toContain("services.a is declared both in the file and in a file that it includes");
    expect(
      problems({ "bay.yaml": "include: [b.yaml]\nservices: {}\n", "b.yaml": "include: [bay.yaml]\n" }),
    ).toContain("circular include");
    expect(problems({ "bay.yaml": "include: [no.yaml]\nservices: {}\n" })).toContain("does not exist");
  });

  it("reports an invalid value with its place in the included file", () => {
    expect(
      problems({
        "bay.yaml": "include: [db/bay.yaml]\nservices: {}\n",
        "db/bay.yaml": "services:\n  db:\n    image: x\n    comand: y\n",
      }),
    ).toContain("db/bay.yaml:4:5");
  });
});

describe("!reset and !override", () => {
  const base = "services:\n  a: {image: x, ports: ['80:80'], environment: {A: '1'}, command: [run]}\n";

  it("remove and replace instead of merging", () => {
    const { services } = load({
      "bay.yaml": base,
      "bay.override.yaml":
        "services:\n  a: {ports: !override ['81:81'], environment: {A: !reset null, B: '2'}, command: !reset []}\n",
    }).stack;
    expect(services.a!.ports.map(({ hostPort }) => hostPort)).toEqual([81]);
    expect(services.a!.environment).toEqual({ B: "2" });
    expect(services.a!.command).toBeUndefined();
  });
});

describe("where a value came from", () => {
  const files = {
    "bay.yaml": "services:\n  a:\n    image: x\n    mem_limit: 10m\n",
    "bay.override.yaml": "services:\n  a:\n    mem_limit: lots\n",
  };

  it("is shown in an error, with the places that it overrides", () => {
    const text = problems(files);
    expect(text).toContain("bay.override.yaml:3:16");
    expect(text).toContain("over bay.yaml:4:16");
  });

  it("is explained, with the effective place first", () => {
    write({ ...files, "bay.override.yaml": "services:\n  a:\n    mem_limit: 20m\n    ports: ['80:80']\n" });
    const merged = readMerged({ cwd: folder, environment: {} });
    const told = (path: string) =>
      explainValues(merged, readPath(path)).map(
        ({ path, places }) =>
          `${path.at(-1)} ${places.map(({ place: { file, line } }) => `${file}:${line}`)}`,
      );
    expect(told("services.a.mem_limit")).toEqual(["mem_limit bay.override.yaml:3,bay.yaml:4"]);
    expect(told("services.a")).toEqual([
      "image bay.yaml:3",
      "mem_limit bay.override.yaml:3,bay.yaml:4",
      "0 bay.override.yaml:4",
    ]);
    // `bay config` shows the long form of an entry
    expect(told("services.a.ports.0.published")).toEqual(["0 bay.override.yaml:4"]);
    expect(() => told("services.a.image.x")).toThrow("do not set services.a.image.x");
    write({ "bay.override.yaml": "services:\n  a:\n    mem_limit: null\n    image:\n" });
    const kept = readMerged({ cwd: folder, environment: {} });
    expect(explainValues(kept, ["services", "a"]).map(({ places }) => places.length)).toEqual([1, 1]);
    write({
      "bay.override.yaml": `services:
  a:
    mem_limit: !reset null
    environment: !override
      B: two
    env_file: [vars.env]
    depends_on: [b]
    volumes: ["/there:/data"]
`,
      "bay.yaml": `services:
  b: { image: app }
  a:
    image: app
    mem_limit: 10m
    environment:
      A: one
    depends_on:
      b:
        condition: service_healthy
    volumes: ["/here:/data"]
`,
      "vars.env": "# comment\nCC=two\nC=three\n",
    });
    const again = readMerged({ cwd: folder, environment: {} });
    const explained = (path: string) =>
      explainValues(again, readPath(path)).map(
        ({ value, places }) =>
          `${JSON.stringify(value)} ${places.map(({ place: { file, line }, tag = "" }) => `${basename(file)}:${line}${tag}`)}`,
      );
    expect(explained("services.a.mem_limit")).toEqual(["undefined bay.override.yaml:3reset,bay.yaml:5"]);
    expect(explained("services.a.environment.B")).toEqual(['"two" bay.override.yaml:5,bay.yaml:7']);
    expect(explained("services.a.environment.C")).toEqual(['"three" vars.env:3']);
    expect(explained("services.a.depends_on")).toEqual(['"service_started" bay.override.yaml:7,bay.yaml:10']);
    expect(explained("services.a.volumes")).toEqual(['"/there:/data" bay.override.yaml:8,bay.yaml:11']);
    expect(() => told("services.a.command")).toThrow("the files do not set services.a.command");
    expect(readPath('a."b.c".0')).toEqual(["a", "b.c", "0"]);
  });
});
