/** Files of untrusted trees and their attributes; what the kernel says of links and processes. Nothing needs root. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { dataRanges } from "../../../src/linux/data-ranges.ts";
import { Links } from "../../../src/linux/index.ts";
import { isAlive, signalProcess, startTime } from "../../../src/linux/process.ts";
import { openInRoot, pathKindInRoot, readInRoot } from "../../../src/linux/safe-path.ts";
import { privateLabel, SHARED_LABEL } from "../../../src/linux/selinux.ts";

let folder: string;
const at = (name: string) => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-files-"));
  mkdirSync(at("root/etc"), { recursive: true });
  writeFileSync(at("root/etc/conf"), "inside");
  writeFileSync(at("conf"), "outside");
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("paths of an untrusted tree", () => {
  it("never lead outside, by dots or by links", () => {
    symlinkSync("../../conf", at("root/etc/up"));
    symlinkSync("/etc/conf", at("root/absolute"));
    symlinkSync("/proc/self/root", at("root/magic"));
    expect(readInRoot(at("root"), "/../../etc/conf")?.toString()).toBe("inside");
    expect(readInRoot(at("root"), "/absolute")?.toString()).toBe("inside");
    expect(readInRoot(at("root"), "/etc/up")).toBeUndefined(); // /conf of the tree does not exist
    expect(readInRoot(at("root"), "/magic/etc/passwd")).toBeUndefined();
    expect(() => openInRoot(at("root"), "/absent")).toThrow(expect.objectContaining({ code: "ENOENT" }));
  });

  it("are read only if they are regular and small files", () => {
    truncateSync(at("root/etc/conf"), 2000);
    expect(readInRoot(at("root"), "/etc")).toBeUndefined();
    expect(readInRoot(at("root"), "/etc/conf/x")).toBeUndefined();
    expect(() => readInRoot(at("root"), "/etc/conf", 1999)).toThrow(
      expect.objectContaining({ code: "FILE_TOO_LARGE" }),
    );
    expect(readInRoot(at("root"), "/etc/conf", 2000)).toHaveLength(2000);
  });

  it("have a kind, without following the last link", () => {
    symlinkSync("etc/conf", at("root/link"));
    expect(["/etc", "/etc/conf", "/link", "/absent"].map((path) => pathKindInRoot(at("root"), path))).toEqual(
      [{ kind: "directory" }, { kind: "file" }, { kind: "symlink", target: "etc/conf" }, undefined],
    );
  });
});

describe("the data of a sparse file", () => {
  it("is found between its holes", () => {
    const fd = openSync(at("sparse"), "w+");
    const size = 4 << 20;
    writeSync(fd, Buffer.alloc(4096, 1), 0, 4096, 1 << 20);
    ftruncateSync(fd, size);
    const ranges = dataRanges(fd, size, 100);
    const covers = ({ offset, length }: { offset: number; length: number }) =>
      offset <= 1 << 20 && offset + length >= (1 << 20) + 4096;
    expect(ranges.some(covers)).toBe(true);
    expect(ranges.every(({ offset, length }) => length > 0 && offset + length <= size)).toBe(true);
    closeSync(fd);
  });
});

describe("SELinux labels", () => {
  it("are the same for the same name, with two different categories in order", () => {
    for (const name of ["a", "b", "web-1"]) {
      const [, first, second] = /^.*:c(\d+),c(\d+)$/.exec(privateLabel(name))!.map(Number);
      expect(privateLabel(name)).toBe(privateLabel(name));
      expect(privateLabel(name).startsWith(`${SHARED_LABEL}:`)).toBe(true);
      expect([first! >= 0, first! < second!, second! < 1024]).toEqual([true, true, true]);
    }
    expect(privateLabel("a")).not.toBe(privateLabel("b"));
  });
});

describe("a process", () => {
  it("is known by its number and its start, and ended by a signal", async () => {
    const child = spawn("sleep", ["600"], { stdio: "ignore" });
    const start = startTime(child.pid!)!;
    onTestFinished(() => void child.kill("SIGKILL"));
    expect(start).toBeGreaterThan(0);
    expect([isAlive(child.pid!, start), isAlive(child.pid!, start + 1)]).toEqual([true, false]);
    signalProcess(child.pid!, start + 1, 9); // another process with this number is left alone
    expect(isAlive(child.pid!, start)).toBe(true);
    const ended = once(child, "exit");
    signalProcess(child.pid!, start, 15);
    expect((await ended)[1]).toBe("SIGTERM");
    expect([isAlive(child.pid!, start), startTime(child.pid!)]).toEqual([false, undefined]);
  });
});

describe("the host's links", () => {
  it("are those that the system shows", () => {
    const links = new Links();
    try {
      const lo = links.byName("lo")!;
      expect(lo).toMatchObject({ index: 1, name: "lo" });
      expect(links.byName("bay-absent-0")).toBeUndefined();
      const names = readFileSync("/proc/net/dev", "utf8")
        .split("\n")
        .slice(2)
        .filter(Boolean)
        .map((line) => line.split(":")[0]!.trim());
      expect(links.list().map(({ name }) => name)).toEqual(
        expect.arrayContaining(names.filter((name) => !/^(bay|ve)/.test(name))),
      );
      const own = Object.values(networkInterfaces()).flatMap((each) =>
        (each ?? []).map(({ address }) => address),
      );
      const known = new Set(links.addresses().map(({ address }) => address));
      expect(own.filter((address) => address.startsWith("127.")).every((address) => known.has(address))).toBe(
        true,
      );
      expect(Array.isArray(links.routes())).toBe(true);
    } finally {
      links.close();
    }
  });
});
