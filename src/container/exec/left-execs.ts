/**
 * Execs that a bayd before this one started. A client's command may continue while bayd restarts; the next bayd waits for its
 * end. Health probes and hooks were bayd's own, so they end with it. Either way, what the command started ends with it.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SIGNALS } from "../../core/signals.ts";
import {
  isAlive,
  type ProcessGroup,
  type ProgramState,
  readProgramState,
  signalProcess,
} from "../../linux/index.ts";
import { endProcesses } from "../lifecycle/end-processes.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";

/** Who waits for a command: a client of the API, or bayd itself. */
export type ExecOwner = "client" | "bayd";

const GROUP_NAME = /^(client|bayd)-([0-9a-f]{16})$/;

/** The group of all that a command starts, below its container's; the name tells the next bayd what it is. */
export function execGroup(
  host: Host,
  container: ContainerRecord,
  owner: ExecOwner,
  token: string,
): ProcessGroup {
  return host.groups.of(container).below(`${owner}-${token}`);
}

/** The file of an exec's program, in which its shim notes the end. */
export function execProgramFile({ roots }: Host, token: string): string {
  return join(roots.run, "execs", token);
}

export class LeftExecs {
  readonly #left = new Map<string, { group: ProcessGroup; program: ProgramState }>();

  constructor(readonly host: Host) {}

  /** Takes over the execs of containers that run, and ends those that have nothing to wait for. */
  adopt(running: readonly ContainerRecord[]): void {
    for (const record of running)
      for (const name of this.host.groups.of(record).groupsBelow()) {
        const [, owner, token] = GROUP_NAME.exec(name) ?? [];
        if (token !== undefined) this.#adopt(record, owner as ExecOwner, token);
      }
    for (const token of readdirSync(join(this.host.roots.run, "execs")))
      if (!this.#left.has(token)) rmSync(execProgramFile(this.host, token), { force: true });
  }

  #adopt(record: ContainerRecord, owner: ExecOwner, token: string): void {
    const group = execGroup(this.host, record, owner, token);
    const program = owner === "client" ? this.#read(token) : undefined;
    if (program && hasNotEnded(program)) this.#left.set(token, { group, program });
    else void endProcesses(group);
  }

  #read(token: string): ProgramState | undefined {
    try {
      return readProgramState(readFileSync(execProgramFile(this.host, token)));
    } catch {
      return undefined; // it was killed before it began
    }
  }

  /**
   * Ends the groups of execs that have ended while their container was paused: the kernel kills a frozen process only after it
   * is thawed (cgroup v1, freezer).
   */
  endFinished(record: ContainerRecord): void {
    for (const name of this.host.groups.of(record).groupsBelow()) {
      const [, owner, token] = GROUP_NAME.exec(name) ?? [];
      if (token === undefined || this.#left.has(token) || this.host.execs.find(token)?.running) continue;
      void endProcesses(execGroup(this.host, record, owner as ExecOwner, token));
    }
  }

  /** The shims that wait for them. */
  shims(): number[] {
    return [...this.#left.values()].map(({ program }) => program.shimPid);
  }

  /** A shim announced an end. False where the token is none of these. */
  ended(token: string): boolean {
    const left = this.#left.get(token);
    if (!left) return false;
    this.#left.delete(token);
    signalProcess(left.program.shimPid, left.program.shimStart, SIGNALS.SIGKILL);
    rmSync(execProgramFile(this.host, token), { force: true });
    void endProcesses(left.group);
    return true;
  }

  /** Finds the ends that were not announced. */
  observe(): void {
    for (const [token, { program }] of this.#left) if (!hasNotEnded(program)) this.ended(token);
  }
}

function hasNotEnded({ status, childPid, childStart }: ProgramState): boolean {
  return status === undefined && isAlive(childPid, childStart);
}
