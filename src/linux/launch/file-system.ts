/** New file systems as detached mounts: the mount API of fsopen(2), which names no path of the container. */
import * as abi from "../abi.ts";
import type { ProgramBuilder } from "../program.ts";
import { FD, resultAs } from "./descriptors.ts";

/** Makes a file system as a detached mount (fsopen(2), fsmount(2)). */
export function makeFileSystem(
  program: ProgramBuilder,
  type: string,
  data: readonly string[],
  attributes: number,
  fd: number,
  about: string,
): void {
  resultAs(program, FD.scratch, () => program.call("fsopen", [type, abi.FSOPEN_CLOEXEC], { about }));
  for (const option of data) {
    const at = option.indexOf("=");
    const operation = { about: `${about} -o ${option}` };
    if (at === -1) program.call("fsconfig", [FD.scratch, abi.FSCONFIG_SET_FLAG, option, 0, 0], operation);
    else {
      const [key, value] = [option.slice(0, at), option.slice(at + 1)];
      program.call("fsconfig", [FD.scratch, abi.FSCONFIG_SET_STRING, key, value, 0], operation);
    }
  }
  program.call("fsconfig", [FD.scratch, abi.FSCONFIG_CMD_CREATE, 0, 0, 0], { about });
  resultAs(program, fd, () =>
    program.call("fsmount", [FD.scratch, abi.FSMOUNT_CLOEXEC, attributes], { about }),
  );
}
