/** What those share who wait for containers: which ones, their next change, and whether anybody still asks. */
import { type ContainerManager, type ContainerRecord, LABELS } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";

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

/** Call it while waiting for a client. Throws ABORTED where that has gone away. */
export function checkIsWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new BayError("ABORTED", "the client disconnected");
}

/** A stack's containers that serve: no one-offs, and none that an update is about to remove or bring. */
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
