/**
 * Keeps what lxcfs shows in running containers alive. After a restart of lxcfs, the files that it provided can no longer be
 * read: they are replaced by those of the new one, and by the kernel's own while there is none.
 */
import { messageOf } from "../../core/errors.ts";
import { isKernelPath } from "../../core/mount-targets.ts";
import { startWorker } from "../../image/index.ts";
import { close, mountTable, openProcess, type Remount } from "../../linux/index.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { isRunning } from "../model/records.ts";
import {
  isLxcfs,
  type LimitMount,
  limitMounts,
  lxcfsDevice,
  showsLimits,
  withoutOwn,
} from "../spec/lxcfs.ts";

/** What is known of the present run of a container. */
interface Run {
  start: number;
  /** It has files of lxcfs, or should have them. */
  isConcerned: boolean;
  /** The lxcfs whose files it has; "" before the first look, undefined for none. */
  device: string | undefined;
}

/** Milliseconds after which a container that cannot be repaired no longer holds up the others. */
const LONGEST = 10_000;

export class LimitRepair {
  readonly #runs = new Map<string, Run>();
  #isBusy = false;
  #warned = "";

  constructor(readonly host: Host) {}

  /** Begins the repair of containers that have another lxcfs than the host. It does not wait: lxcfs may be slow to answer. */
  look(): void {
    const { records, settings } = this.host;
    const running = records.list().filter(isRunning);
    this.#forget(running);
    const concerned = running.filter((record) => this.#runOf(record).isConcerned);
    if (concerned.length === 0 || this.#isBusy) return;
    const device = lxcfsDevice(settings.lxcfs);
    const outdated = concerned.filter((record) => this.#runOf(record).device !== device);
    if (outdated.length === 0) return;
    this.#isBusy = true;
    void this.#repair(outdated, device)
      .catch((error) => this.#warn(`lxcfs: ${messageOf(error)}`))
      .finally(() => {
        this.#isBusy = false;
      });
  }

  async #repair(records: ContainerRecord[], device: string | undefined): Promise<void> {
    const { settings } = this.host;
    const mounts = device === undefined ? [] : await limitMounts(settings.lxcfs);
    this.#warned = "";
    for (const record of records) {
      const { name, mounts: own } = record.config;
      const given = showsLimits(record.config, settings) ? withoutOwn(mounts, own) : [];
      try {
        if (await change(record, device, given))
          this.#warn(`container ${name}: repaired the files of lxcfs in /proc`);
      } catch (error) {
        this.#warn(`container ${name}: the files of lxcfs cannot be repaired: ${messageOf(error)}`);
      }
      this.#runOf(record).device = device;
    }
  }

  /** Looks at the mounts of a container once in each of its runs. */
  #runOf({ id, config, state: { pid, start } }: ContainerRecord): Run {
    const known = this.#runs.get(id);
    if (known?.start === start) return known;
    const isConcerned = showsLimits(config, this.host.settings) || mountTable(pid).some(isLxcfs);
    const run = { start, isConcerned, device: "" };
    this.#runs.set(id, run);
    return run;
  }

  #forget(running: readonly ContainerRecord[]): void {
    if (this.#runs.size <= running.length) return;
    const ids = new Set(running.map(({ id }) => id));
    for (const id of this.#runs.keys()) if (!ids.has(id)) this.#runs.delete(id);
  }

  /** A failure that lasts is told once. */
  #warn(text: string): void {
    if (text === this.#warned) return;
    this.#warned = text;
    this.host.emit("warning", text);
  }
}

/** Gives a container the files of this lxcfs. Returns false if it has them, and for one that has ended. */
async function change(
  { state }: ContainerRecord,
  device: string | undefined,
  given: LimitMount[],
): Promise<boolean> {
  const all = mountTable(state.pid);
  const found = all.filter(isLxcfs);
  // a container can move other directories, and so lead the path to another mount, such as a mask
  const unmount = found
    .filter((each) => each.device !== device && isKernelPath(each.point))
    .map(({ point, device: of }) => ({ target: point, device: of }));
  const current = new Set(found.filter((each) => each.device === device).map(({ point }) => point));
  const mount = given.filter(({ target }) => !current.has(target));
  if (unmount.length + mount.length === 0) return false;
  const kernel = all
    .filter(
      ({ type, point }) => (type === "proc" && point === "/proc") || (type === "sysfs" && point === "/sys"),
    )
    .map(({ device: of }) => of);
  const pidfd = openProcess(state.pid, state.start);
  if (pidfd === undefined) return false;
  await runRemount({ pidfd, unmount, mount, kernel });
  return true;
}

function runRemount(task: Remount): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = startWorker("remount-worker", { workerData: task, stdout: false, stderr: false });
    let problem: Error | undefined = new Error("the worker ended without an answer");
    const timer = setTimeout(() => reject(new Error("it takes too long")), LONGEST);
    worker.on("message", (answer: { ok: boolean; message?: string }) => {
      problem = answer.ok ? undefined : new Error(answer.message);
    });
    worker.on("error", (error) => {
      problem = error;
    });
    worker.on("exit", () => {
      clearTimeout(timer);
      close(task.pidfd);
      if (problem) reject(problem);
      else resolve();
    });
  });
}
