/**
 * Execs that an earlier bayd started. A client's command may continue while bayd restarts, and the next bayd waits for its
 * end. Health probes and hooks belong to bayd, so the next bayd ends them. In both cases the processes that the command
 * started are killed.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SIGNALS } from "../../core/signals.ts";
import { isAlive, type ProcessGroup, type ProgramState, signalProcess } from "../../linux/index.ts";
import { endProcesses } from "../lifecycle/end-processes.ts";
import { readProgram } from "../lifecycle/exit-status.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";

/** What waits for a command: a client of the API, or bayd itself. */
export type ExecOwner = "client" | "bayd";

const GROUP_NAME = /^(client|bayd)-([0-9a-f]{16})$/;

/** The cgroup of all processes that a command starts, below its container's; the name tells the next bayd what it is. */
export function execGroup(
  host: Host,
  container: ContainerRecord,
  owner: ExecOwner,
  token: string,
): ProcessGroup {
  return host.groups.of(container).below(`${owner}-${token}`);
}

/** The file of an exec's program, to which its shim writes the exit status. */
export function execProgramFile({ roots }: Host, token: string): string {
  return join(roots.run, "execs", token);
}

export class LeftExecs {
  readonly #left = new Map<string, { group: ProcessGroup; program: ProgramState }>();

  constructor(readonly host: Host) {}

  /** Takes over the execs of running containers, and ends those whose result is not needed. */
  adopt(running: readonly ContainerRecord[]): void {
    for (const record of running)
      for (const { owner, token, group } of this.#groupsOf(record)) this.#adopt(owner, token, group);
    for (const token of readdirSync(join(this.host.roots.run, "execs")))
      if (!this.#left.has(token)) rmSync(execProgramFile(this.host, token), { force: true });
  }

  #groupsOf(record: ContainerRecord): { owner: ExecOwner; token: string; group: ProcessGroup }[] {
    return this.host.groups
      .of(record)
      .groupsBelow()
      .flatMap((name) => {
        const [, owner, token] = GROUP_NAME.exec(name) ?? [];
        if (token === undefined) return [];
        const group = execGroup(this.host, record, owner as ExecOwner, token);
        return [{ owner: owner as ExecOwner, token, group }];
      });
  }

  #adopt(owner: ExecOwner, token: string, group: ProcessGroup): void {
    const program = owner === "client" ? readProgram(execProgramFile(this.host, token)) : undefined;
    if (program && hasNotEnded(program)) this.#left.set(token, { group, program });
    else void endProcesses(group);
  }

  /**
   * Ends the groups of execs that have ended while their container was paused: the kernel kills a frozen process only after it
   * is thawed (cgroup v1, freezer).
   */
  endFinished(record: ContainerRecord): void {
    for (const { token, group } of this.#groupsOf(record))
      if (!this.#left.has(token) && !this.host.execs.find(token)?.isActive) void endProcesses(group);
  }

  /** The PIDs of the shims of these execs. */
  shims(): number[] {
    return [...this.#left.values()].map(({ program }) => program.shimPid);
  }

  /** Called when a shim announces an end. Returns false if the token is not one of these. */
  ended(token: string): boolean {
    const left = this.#left.get(token);
    if (!left) return false;
    this.#left.delete(token);
    signalProcess(left.program.shimPid, left.program.shimStart, SIGNALS.SIGKILL);
    rmSync(execProgramFile(this.host, token), { force: true });
    void endProcesses(left.group);
    return true;
  }

  /** Finds execs whose end was not announced. */
  observe(): void {
    for (const [token, { program }] of this.#left) if (!hasNotEnded(program)) this.ended(token);
  }
}

function hasNotEnded({ status, childPid, childStart }: ProgramState): boolean {
  return status === undefined && isAlive(childPid, childStart);
}
