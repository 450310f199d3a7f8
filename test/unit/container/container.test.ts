import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LogReader, selectLines } from "../../../src/container/logs/reader.ts";
import { SegmentWriter, segmentNumbers } from "../../../src/container/logs/segments.ts";
import { hostsFile, resolvFile } from "../../../src/container/spec/etc-files.ts";
import { resolveUser } from "../../../src/container/spec/user.ts";
import { resolveCapabilities } from "../../../src/linux/index.ts";

describe("users", () => {
  const files: Record<string, string> = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
    "etc/group": "root:x:0:\napp:x:1001:\nextra:x:1002:app,other\n",
  };
  const resolve = (user: string, groups: string[] = []) => resolveUser(user, groups, (path) => files[path]);
  it("are found by name and number, with their groups", () => {
    expect(resolve("app")).toEqual({ uid: 1000, gid: 1001, groups: [1001, 1002], home: "/home/app" });
    expect(resolve("1000:extra")).toEqual({ uid: 1000, gid: 1002, groups: [1002], home: "/home/app" });
    expect(resolve("4242")).toEqual({ uid: 4242, gid: 0, groups: [0], home: "/" });
    expect(resolve("", ["extra", "7"])).toMatchObject({ uid: 0, groups: [0, 1002, 7] });
  });
  it("are rejected if they are not in the image", () => {
    expect(() => resolve("nobody")).toThrow("no user nobody");
    expect(() => resolve("app:nogroup")).toThrow("no group nogroup");
  });
  it("are never another's because an ID does not fit in 32 bits (CVE-2024-40635)", () => {
    const inImage = (passwd: string, group: string) => (user: string) =>
      resolveUser(user, [], (path) => (path === "etc/passwd" ? passwd : group));
    for (const id of ["4294967296", "4294967295", "-1", "0x0", "1e3", "", "abc", "99999999999999999999"]) {
      expect(() => inImage(`app:x:${id}:1::/:/bin/sh\n`, "")("app"), id).toThrow("invalid ID");
      expect(() => inImage(`app:x:7:${id}::/:/bin/sh\n`, "")("app"), id).toThrow("invalid ID");
      expect(() => inImage("app:x:7:7::/:/bin/sh\n", `more:x:${id}:app\n`)("app"), id).toThrow("invalid ID");
      if (id !== "") expect(() => resolve(id), id).toThrow("no user");
    }
  });
});

describe("capabilities", () => {
  it("follow Docker's rules for add and drop", () => {
    expect(resolveCapabilities([], [])).toHaveLength(14);
    expect(resolveCapabilities(["NET_ADMIN"], ["ALL"])).toEqual(["CAP_NET_ADMIN"]);
    expect(resolveCapabilities(["all"], ["CAP_SYS_ADMIN"])).not.toContain("CAP_SYS_ADMIN");
    expect(() => resolveCapabilities(["NOPE"], [])).toThrow("NOPE");
  });
});

describe("generated files", () => {
  it("contain the container's name and its extra hosts", () => {
    const text = hostsFile({
      hostname: "web",
      domainname: "lan",
      addresses: ["10.0.0.2"],
      extraHosts: ["api=host-gateway", "six=[::1]"],
      hostGateway: "10.0.0.1",
    });
    expect(text).toContain("10.0.0.2\tweb.lan\tweb\n");
    expect(text).toContain("10.0.0.1\tapi\n");
    expect(text).toContain("::1\tsix\n");
    expect(resolvFile({ servers: ["127.0.0.11"], search: ["lan"], options: ["ndots:0"] })).toBe(
      "nameserver 127.0.0.11\nsearch lan\noptions ndots:0\n",
    );
  });
});

describe("log segments", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bay-logs-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const put = (writer: SegmentWriter, stream: number, text: string, time: number) => {
    const { fd, offset } = writer.target(stream);
    writeSync(fd, text, offset);
    writer.note(stream, Buffer.byteLength(text), time);
  };
  const texts = (flush = false) =>
    [...new LogReader(folder).read(flush)].map(({ bytes, stream }) => `${stream}${bytes}`);

  it("join lines across chunks and keep the streams' order", () => {
    const writer = new SegmentWriter(folder, 1 << 20, 5);
    put(writer, 0, "one\ntw", 1);
    put(writer, 1, "err\n", 2);
    put(writer, 0, "o\nthr", 3);
    writer.close();
    expect(texts()).toEqual(["0one\n", "1err\n", "0two\n"]);
    expect(texts(true).at(-1)).toBe("0thr");
  });

  it("recover bytes that were moved without an entry", () => {
    const writer = new SegmentWriter(folder, 1 << 20, 5);
    put(writer, 0, "one\n", 1);
    writeSync(writer.target(0).fd, "two\n", writer.target(0).offset);
    writer.close();
    expect(texts()).toEqual(["0one\n"]);
    new SegmentWriter(folder, 1 << 20, 5).close();
    expect(texts()).toEqual(["0one\n", "0two\n"]);
  });

  it("rotate by size and keep the configured number", () => {
    const writer = new SegmentWriter(folder, 10, 2);
    for (let index = 0; index < 6; index++) put(writer, 0, `line ${index} xx\n`, index);
    writer.close();
    expect(segmentNumbers(folder)).toHaveLength(2);
    expect(texts().at(-1)).toBe("0line 5 xx\n");
    expect(readFileSync(join(folder, `${segmentNumbers(folder)[0]}.out`)).length).toBeGreaterThan(0);
    writeFileSync(join(folder, "other"), "");
  });

  it("are bounded for byte-by-byte writes, whose index is larger than the output", () => {
    const writer = new SegmentWriter(folder, 1024, 2);
    for (let index = 0; index < 1000; index++) put(writer, 0, "x", index);
    writer.close();
    expect(segmentNumbers(folder)).toHaveLength(2);
    for (const number of segmentNumbers(folder))
      expect(readFileSync(join(folder, `${number}.idx`)).length).toBeLessThanOrEqual(1024);
  });

  it("return a line without an end in pieces, and continue after a skipped part", () => {
    const writer = new SegmentWriter(folder, 64 << 20, 5);
    for (let index = 0; index < 5; index++) put(writer, 0, "x".repeat(300_000), index);
    put(writer, 0, "end\n", 6);
    const reader = new LogReader(folder);
    const sizes = [...reader.read(false)].map(({ bytes }) => bytes.length);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(1_500_004);
    expect(Math.max(...sizes)).toBeLessThanOrEqual((1 << 20) + (256 << 10));
    const late = new LogReader(folder);
    late.skip();
    put(writer, 0, "new\n", 7);
    writer.close();
    expect([...late.read(true)].map(({ bytes }) => String(bytes))).toEqual(["new\n"]);
    expect([...reader.read(true)].map(({ bytes }) => String(bytes))).toEqual(["new\n"]);
  });

  it("write no file for a container without output", () => {
    new SegmentWriter(join(folder, "silent"), 1 << 20, 5).close();
    expect(existsSync(join(folder, "silent"))).toBe(false);
    expect([...new LogReader(join(folder, "silent")).read(true)]).toEqual([]);
  });

  it("are selected by stream, time and tail", () => {
    const lines = [0, 1, 0].map((stream, time) => ({
      stream: stream as 0 | 1,
      time,
      bytes: Buffer.from(`${time}`),
    }));
    const times = (query: object) =>
      [...selectLines(lines, { stdout: true, stderr: true, ...query })].map(({ time }) => time);
    expect(times({ stderr: false })).toEqual([0, 2]);
    expect(times({ since: 1 })).toEqual([1, 2]);
    expect(times({ tail: 1 })).toEqual([2]);
    expect(times({ tail: 0 })).toEqual([]);
  });
});
