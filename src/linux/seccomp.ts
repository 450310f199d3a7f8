/**
 * seccomp filters: libseccomp converts an OCI `linux.seccomp` object to a BPF program (seccomp_rule_add(3),
 * seccomp_export_bpf(3)).
 */
import { closeSync, readFileSync } from "node:fs";
import { BayError } from "../core/errors.ts";
import { loadLibrary, syscall } from "./libc.ts";
import type { SpecSeccomp, SpecSeccompRule } from "./spec.ts";

const ACTIONS: Record<string, number> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};

const COMPARISONS: Record<string, number> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

const ARCHITECTURES: Record<string, number> = {
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_ARM: 0x40000028,
  SCMP_ARCH_AARCH64: 0xc00000b7,
};

const ENOSYS = 38;
const EEXIST = -17;
const SCMP_FLTATR_CTL_OPTIMIZE = 8;

function load() {
  const lib = loadLibrary("libseccomp.so.2", "libseccomp2");
  return {
    init: lib.func("seccomp_init", "void *", ["uint32"]),
    release: lib.func("seccomp_release", "void", ["void *"]),
    archAdd: lib.func("seccomp_arch_add", "int", ["void *", "uint32"]),
    attrSet: lib.func("seccomp_attr_set", "int", ["void *", "int", "uint32"]),
    resolve: lib.func("seccomp_syscall_resolve_name", "int", ["str"]),
    ruleAdd: lib.func("seccomp_rule_add_array", "int", ["void *", "uint32", "int", "uint32", "void *"]),
    exportBpf: lib.func("seccomp_export_bpf", "int", ["void *", "int"]),
  };
}
let library: ReturnType<typeof load> | undefined;

function action(name: string, errnoRet: number | undefined): number {
  const base = ACTIONS[name];
  if (base === undefined) throw new BayError("BAD_SECCOMP", `unknown seccomp action ${name}`);
  return (
    (name === "SCMP_ACT_ERRNO" || name === "SCMP_ACT_TRACE" ? base | ((errnoRet ?? 1) & 0xffff) : base) >>> 0
  );
}

/** struct scmp_arg_cmp: unsigned arg; enum op; u64 a; u64 b. */
function comparisons(rule: SpecSeccompRule): Buffer {
  const args = rule.args ?? [];
  const bytes = Buffer.alloc(args.length * 24);
  args.forEach((argument, index) => {
    const op = COMPARISONS[argument.op];
    if (op === undefined) throw new BayError("BAD_SECCOMP", `unknown seccomp operator ${argument.op}`);
    bytes.writeUInt32LE(argument.index, index * 24);
    bytes.writeUInt32LE(op, index * 24 + 4);
    bytes.writeBigUInt64LE(BigInt(argument.value), index * 24 + 8);
    bytes.writeBigUInt64LE(BigInt(argument.valueTwo ?? 0), index * 24 + 16);
  });
  return bytes;
}

/**
 * Two conditions on one argument mean that either must hold (as in runc); conditions on different arguments mean that all
 * must hold.
 */
function alternatives(rule: SpecSeccompRule): SpecSeccompRule[] {
  const args = rule.args ?? [];
  const repeated = new Set(args.map((argument) => argument.index)).size < args.length;
  return repeated ? args.map((argument) => ({ ...rule, args: [argument] })) : [rule];
}

const byContent = new Map<string, Buffer>();
const byObject = new WeakMap<SpecSeccomp, Buffer>();

/**
 * The BPF program of a filter (an array of 8-byte instructions), cached. The object must not change afterwards. Names that
 * libseccomp does not know are ignored, as the specification requires. Throws BAD_SECCOMP.
 */
export function seccompFilter(seccomp: SpecSeccomp): Buffer {
  let filter = byObject.get(seccomp);
  if (filter) return filter;
  const key = JSON.stringify(seccomp);
  filter = byContent.get(key) ?? compile(seccomp);
  if (byContent.size > 64) byContent.clear();
  byContent.set(key, filter);
  byObject.set(seccomp, filter);
  return filter;
}

function compile(seccomp: SpecSeccomp): Buffer {
  library ??= load();
  const lib = library;
  const defaultAction = action(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const context = lib.init(defaultAction);
  if (!context)
    throw new BayError("BAD_SECCOMP", `seccomp default action ${seccomp.defaultAction} was refused`);
  try {
    for (const architecture of seccomp.architectures ?? []) {
      const number = ARCHITECTURES[architecture];
      if (number === undefined) continue;
      const result = lib.archAdd(context, number);
      if (result !== 0 && result !== EEXIST)
        throw new BayError("BAD_SECCOMP", `seccomp architecture ${architecture}`);
    }
    lib.attrSet(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (const rule of (seccomp.syscalls ?? []).flatMap(alternatives)) {
      const ruleAction = action(rule.action, rule.errnoRet);
      if (ruleAction === defaultAction) continue;
      const args = comparisons(rule);
      for (const name of rule.names) {
        const number = lib.resolve(name);
        if (number === -1) continue;
        const result = lib.ruleAdd(context, ruleAction, number, rule.args?.length ?? 0, args);
        if (result !== 0)
          throw new BayError("BAD_SECCOMP", `seccomp rule for ${name} was refused (${result})`);
      }
    }
    const fd = syscall("memfd_create", ["bay-seccomp", 1]);
    try {
      const result = lib.exportBpf(context, fd);
      if (result !== 0) throw new BayError("BAD_SECCOMP", `seccomp_export_bpf gave ${result}`);
      const program = readFileSync(`/proc/self/fd/${fd}`);
      return seccomp.defaultAction === "SCMP_ACT_ERRNO" ? answerEnosysBeyond(program, lib) : program;
    } finally {
      closeSync(fd);
    }
  } finally {
    lib.release(context);
  }
}

/**
 * A filter that returns EPERM also does so for calls that are newer than the profile, and programs then do not fall back to
 * an older call. So calls of the native architecture with a number above the newest that libseccomp knows return ENOSYS
 * first.
 */
function answerEnosysBeyond(program: Buffer, lib: ReturnType<typeof load>): Buffer {
  const newest = Math.max(
    ...["cachestat", "fchmodat2", "futex_waitv", "set_mempolicy_home_node", "clone3", "faccessat2"].map(
      (name) => lib.resolve(name),
    ),
  );
  const architecture = process.arch === "arm64" ? 0xc00000b7 : 0xc000003e;
  const instructions: [code: number, jt: number, jf: number, k: number][] = [
    [0x20, 0, 0, 4], // A = arch
    [0x15, 0, 4, architecture], // not native: continue with the filter
    [0x20, 0, 0, 0], // A = nr
    [0x25, 0, 2, newest], // not above: continue with the filter
    [0x35, 1, 0, 0x40000000], // an x32 number: continue with the filter
    [0x06, 0, 0, 0x00050000 | ENOSYS],
  ];
  const prefix = Buffer.alloc(instructions.length * 8);
  instructions.forEach(([code, jt, jf, k], index) => {
    prefix.writeUInt16LE(code, index * 8);
    prefix.writeUInt8(jt, index * 8 + 2);
    prefix.writeUInt8(jf, index * 8 + 3);
    prefix.writeUInt32LE(k >>> 0, index * 8 + 4);
  });
  return Buffer.concat([prefix, program]);
}
