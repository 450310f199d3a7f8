/** Waiting for containers to change. */
import type { ContainerManager } from "../container/index.ts";

/** Resolves at the next change of any container, or after some time. */
export function nextChange(manager: ContainerManager, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      manager.off("changed", finish);
      resolve();
    };
    const timer = setTimeout(finish, milliseconds);
    manager.once("changed", finish);
  });
}
