/**
 * Device access on cgroup v2: a BPF program of type CGROUP_DEVICE that allows what the rules allow
 * (bpf(2); struct bpf_cgroup_dev_ctx {u32 access << 16 | type, u32 major, u32 minor}).
 */
import { closeSync, openSync } from "node:fs";
import { addressOf, close, syscall } from "../libc.ts";
import type { SpecDeviceRule } from "../spec.ts";

const BPF_PROG_LOAD = 5;
const BPF_PROG_ATTACH = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;

const TYPES = { b: 1, c: 2 } as const;
const ACCESS: Record<string, number> = { m: 1, r: 2, w: 4 };

type Instruction = [code: number, registers: number, offset: number, immediate: number];

/** The instructions for rules that allow access; access that no rule allows is denied. */
export function deviceProgram(rules: readonly SpecDeviceRule[]): Buffer {
  const code: Instruction[] = [
    [0x61, 0x12, 0, 0], // r2 = access << 16 | type
    [0xbf, 0x23, 0, 0], // r3 = r2
    [0x57, 0x02, 0, 0xffff], // r2 = type
    [0x77, 0x03, 0, 16], // r3 = access
    [0x61, 0x14, 4, 0], // r4 = major
    [0x61, 0x15, 8, 0], // r5 = minor
  ];
  for (const rule of rules.filter(({ allow }) => allow)) code.push(...ruleInstructions(rule));
  code.push([0xb7, 0, 0, 0], [0x95, 0, 0, 0]); // r0 = 0; exit
  const bytes = Buffer.alloc(code.length * 8);
  code.forEach(([opcode, registers, offset, immediate], index) => {
    bytes.writeUInt8(opcode, index * 8);
    bytes.writeUInt8(registers, index * 8 + 1);
    bytes.writeInt16LE(offset, index * 8 + 2);
    bytes.writeInt32LE(immediate, index * 8 + 4);
  });
  return bytes;
}

function ruleInstructions(rule: SpecDeviceRule): Instruction[] {
  const tests: Instruction[] = [];
  const unless = (register: number, value: number) => tests.push([0x55, register, 0, value]);
  if (rule.type === "b" || rule.type === "c") unless(2, TYPES[rule.type]);
  const access = [...(rule.access ?? "rwm")].reduce((mask, letter) => mask | (ACCESS[letter] ?? 0), 0);
  if (access !== 7) {
    tests.push([0xbf, 0x36, 0, 0], [0x57, 0x06, 0, ~access & 7]);
    unless(6, 0);
  }
  if (rule.major !== undefined && rule.major >= 0) unless(4, rule.major);
  if (rule.minor !== undefined && rule.minor >= 0) unless(5, rule.minor);
  const all: Instruction[] = [...tests, [0xb7, 0, 0, 1], [0x95, 0, 0, 0]];
  // every failed test jumps past this rule
  return all.map(([opcode, registers, offset, immediate], index) =>
    opcode === 0x55
      ? [opcode, registers, all.length - index - 1, immediate]
      : [opcode, registers, offset, immediate],
  );
}

/** Attaches the rules to a cgroup directory. Throws `SyscallError`. */
export function attachDeviceFilter(cgroupDirectory: string, rules: readonly SpecDeviceRule[]): void {
  const instructions = deviceProgram(rules);
  const license = Buffer.from("MIT\0");
  const load = Buffer.alloc(128);
  load.writeUInt32LE(BPF_PROG_TYPE_CGROUP_DEVICE, 0);
  load.writeUInt32LE(instructions.length / 8, 4);
  load.writeBigUInt64LE(addressOf(instructions), 8);
  load.writeBigUInt64LE(addressOf(license), 16);
  const program = syscall("bpf", [BPF_PROG_LOAD, load, load.length], "load the device rules");
  const directory = openSync(cgroupDirectory, "r");
  try {
    const attach = Buffer.alloc(32);
    attach.writeUInt32LE(directory, 0);
    attach.writeUInt32LE(program, 4);
    attach.writeUInt32LE(BPF_CGROUP_DEVICE, 8);
    attach.writeUInt32LE(BPF_F_ALLOW_MULTI, 12);
    syscall("bpf", [BPF_PROG_ATTACH, attach, attach.length], "attach the device rules");
  } finally {
    closeSync(directory);
    close(program);
  }
}
