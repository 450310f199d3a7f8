/**
 * The shim: a static ELF of about 330 bytes that runs a syscall program (see program.ts).
 *
 * It maps the program file, which is its descriptor 3, shared at BASE, and then executes 64-byte records in order with raw
 * system calls. Its only memory is one stack page. It takes no arguments and reads no environment. The listings
 * below are the source of the bytes; test/unit/linux/shim-code.test.ts assembles them with GNU as and compares.
 */

export const SHIM_BASE = 0x10000000;
export const SHIM_MAPPING_SIZE = 0x1000000;
/** A page below the program, where nothing else is mapped: a program can map its own memory there. */
export const SPARE_PAGE = SHIM_BASE - 4096;

const LOAD_ADDRESS = 0x400000;

export const X86_64_LISTING = `
.intel_syntax noprefix
  mov edi, 0x10000000        # mmap(BASE, 16 MiB, READ|WRITE, SHARED|FIXED, 3, 0)
  mov esi, 0x1000000
  push 3
  pop rdx
  push 0x11
  pop r10
  push 3
  pop r8
  xor r9d, r9d
  push 9
  pop rax
  syscall
  test rax, rax
  js fail
  mov r12, rax               # r12: the base; rbx: the current record
  mov ebx, dword ptr [rax+4]
  add rbx, rax
run:
  movsxd rax, dword ptr [rbx]
  mov rdi, [rbx+8]
  mov rsi, [rbx+16]
  mov rdx, [rbx+24]
  mov r10, [rbx+32]
  mov r8, [rbx+40]
  mov r9, [rbx+48]
  syscall
  mov ecx, dword ptr [rbx+4] # cl: flags, ch: argument, upper half: target record
  mov edx, ecx
  shr edx, 16
  shl edx, 6
  add rdx, r12               # rdx: the target record
  test cl, 2                 # CLONE: the child goes to the target and stores nothing
  jz store
  test rax, rax
  jz jump
store:
  mov [rbx+56], rax
  test cl, 4                 # STORE: the result is also an argument of the target
  jz sign
  movzx esi, ch
  mov [rdx+rsi*8+8], rax
sign:
  test rax, rax
  js error
  jnz next
  test cl, 8                 # JUMP_IF_ZERO
  jnz jump
next:
  add rbx, 64
  jmp run
error:
  test cl, 16                # JUMP_IF_ERROR
  jnz jump
  test cl, 1                 # IGNORE
  jnz next
fail:
  mov edi, 255
  mov eax, 231
  syscall
jump:
  mov rbx, rdx
  jmp run
`;

export const AARCH64_LISTING = `
  movz x0, #0x1000, lsl #16  // mmap(BASE, 16 MiB, READ|WRITE, SHARED|FIXED, 3, 0)
  movz x1, #0x100, lsl #16
  mov x2, #3
  mov x3, #0x11
  mov x4, #3
  mov x5, #0
  mov x8, #222
  svc #0
  tbnz x0, #63, fail
  mov x19, x0                // x19: the base; x20: the current record
  ldr w20, [x0, #4]
  add x20, x20, x0
run:
  ldrsw x8, [x20]
  ldp x0, x1, [x20, #8]
  ldp x2, x3, [x20, #24]
  ldp x4, x5, [x20, #40]
  svc #0
  ldr w9, [x20, #4]          // bits 0-7: flags, 8-15: argument, 16-31: target record
  lsr w10, w9, #16
  add x10, x19, x10, lsl #6  // x10: the target record
  tbz w9, #1, store          // CLONE
  cbz x0, jump
store:
  str x0, [x20, #56]
  tbz w9, #2, compare        // STORE
  ubfx w11, w9, #8, #8
  add x11, x10, x11, lsl #3
  str x0, [x11, #8]
sign:
  tbnz x0, #63, error
  cbnz x0, next
  tbnz w9, #3, jump          // JUMP_IF_ZERO
next:
  add x20, x20, #64
  b run
error:
  tbnz w9, #4, jump          // JUMP_IF_ERROR
  tbnz w9, #0, next          // IGNORE
fail:
  mov x0, #255
  mov x8, #94
  svc #0
jump:
  mov x20, x10
  b run
`;

const X86_64_CODE =
  "bf00000010be000000016a035a6a11415a6a0341584531c96a09580f054885c0786b4989c48b58044801c3486303488b7b08" +
  "488b7310488b53184c8b53204c8b43284c8b4b300f058b4b0489cac1ea10c1e2064c01e2f6c10274054885c0743948894338" +
  "f6c10474080fb6f5488944f2084885c0780d7505f6c108751c4883c340eba8f6c1107511f6c10175f0bfff000000b8e70000" +
  "000f054889d3eb8d";

const AARCH64_CODE =
  "0000a2d20120a0d2620080d2230280d2640080d2050080d2c81b80d2010000d44003f8b7f30300aa140440b99402008b8802" +
  "80b9808640a9828e41a9849642a9010000d4890640b92a7d10536a1a0a8b49000836000200b4801e00f9090010362b3d0853" +
  "4b0d0b8b600500f9a000f8b7400000b50901183794020191edffff17a9002037a9ff0737e01f80d2c80b80d2010000d4f403" +
  "0aaae6ffff17";

export type ShimArch = "x64" | "arm64";

const MACHINES: Record<ShimArch, { code: string; elfMachine: number }> = {
  x64: { code: X86_64_CODE, elfMachine: 62 },
  arm64: { code: AARCH64_CODE, elfMachine: 183 },
};

/** The machine code alone, as assembled from the listings. */
export function shimCode(arch: ShimArch): Buffer {
  return Buffer.from(MACHINES[arch].code, "hex");
}

/**
 * The whole executable (ELF-64 specification): a file header, two program headers (the code, and an empty
 * PT_GNU_STACK that makes the stack non-executable) and the code.
 */
export function shimElf(arch: ShimArch): Buffer {
  const code = shimCode(arch);
  const headers = 64 + 2 * 56;
  const elf = Buffer.alloc(headers + code.length);
  elf.write("\x7fELF", "latin1");
  elf.set([2, 1, 1], 4); // 64 bit, little endian, version 1
  elf.writeUInt16LE(2, 16); // ET_EXEC
  elf.writeUInt16LE(MACHINES[arch].elfMachine, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(BigInt(LOAD_ADDRESS + headers), 24); // entry
  elf.writeBigUInt64LE(64n, 32); // program headers follow
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(2, 56);
  elf.writeUInt16LE(64, 58);
  const load = elf.subarray(64, 120);
  load.writeUInt32LE(1, 0); // PT_LOAD
  load.writeUInt32LE(5, 4); // read, execute
  load.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 16);
  load.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 24);
  load.writeBigUInt64LE(BigInt(elf.length), 32);
  load.writeBigUInt64LE(BigInt(elf.length), 40);
  load.writeBigUInt64LE(0x1000n, 48);
  const stack = elf.subarray(120, 176);
  stack.writeUInt32LE(0x6474e551, 0); // PT_GNU_STACK
  stack.writeUInt32LE(6, 4);
  stack.writeBigUInt64LE(16n, 48);
  code.copy(elf, headers);
  return elf;
}
