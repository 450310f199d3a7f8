/** New file systems as detached mounts: the mount API of fsopen(2), which needs no path of the container. */
import * as abi from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import { closePassing, NEXT_PASSING, PASSING } from "./descriptors.ts";

/** Creates a file system as a detached mount (fsopen(2), fsmount(2)), which is open as NEXT_PASSING. */
export function makeFileSystem(
  program: ProgramBuilder,
  type: string,
  data: readonly string[],
  attributes: number,
  about: string,
): void {
  program.call("fsopen", [type, abi.FSOPEN_CLOEXEC], { about });
  for (const option of data) {
    const at = option.indexOf("=");
    const operation = { about: `${about} -o ${option}` };
    if (at === -1) program.call("fsconfig", [PASSING, abi.FSCONFIG_SET_FLAG, option, 0, 0], operation);
    else {
      const [key, value] = [option.slice(0, at), option.slice(at + 1)];
      program.call("fsconfig", [PASSING, abi.FSCONFIG_SET_STRING, key, value, 0], operation);
    }
  }
  program.call("fsconfig", [PASSING, abi.FSCONFIG_CMD_CREATE, 0, 0, 0], { about });
  program.call("fsmount", [PASSING, abi.FSMOUNT_CLOEXEC, attributes], { about });
  closePassing(program);
}

/** Keeps the new file system open at a fixed number, too. */
export function keepFileSystem(program: ProgramBuilder, fd: number): void {
  program.call("dup3", [NEXT_PASSING, fd, abi.O_CLOEXEC]);
}
