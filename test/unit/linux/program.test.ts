import { describe, expect, it } from "vitest";
import { ProgramBuilder } from "../../../src/linux/program.ts";
import { HEADER, STATUS_RUNNING } from "../../../src/linux/program-format.ts";
import { readProgramState } from "../../../src/linux/program-state.ts";
import { SHIM_BASE } from "../../../src/linux/shim-code.ts";

const RECORD = 64;

describe("ProgramBuilder", () => {
  it("places strings by address and links records by label", () => {
    const program = new ProgramBuilder();
    program.entry("start");
    program.call("chdir", ["/somewhere"], { label: "start", store: { record: "second", argument: 2 } });
    program.call("getpid", [], { label: "second", jumpIfZero: "start" });
    const { bytes } = program.build();
    const first = 4096;
    expect(bytes.readUInt32LE(HEADER.entry)).toBe(first);
    const address = Number(bytes.readBigInt64LE(first + 8)) - SHIM_BASE;
    expect(bytes.toString("latin1", address, address + 11)).toBe("/somewhere\0");
    const flags = bytes.readUInt32LE(first + 4);
    expect(flags & 0xff).toBe(4);
    expect((flags >> 8) & 0xff).toBe(2);
    expect((flags >>> 16) * RECORD).toBe(first + RECORD);
    expect((bytes.readUInt32LE(first + RECORD + 4) >>> 16) * RECORD).toBe(first);
  });

  it("rejects a resident part of more than a page", () => {
    const program = new ProgramBuilder();
    program.section("resident").entry("a");
    for (let index = 0; index < 64; index++) program.call("getpid", [], index === 0 ? { label: "a" } : {});
    expect(() => program.build()).toThrow("exceeds a page");
  });

  it("rejects a string with a NUL byte", () => {
    expect(() => new ProgramBuilder().call("chdir", ["/a\0b"])).toThrow("NUL");
  });
});

describe("readProgramState", () => {
  const page = () => {
    const bytes = Buffer.alloc(4096);
    bytes.write("BAY1");
    bytes.writeUInt32LE(STATUS_RUNNING, HEADER.status);
    bytes.writeUInt32LE(STATUS_RUNNING, HEADER.mainStatus);
    return bytes;
  };

  it("distinguishes a running process from one that has ended", () => {
    const bytes = page();
    bytes.writeUInt32LE(77, HEADER.childPid);
    expect(readProgramState(bytes)).toMatchObject({ childPid: 77, status: undefined, endedAt: undefined });
    bytes.writeUInt32LE(7 << 8, HEADER.status);
    bytes.writeBigInt64LE(1000n, HEADER.endedAt);
    expect(readProgramState(bytes)).toMatchObject({ status: 7 << 8, endedAt: 1_000_000 });
  });

  it("takes the main process's status from the init, unless the init was killed", () => {
    const bytes = page();
    bytes.writeUInt32LE(2, HEADER.mainPid);
    bytes.writeUInt32LE(3 << 8, HEADER.mainStatus);
    bytes.writeUInt32LE(0, HEADER.status);
    expect(readProgramState(bytes).status).toBe(3 << 8);
    bytes.writeUInt32LE(9, HEADER.status);
    expect(readProgramState(bytes).status).toBe(9);
    bytes.writeUInt32LE(0, HEADER.status);
    bytes.writeUInt32LE(0xffffffff, HEADER.mainStatus); // the shim is about to read it
    expect(readProgramState(bytes).status).toBeUndefined();
  });

  it("rejects an invalid program, and offsets beyond the page", () => {
    expect(() => readProgramState(Buffer.alloc(10))).toThrow("not a program");
    const bytes = page();
    bytes.writeUInt32LE(1 << 20, HEADER.ttyRecord);
    expect(readProgramState(bytes).ttyFd).toBeUndefined();
  });
});
