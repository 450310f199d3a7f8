/** The mode of a terminal: sets raw mode, as cfmakeraw(3), and restores it (ioctl_tty(2), TCGETS2 and TCSETSW2). */
import { syscall, trySyscall } from "./libc.ts";

const TCGETS2 = 0x802c542a;
/** Applies after all output was sent, and keeps input that was typed ahead. */
const TCSETSW2 = 0x402c542c;

/** struct termios2: four words of flags, the line discipline, 19 control characters, two speeds. */
const SIZE = 44;
const FLAGS = { input: 0, output: 4, control: 8, local: 12 };
const CONTROL_CHARACTERS = 17;
const [VTIME, VMIN] = [5, 6];

/** The flags that cfmakeraw(3) clears: of the input flags IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON … */
const CLEARED = {
  input: 0x001 | 0x002 | 0x008 | 0x020 | 0x040 | 0x080 | 0x100 | 0x400,
  /** OPOST */
  output: 0x1,
  /** CSIZE PARENB */
  control: 0x030 | 0x100,
  /** ISIG ICANON ECHO ECHONL IEXTEN */
  local: 0x0001 | 0x0002 | 0x0008 | 0x0040 | 0x8000,
};
const CS8 = 0x30;

/** The raw form of a mode: bytes are passed in both directions unchanged, one at a time. */
export function rawMode(mode: Buffer): Buffer {
  const raw = Buffer.from(mode);
  for (const key of ["input", "output", "control", "local"] as const) {
    const set = key === "control" ? CS8 : 0;
    raw.writeUInt32LE(((raw.readUInt32LE(FLAGS[key]) & ~CLEARED[key]) | set) >>> 0, FLAGS[key]);
  }
  raw[CONTROL_CHARACTERS + VTIME] = 0;
  raw[CONTROL_CHARACTERS + VMIN] = 1;
  return raw;
}

/** Throws `SyscallError` if the descriptor is not a terminal. */
export function terminalMode(fd: number): Buffer {
  const mode = Buffer.alloc(SIZE);
  syscall("ioctl", [fd, TCGETS2, mode], "read the mode of the terminal");
  return mode;
}

/** Returns false if the terminal is closed. */
export function setTerminalMode(fd: number, mode: Buffer): boolean {
  return trySyscall("ioctl", fd, TCSETSW2, mode) === 0;
}
