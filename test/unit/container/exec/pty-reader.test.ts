/** The end of a terminal's output. */
import { spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readTerminal } from "../../../../src/container/exec/pty-reader.ts";
import { syscall } from "../../../../src/linux/libc.ts";

const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;

/** A new pseudo-terminal, and the path of the side that programs open. */
function openTerminal(): { master: number; path: string } {
  const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY);
  syscall("ioctl", [master, TIOCSPTLCK, Buffer.alloc(4)], "unlock");
  const number = Buffer.alloc(4);
  syscall("ioctl", [master, TIOCGPTN, number], "number");
  return { master, path: `/dev/pts/${number.readUInt32LE(0)}` };
}

describe("a terminal's output", () => {
  it("is read to its end where the last program closes it between two reads", async () => {
    for (let round = 0; round < 20; round++) {
      const { master, path } = openTerminal();
      const slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
      const text = "line\n".repeat(300 + round);
      const child = spawn(
        "sh",
        ["-c", 'i=0; while [ $i -lt 40 ]; do echo "$1"; i=$((i+1)); done', "sh", text],
        {
          stdio: ["ignore", slave, "ignore"],
        },
      );
      closeSync(slave);
      let output = "";
      const stream = readTerminal(master, (bytes) => {
        output += bytes;
      });
      await Promise.all([
        new Promise((resolve) => child.once("exit", resolve)),
        new Promise((resolve) => stream.once("close", resolve)),
      ]);
      expect(output.replaceAll("\r", "").length).toBe((text.length + 1) * 40);
    }
  });
});
