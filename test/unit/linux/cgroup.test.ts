import { describe, expect, it } from "vitest";
import { deviceProgram } from "../../../src/linux/cgroup/device-filter.ts";
import { sharesToWeight, weightToShares } from "../../../src/linux/cgroup/v2.ts";

/** A few instructions of eBPF, enough to run what deviceProgram makes. */
function runFilter(program: Buffer, type: number, access: number, major: number, minor: number): number {
  const context = Buffer.alloc(12);
  context.writeUInt32LE(((access << 16) | type) >>> 0, 0);
  context.writeUInt32LE(major, 4);
  context.writeUInt32LE(minor, 8);
  const registers = new Array<number>(11).fill(0);
  for (let at = 0; ; at++) {
    const code = program[at * 8]!;
    const destination = program[at * 8 + 1]! & 15;
    const source = program[at * 8 + 1]! >> 4;
    const offset = program.readInt16LE(at * 8 + 2);
    const immediate = program.readInt32LE(at * 8 + 4);
    if (code === 0x61) registers[destination] = context.readUInt32LE(offset);
    else if (code === 0xbf) registers[destination] = registers[source]!;
    else if (code === 0x57) registers[destination]! &= immediate;
    else if (code === 0x77) registers[destination]! >>>= immediate;
    else if (code === 0xb7) registers[destination] = immediate;
    else if (code === 0x55) at += registers[destination] === immediate ? 0 : offset;
    else if (code === 0x95) return registers[0]!;
    else throw new Error(`instruction ${code}`);
  }
}

describe("the device filter", () => {
  const program = deviceProgram([
    { allow: false, type: "a" },
    { allow: true, type: "c", major: 1, minor: 3, access: "rwm" },
    { allow: true, type: "c", major: 136, access: "rw" },
  ]);
  const [block, char] = [1, 2];
  const [mknod, read, write] = [1, 2, 4];

  it("allows what a rule allows and nothing else", () => {
    expect(runFilter(program, char, mknod | read | write, 1, 3)).toBe(1);
    expect(runFilter(program, char, read, 1, 5)).toBe(0);
    expect(runFilter(program, block, read, 1, 3)).toBe(0);
    expect(runFilter(program, char, read | write, 136, 7)).toBe(1);
    expect(runFilter(program, char, mknod, 136, 7)).toBe(0);
  });
});

describe("CPU shares and weights", () => {
  it("map the ends and the default to each other", () => {
    expect([2, 1024, 262144].map(sharesToWeight)).toEqual([1, 39, 10000]);
    for (const weight of [1, 39, 100, 10000]) expect(sharesToWeight(weightToShares(weight))).toBe(weight);
  });
});
