/** Shared by code that waits for containers: which ones, their next change, and whether the client is still connected. */
import { type ContainerManager, type ContainerRecord, LABELS } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";

/** Resolves at the next change of any container, also of other hosts, or after a timeout. */
export function nextChange(manager: ContainerManager, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      manager.off("changed", finish);
      manager.off("peers", finish);
      resolve();
    };
    const timer = setTimeout(finish, milliseconds);
    manager.once("changed", finish);
    manager.once("peers", finish);
  });
}

/** Call it while waiting for a client. Throws ABORTED if the client has disconnected. */
export function checkIsWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new BayError("ABORTED", "the client disconnected");
}

/**
 * A stack's regular containers: without one-offs, and without those that an update is about to remove or has not promoted
 * yet.
 */
export function servingContainers(
  manager: ContainerManager,
  stack: string,
  isChosen: (service: string) => boolean,
): ContainerRecord[] {
  return manager
    .list()
    .filter(
      ({ config: { labels }, role }) =>
        !role &&
        labels[LABELS.stack] === stack &&
        labels[LABELS.oneOff] !== "True" &&
        isChosen(labels[LABELS.service] ?? ""),
    );
}
