/** Reads the state of a program from its file, after it has started. */
import { BayError } from "../core/errors.ts";
import { HEADER, MAGIC, RECORD, STATUS_RUNNING } from "./program-format.ts";

/** The state in a program file's header; the file may have been truncated to its first page. */
export interface ProgramState {
  childPid: number;
  shimPid: number;
  childStart: number;
  shimStart: number;
  /** The wait status of the container's main process, or undefined while it runs. */
  status: number | undefined;
  /** Milliseconds since the epoch; undefined while it runs. */
  endedAt: number | undefined;
  /** With an init: the main process's PID in the container's PID namespace. */
  mainPid: number | undefined;
  /** The shim's descriptor of the pty master. */
  ttyFd: number | undefined;
}

/** Parses the first page of a program file, as hostile input. Throws BAD_PROGRAM if it is not one. */
export function readProgramState(page: Buffer): ProgramState {
  if (page.length < RECORD || page.readUInt32LE(HEADER.magic) !== MAGIC) {
    throw new BayError("BAD_PROGRAM", "not a program file of bay");
  }
  const status = page.readUInt32LE(HEADER.status);
  const mainStatus = page.readUInt32LE(HEADER.mainStatus);
  const mainPid = page.readUInt32LE(HEADER.mainPid);
  const ttyRecord = page.readUInt32LE(HEADER.ttyRecord);
  const known = (value: number) => (value === STATUS_RUNNING ? undefined : value);
  // an init ends by itself after it has sent its main process's status; a killed one has not
  const isInitsEnd = mainPid !== 0 && (status & 0x7f) === 0;
  const wholeStatus = known(isInitsEnd ? mainStatus : status);
  const ended = wholeStatus !== undefined;
  const tty =
    ttyRecord >= RECORD && ttyRecord + RECORD <= page.length ? page.readBigInt64LE(ttyRecord + 56) : -1n;
  return {
    childPid: page.readUInt32LE(HEADER.childPid),
    shimPid: page.readUInt32LE(HEADER.shimPid),
    childStart: Number(page.readBigUInt64LE(HEADER.childStart)),
    shimStart: Number(page.readBigUInt64LE(HEADER.shimStart)),
    status: wholeStatus,
    endedAt: ended
      ? Number(page.readBigInt64LE(HEADER.endedAt)) * 1000 +
        Math.floor(Number(page.readBigInt64LE(HEADER.endedAt + 8)) / 1e6)
      : undefined,
    mainPid: mainPid === 0 ? undefined : mainPid,
    ttyFd: tty >= 0n && tty < 1_000_000n ? Number(tty) : undefined,
  };
}
