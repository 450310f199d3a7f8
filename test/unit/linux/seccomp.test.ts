/** Seccomp filters, by running the program that libseccomp makes (classic BPF, seccomp(2)). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seccompFilter } from "../../../src/linux/seccomp.ts";
import type { SpecSeccomp } from "../../../src/linux/spec.ts";

const [ERRNO, ALLOW, KILL] = [0x00050000, 0x7fff0000, 0x80000000];
const [EPERM, ENOSYS] = [1, 38];
const NATIVE = process.arch === "arm64" ? 0xc00000b7 : 0xc000003e;
/** Numbers of system calls on x86-64 and aarch64. */
const [READ, SOCKET, PERSONALITY] = process.arch === "arm64" ? [63, 198, 92] : [0, 41, 135];

/** Runs a classic BPF program on struct seccomp_data; returns the action. */
function answer(program: Buffer, nr: number, args: bigint[] = [], arch = NATIVE): number {
  const data = Buffer.alloc(64);
  data.writeInt32LE(nr, 0);
  data.writeUInt32LE(arch, 4);
  for (const [at, value] of args.entries()) data.writeBigUInt64LE(value, 16 + at * 8);
  let [a, x] = [0, 0];
  const memory = new Array<number>(16).fill(0);
  for (let at = 0; at < program.length / 8; at++) {
    const [code, jt, jf, k] = [
      program.readUInt16LE(at * 8),
      program[at * 8 + 2]!,
      program[at * 8 + 3]!,
      program.readUInt32LE(at * 8 + 4),
    ];
    const operand = code & 8 ? x : k;
    const jump = (holds: boolean) => {
      at += holds ? jt : jf;
    };
    switch (code & 7) {
      case 0: // load
        a = (code & 0xe0) === 0x20 ? data.readUInt32LE(k) : (code & 0xe0) === 0x60 ? memory[k]! : k;
        break;
      case 1:
        x = (code & 0xe0) === 0x60 ? memory[k]! : k;
        break;
      case 2:
        memory[k] = a;
        break;
      case 4:
        if ((code & 0xf0) !== 0x50) throw new Error(`operation ${code}`);
        a = (a & operand) >>> 0;
        break;
      case 5: {
        const kind = code & 0xf0;
        if (kind === 0) at += k;
        else if (kind === 0x10) jump(a === operand);
        else if (kind === 0x20) jump(a > operand);
        else if (kind === 0x30) jump(a >= operand);
        else jump((a & operand) !== 0);
        break;
      }
      case 6:
        return code & 0x10 ? a : k;
      default:
        a = x;
    }
  }
  throw new Error("the program has no end");
}
const filter = (spec: Partial<SpecSeccomp>) => seccompFilter({ defaultAction: "SCMP_ACT_ERRNO", ...spec });

describe("a seccomp filter", () => {
  it("allows the listed calls, and refuses others", () => {
    const program = filter({ syscalls: [{ names: ["read", "no_such_call"], action: "SCMP_ACT_ALLOW" }] });
    expect(answer(program, READ)).toBe(ALLOW);
    expect(answer(program, SOCKET)).toBe(ERRNO | EPERM);
  });

  it("answers calls that are newer than the profile as the kernel would, on the native architecture", () => {
    const program = filter({ syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW" }] });
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 0x3fffffff }), (nr) => {
        expect(answer(program, nr)).toBe(ERRNO | ENOSYS);
      }),
    );
    expect(answer(program, 0x40000000)).not.toBe(ERRNO | ENOSYS);
    const open = filter({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["socket"], action: "SCMP_ACT_ERRNO", errnoRet: 97 }],
    });
    expect([answer(open, 5000), answer(open, SOCKET)]).toEqual([ALLOW, ERRNO | 97]);
  });

  it("ends a process of an architecture that it does not know", () => {
    const program = filter({ syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW" }] });
    expect(answer(program, READ, [], 0x12345678) >>> 0).not.toBe(ALLOW);
    expect([0, KILL]).toContain(answer(program, READ, [], 0x12345678) >>> 0);
  });

  it("compares arguments: all of different ones must hold, and either of one", () => {
    const socket = (args: NonNullable<NonNullable<SpecSeccomp["syscalls"]>[number]["args"]>) =>
      filter({ syscalls: [{ names: ["socket"], action: "SCMP_ACT_ALLOW", args }] });
    const both = socket([
      { index: 0, value: 2, op: "SCMP_CMP_EQ" },
      { index: 1, value: 7, op: "SCMP_CMP_GT" },
    ]);
    const either = socket([
      { index: 0, value: 1, op: "SCMP_CMP_EQ" },
      { index: 0, value: 2, op: "SCMP_CMP_EQ" },
    ]);
    const masked = socket([{ index: 1, value: 0xf, valueTwo: 1, op: "SCMP_CMP_MASKED_EQ" }]);
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 40n }),
        fc.bigInt({ min: 0n, max: 2n ** 40n }),
        (family, type) => {
          const isAllowed = (program: Buffer) => answer(program, SOCKET, [family, type]) === ALLOW;
          expect(isAllowed(both)).toBe(family === 2n && type > 7n);
          expect(isAllowed(either)).toBe(family === 1n || family === 2n);
          expect(isAllowed(masked)).toBe((type & 0xfn) === 1n);
        },
      ),
    );
  });

  it("is made once for the same content", () => {
    const spec = { syscalls: [{ names: ["personality"], action: "SCMP_ACT_ALLOW" as const }] };
    expect(filter(spec)).toBe(filter(structuredClone(spec)));
    expect(answer(filter(spec), PERSONALITY)).toBe(ALLOW);
  });

  it.each<[Partial<SpecSeccomp>, string]>([
    [{ defaultAction: "SCMP_ACT_SING" as never }, "unknown seccomp action SCMP_ACT_SING"],
    [
      { syscalls: [{ names: ["read"], action: "SCMP_ACT_SING" as never }] },
      "unknown seccomp action SCMP_ACT_SING",
    ],
    [
      {
        syscalls: [
          {
            names: ["read"],
            action: "SCMP_ACT_ALLOW",
            args: [{ index: 0, value: 1, op: "SCMP_CMP_LIKE" as never }],
          },
        ],
      },
      "unknown seccomp operator SCMP_CMP_LIKE",
    ],
  ])("is rejected: %j", (spec, message) => {
    expect(() => filter(spec)).toThrow(expect.objectContaining({ code: "BAD_SECCOMP", message }));
  });
});
