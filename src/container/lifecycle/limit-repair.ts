/**
 * Keeps what lxcfs shows in running containers alive. After a restart of lxcfs, the files that it provided can no longer be
 * read: they are replaced by those of the new one, and by the kernel's own while there is none.
 */
import { messageOf } from "../../core/errors.ts";
import { isKernelPath } from "../../core/mount-targets.ts";
import { startWorker } from "../../image/index.ts";
import { close, openProcess, type Remount } from "../../linux/index.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning } from "../model/records.ts";
import { type LimitMount, limitMounts, lxcfsDevice, lxcfsMounts, showsLimits } from "../spec/lxcfs.ts";

export class LimitRepair {
  /** The lxcfs whose files the containers have; undefined before the first look. */
  #seen: { device: string | undefined } | undefined;
  #isBusy = false;

  constructor(readonly host: Host) {}

  /** Begins the repair of all containers if lxcfs was restarted. It does not wait: lxcfs may be slow to answer. */
  look(): void {
    const { records, settings } = this.host;
    const using = records
      .list()
      .filter((record) => isRunning(record) && showsLimits(record.config, settings));
    if (using.length === 0 || this.#isBusy) return;
    const device = lxcfsDevice(settings.lxcfs);
    if (this.#seen && this.#seen.device === device) return;
    this.#isBusy = true;
    void this.#repair(using, device)
      .then(() => {
        this.#seen = { device };
      })
      .catch((error) => this.host.emit("warning", `lxcfs: ${messageOf(error)}`))
      .finally(() => {
        this.#isBusy = false;
      });
  }

  async #repair(records: ContainerRecord[], device: string | undefined): Promise<void> {
    const mounts = device === undefined ? [] : await limitMounts(this.host.settings.lxcfs);
    for (const record of records) {
      const { state, config } = record;
      const own = new Set(config.mounts.map(({ target }) => target));
      const change = changeOf(
        state.pid,
        device,
        mounts.filter(({ target }) => !own.has(target)),
      );
      if (change === undefined) continue;
      const pidfd = openProcess(state.pid, state.start);
      if (pidfd === undefined) continue;
      await runRemount({ pidfd, ...change });
      this.host.emit("warning", `container ${config.name}: repaired the files of lxcfs in /proc`);
    }
  }
}

/** What must change in the mounts of a container; undefined for nothing, and for one that has ended. */
function changeOf(
  pid: number,
  device: string | undefined,
  mounts: LimitMount[],
): Omit<Remount, "pidfd"> | undefined {
  let found: ReturnType<typeof lxcfsMounts>;
  try {
    found = lxcfsMounts(pid);
  } catch {
    return undefined;
  }
  // a container can move other directories, and so lead the path to another mount, such as a mask
  const unmount = found
    .filter((each) => each.device !== device && isKernelPath(each.point))
    .map(({ point }) => point);
  const current = new Set(found.filter((each) => each.device === device).map(({ point }) => point));
  const mount = mounts.filter(({ target }) => !current.has(target));
  return unmount.length + mount.length === 0 ? undefined : { unmount, mount };
}

function runRemount(task: Remount): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = startWorker("remount-worker", { workerData: task, stdout: false, stderr: false });
    let problem: Error | undefined = new Error("the worker ended without an answer");
    worker.on("message", (answer: { ok: boolean; message?: string }) => {
      problem = answer.ok ? undefined : new Error(answer.message);
    });
    worker.on("error", (error) => {
      problem = error;
    });
    worker.on("exit", () => {
      close(task.pidfd);
      if (problem) reject(problem);
      else resolve();
    });
  });
}
