/** The notes of test runs: a sweep, which runs as root, follows only those that no other user can have written. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { own, sweep } from "../../support/owned.ts";

let folder: string;
let notes: string;
const made: string[] = [];
const directory = (prefix: string) => {
  const path = mkdtempSync(join(tmpdir(), prefix));
  made.push(path);
  return path;
};
beforeEach(() => {
  folder = directory("bay-notes-");
  notes = join(folder, "owners");
});
afterEach(() => {
  vi.restoreAllMocks();
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** No process has such a PID. */
const ENDED = { pid: 2 ** 30, start: "1" };
const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))![0];
const file = `owner-${namespace}-${ENDED.pid}-${ENDED.start}`;

/** Writes the notes of a process that has ended. */
function noted(text: string, name = file): void {
  mkdirSync(notes, { mode: 0o700 });
  writeFileSync(join(notes, name), text);
}

it("removes the folders of a process that has ended, and not those of one that runs", () => {
  const [left, used] = [directory("bay-test-"), directory("bay-test-")];
  own("folder", left, ENDED, notes);
  own("folder", used, undefined, notes);
  sweep(notes);
  expect([existsSync(left), existsSync(used)]).toEqual([false, true]);
  expect(readdirSync(notes)).toHaveLength(1);
});

it("takes over the files of a sweep that was killed, and not those of one that runs", () => {
  const left = directory("bay-test-");
  noted(`folder ${left}\n`, `${file}.swept-1-0`);
  writeFileSync(join(notes, `${file}.swept-${process.ppid}-${startTimeOf(process.ppid)}`), "");
  sweep(notes);
  expect(existsSync(left)).toBe(false);
  expect(readdirSync(notes)).toEqual([expect.stringContaining(`.swept-${process.ppid}-`)]);
});

it("accepts only whole lines with names that tests give", () => {
  const [cut, nested, other] = [directory("bay-test-"), directory("bay-test-"), directory("bay-victim-")];
  mkdirSync(join(nested, "bay-test-abcdef"));
  const inner = join(nested, "bay-test-abcdef");
  noted(
    `folder ${other}\nfolder ${inner}\nfolder ${nested}/../${other.slice(tmpdir().length + 1)}\nfolder \nnetns \nnetns ..\nnetns prod\nfolder ${cut}`,
  );
  sweep(notes);
  expect([cut, inner, other].map(existsSync)).toEqual([true, true, true]);
  expect(() => own("folder", other, ENDED, notes)).toThrow(/does not know/);
  expect(() => own("netns", "prod", ENDED, notes)).toThrow(/does not know/);
});

it("trusts no directory in which others can write, nor a symbolic link", () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const left = directory("bay-test-");
  noted(`folder ${left}\n`);
  chmodSync(notes, 0o770);
  sweep(notes);
  expect(() => own("folder", left, ENDED, notes)).toThrow(/remove it/);
  chmodSync(notes, 0o700);
  const link = join(folder, "link");
  symlinkSync(notes, link);
  sweep(link);
  expect(() => own("folder", left, ENDED, link)).toThrow(/remove it/);
  expect(existsSync(left)).toBe(true);
  expect(warn).toHaveBeenCalledTimes(2);
});

it("neither writes nor reads through a symbolic link", () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const left = directory("bay-test-");
  const target = join(folder, "target");
  writeFileSync(target, `folder ${left}\n`);
  mkdirSync(notes, { mode: 0o700 });
  symlinkSync(target, join(notes, file));
  expect(() => own("folder", left, ENDED, notes)).toThrow(/ELOOP/);
  sweep(notes);
  expect(existsSync(left)).toBe(true);
  expect(readFileSync(target, "utf8")).toBe(`folder ${left}\n`);
  expect(warn).toHaveBeenCalledWith(expect.stringContaining("could not be removed"));
});

it("continues after something that cannot be removed, and keeps its note", () => {
  vi.spyOn(console, "warn").mockImplementation(() => {});
  const left = directory("bay-test-");
  const wrong = directory("bay-test-");
  rmSync(wrong, { recursive: true });
  symlinkSync(folder, wrong);
  noted(`folder ${wrong}\nfolder ${left}\n`);
  sweep(notes);
  expect([existsSync(left), existsSync(wrong)]).toEqual([false, true]);
  expect(readdirSync(notes)).toHaveLength(1);
});

function startTimeOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ")[19]!;
}
