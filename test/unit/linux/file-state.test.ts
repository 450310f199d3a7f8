/** stateOf says of each kind of file what Node's lstat says. */
import { execFileSync } from "node:child_process";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { stateOf } from "../../../src/linux/index.ts";

const folder = mkdtempSync(join(tmpdir(), "bay-file-state-"));
afterAll(() => rmSync(folder, { recursive: true }));

const KINDS = [
  "isFile",
  "isDirectory",
  "isSymbolicLink",
  "isFIFO",
  "isCharacterDevice",
  "isBlockDevice",
] as const;
const NUMBERS = ["mode", "nlink", "uid", "gid", "dev", "ino", "size", "rdev", "mtimeMs", "ctimeMs"] as const;

describe("the state of a file", () => {
  const at = (name: string) => join(folder, name);
  writeFileSync(at("file"), "text", { mode: 0o4751 });
  linkSync(at("file"), at("second"));
  symlinkSync("file", at("link"));
  symlinkSync("nowhere", at("dangling"));
  mkdirSync(at("directory"), { mode: 0o1770 });
  execFileSync("mkfifo", [at("pipe")]);
  writeFileSync(at("old"), "");
  utimesSync(at("old"), -1.5, -1.5);
  writeFileSync(at("ümlaut"), "");
  writeFileSync(Buffer.concat([Buffer.from(at("latin-")), Buffer.from([0xff])]), "1");
  execFileSync("truncate", ["-s", "5G", at("large")]);
  const names = ["file", "second", "link", "dangling", "directory", "pipe", "old", "ümlaut", "large"].map(at);
  const binary = (text: string) => Buffer.from(text).toString("latin1");

  it.each([...names.map(binary), `${at("latin-")}\xff`, "/dev/null", "/dev/tty", "/"])("%j", (path) => {
    const [found, known] = [stateOf(path)!, lstatSync(Buffer.from(path, "latin1"))];
    for (const key of NUMBERS) expect(found[key], key).toBeCloseTo(known[key], 3);
    for (const kind of KINDS) expect(found[kind](), kind).toBe(known[kind]());
  });

  it("is undefined if the file does not exist, and for a name with a NUL in the middle", () => {
    expect(stateOf(at("absent"))).toBeUndefined();
    expect(stateOf(`${at("file")}\0x`)).toBeUndefined();
  });
});
