/** The Dockerfile parser against public tables of how Dockerfiles read, where they lie beside the project. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Node, parseDockerfile } from "../../../src/build/dockerfile/parse.ts";
import { expand } from "../../../src/build/dockerfile/words.ts";
import type { Diagnostic } from "../../../src/core/diagnostics.ts";
import { describeWithData } from "../../support/reference-data.ts";

/** The tables quote as Go does. */
function quoted(text: string): string {
  const inner = [...text]
    .map((char) => {
      const known = { "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v" }[char];
      if (known) return known;
      if (char === '"' || char === "\\") return `\\${char}`;
      return char < " " ? `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}` : char;
    })
    .join("");
  return `"${inner}"`;
}

function shown({ name, flags, args, trigger }: Node): string {
  const words = trigger ? [shown(trigger)] : args.map(quoted);
  const options = flags.length > 0 ? [`[${flags.map(quoted).join(" ")}]`] : [];
  return `(${[name, ...options, ...words].join(" ")})`;
}

function parse(text: string) {
  const problems: Diagnostic[] = [];
  const { nodes } = parseDockerfile(text, "Dockerfile", (problem) => problems.push(problem));
  return { nodes, errors: problems.filter(({ severity }) => severity === "error") };
}

describeWithData("Dockerfiles", "dockerfile", (data) => {
  const list = (folder: string) => readdirSync(join(data, folder));
  const read = (path: string) => readFileSync(join(data, path), "utf8");
  /** The lines of a table. */
  const rows = (path: string) =>
    read(path)
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));

  it.each(list("parser/testfiles"))("reads %s", (name) => {
    const { nodes, errors } = parse(read(`parser/testfiles/${name}/Dockerfile`));
    expect(errors).toEqual([]);
    expect(nodes.map(shown).join("\n")).toBe(read(`parser/testfiles/${name}/result`).trimEnd());
  });

  it.each(list("parser/testfiles-negative"))("refuses %s", (name) => {
    expect(parse(read(`parser/testfiles-negative/${name}/Dockerfile`)).errors).not.toEqual([]);
  });

  const environment: Record<string, string> = {
    PWD: "/home",
    SHELL: "bash",
    KOREAN: "한국어",
    NULL: "",
  };

  const envRows = rows("shell/envVarTest").map((line) => line.split("|").map((part) => part.trim()));
  it.each(envRows.filter(([platform]) => platform !== "W"))("replaces %s %s by %s", (_, source, wanted) => {
    const run = () => expand(source!, (name) => environment[name]).text;
    if (wanted === "error") expect(run).toThrow();
    else expect(run()).toBe(wanted);
  });

  it("splits into words", () => {
    const known: Record<string, string> = {};
    for (const line of rows("shell/wordsTest")) {
      if (line.startsWith("ENV ")) {
        const [name = "", value = ""] = line.slice(4).split(/=(.*)/s);
        known[name] = value;
        continue;
      }
      const at = line.indexOf("|");
      const [text, wanted] = [line.slice(0, at).replace(/ $/, ""), line.slice(at + 2)];
      const run = () => expand(text, (name) => known[name]).words;
      if (wanted === "error") expect(run, line).toThrow();
      else expect(run(), line).toEqual(wanted.split(","));
    }
  });
});
