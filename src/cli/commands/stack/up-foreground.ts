/**
 * `bay up` in the foreground: shows the logs of the stack's containers, also those that other commands restart or add.
 * It ends when no container runs, or as the options say. Ctrl-C stops the stack; a second one kills it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../../core/errors.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Stack } from "../../../stack/index.ts";
import {
  type ContainerRow,
  chooseContainers,
  listContainers,
  nameOf,
  serviceOf,
} from "../../named-containers.ts";
import { LogFollower } from "../../ui/log-follower.ts";
import { changesOf, patiently } from "../../ui/stack-changes.ts";

export interface FollowOptions {
  attach: string[] | undefined;
  noAttach: readonly string[];
  logPrefix: boolean;
  colour: boolean;
  timestamps: boolean;
  /** Stop all containers when the first one ends, or ends with a non-zero exit code. */
  abortOn: "exit" | "failure" | undefined;
  exitCodeFrom: string | undefined;
  graceSeconds: number | undefined;
  /** Earlier output is not shown: seconds since 1970. */
  since: string | undefined;
}

interface Inspected {
  State: { ExitCode: number; EndedBy?: string };
}

interface Activity {
  isChanging: boolean;
  restarting: string[];
}

/** Milliseconds between checks while no container runs and another command works on the stack. */
const STEP = 200;

/** Returns the exit code of the command. */
export async function follow(
  client: Client,
  stack: Stack,
  services: string[],
  options: FollowOptions,
): Promise<number> {
  const session = new ForegroundSession(client, stack, services, options);
  process.on("SIGINT", session.interrupt);
  process.on("SIGTERM", session.interrupt);
  try {
    return await session.run();
  } finally {
    process.off("SIGINT", session.interrupt);
    process.off("SIGTERM", session.interrupt);
  }
}

class ForegroundSession {
  readonly #follower: LogFollower;
  /** The containers whose logs are shown, by ID. */
  readonly #logs = new Set<string>();
  /** Exit codes of containers whose end was reported. */
  readonly #ended = new Map<string, number>();
  /** The exit codes of services: that of the container which ended last. */
  readonly #codes = new Map<string, number>();
  #rows: ContainerRow[] = [];
  #interrupts = 0;
  #stopping: Promise<void> | undefined;

  constructor(
    readonly client: Client,
    readonly stack: Stack,
    readonly services: string[],
    readonly options: FollowOptions,
  ) {
    const { logPrefix: prefix, timestamps, colour } = options;
    this.#follower = new LogFollower(client, { prefix, timestamps, colour });
  }

  readonly interrupt = (): void => {
    this.#interrupts += 1;
    if (this.#interrupts > 2) process.exit(130);
    process.stderr.write(this.#interrupts === 1 ? "\nstopping; press Ctrl-C again to kill\n" : "\nkilling\n");
    this.#stop(this.#interrupts > 1);
  };

  async run(): Promise<number> {
    let first: string | undefined;
    for await (const _change of changesOf(this.client, this.stack.name)) {
      let activity: Activity;
      let running: ContainerRow[];
      do {
        activity = await patiently(() =>
          this.client.json<Activity>("GET", `/bay/v1/stacks/${encodeURIComponent(this.stack.name)}/activity`),
        );
        running = await this.#look(activity);
        // for example, no event occurs while an image is built for the next container
        if (running.length === 0 && isBusy(activity)) await sleep(STEP);
      } while (running.length === 0 && isBusy(activity));
      if (running.length === 0) break;
      if (!this.options.abortOn || first !== undefined || isBusy(activity)) continue;
      first = this.#firstEnded();
      if (first !== undefined && this.#interrupts === 0) this.#stop(false);
    }
    await this.#stopping;
    await this.#follower.finish();
    const judged =
      this.options.exitCodeFrom ?? (this.options.abortOn ? (first ?? this.#firstEnded()) : undefined);
    if (judged !== undefined) return this.#codes.get(judged) ?? 0;
    return this.#interrupts > 0 ? 130 : 0;
  }

  /** Processes changes; returns the containers that run or will restart by their restart policy. */
  async #look({ restarting }: Activity): Promise<ContainerRow[]> {
    const all = await patiently(() => listContainers(this.client, this.stack.name));
    const { services, stack } = this;
    const known = Object.keys(stack.services);
    this.#rows = chooseContainers(all, stack.name, { services, known });
    for (const row of this.#rows) {
      if (this.#isShown(row)) this.#showLogs(row);
      if (isUp(row)) this.#ended.delete(row.Id);
      else if (row.State !== "created" && !this.#ended.has(row.Id) && !restarting.includes(row.Id))
        await this.#sayEnd(row);
    }
    return this.#rows.filter(isUp);
  }

  #isShown(row: ContainerRow): boolean {
    const { attach, noAttach } = this.options;
    const service = serviceOf(row);
    if (noAttach.includes(service)) return false;
    return attach?.length ? attach.includes(service) : this.stack.services[service]?.attach !== false;
  }

  #showLogs(row: ContainerRow): void {
    if (this.#logs.has(row.Id)) return;
    const { since } = this.options;
    this.#logs.add(row.Id);
    this.#follower
      .follow(row, { tail: "all", follow: true, ...(since ? { since } : {}) })
      .catch((error: unknown) => void process.stderr.write(`${messageOf(error)}\n`));
  }

  async #sayEnd(row: ContainerRow): Promise<void> {
    const inspected = await patiently(() =>
      this.client.json<Inspected>("GET", `/containers/${row.Id}/json`),
    ).catch(() => undefined); // it was removed in the meantime
    if (!inspected) return;
    const { ExitCode, EndedBy } = inspected.State;
    this.#ended.set(row.Id, ExitCode);
    this.#codes.set(serviceOf(row), ExitCode);
    process.stderr.write(`${nameOf(row)} exited with code ${ExitCode}${EndedBy ? ` (${EndedBy})` : ""}\n`);
  }

  /** The service of the first container that ended and meets `abortOn`. */
  #firstEnded(): string | undefined {
    const counts = (code: number) => code !== 0 || this.options.abortOn === "exit";
    const id = [...this.#ended.keys()].find((each) => counts(this.#ended.get(each)!));
    const row = this.#rows.find(({ Id }) => Id === id);
    return row && serviceOf(row);
  }

  #stop(kill: boolean): void {
    const before = this.#stopping;
    const stopped = stopContainers(this.client, this.#rows, kill, this.options.graceSeconds);
    this.#stopping = Promise.all([before, stopped]).then(() => {});
  }
}

const isUp = ({ State }: ContainerRow) => ["running", "paused", "restarting"].includes(State);

/** Whether another command is starting containers, or may be. */
const isBusy = ({ isChanging, restarting }: Activity) => isChanging || restarting.length > 0;

async function stopContainers(
  client: Client,
  rows: ContainerRow[],
  kill: boolean,
  grace: number | undefined,
): Promise<void> {
  const query = grace === undefined ? "" : `?t=${grace}`;
  const path = kill ? "kill?signal=SIGKILL" : `stop${query}`;
  await Promise.all(
    rows.map((row) => client.json("POST", `/containers/${nameOf(row)}/${path}`).catch(() => {})),
  );
}
