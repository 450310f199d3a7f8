/** Watches the files of the stack itself, and shows and applies what a change of them means. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../core/errors.ts";
import type { Client } from "../daemon/client.ts";
import type { Plan } from "../reconcile/index.ts";
import type { Stack } from "../stack/index.ts";
import { applyStack } from "./actions.ts";
import { Batcher } from "./batcher.ts";
import { isLoss } from "./bayd-session.ts";
import type { Report } from "./events.ts";
import { networkFileSystem } from "./file-systems.ts";
import { FolderWatch } from "./folder-watch.ts";

/** Milliseconds before a change is applied again that bayd did not complete. */
const RETRY = 500;
/** Milliseconds between looks at the files: where the kernel reports no changes, and for what it may have lost. */
const POLL = 1_000;
const SWEEP = 10_000;

export interface LoadedFiles {
  stack: Stack;
  /** All files that were read or looked for, as absolute paths. */
  files: readonly string[];
}

export interface StackFilesOptions {
  client: Client;
  services: readonly string[];
  report: Report;
  /** Reads the files again. Throws their errors. */
  load: () => Promise<LoadedFiles>;
  /** An error for people, with its places. */
  explain: (error: unknown) => { message: string; hint?: string };
  /** Asks whether to apply a plan that removes a service or data; undefined without a terminal. */
  confirm: ((question: string) => Promise<boolean>) | undefined;
  /** The stack was applied, or is the same. */
  applied: (stack: Stack) => Promise<void>;
}

export class StackFiles {
  readonly #batcher = new Batcher(() => this.#queue());
  readonly #folders: FolderWatch;
  #names = new Set<string>();
  /** As it was applied. */
  #last: Stack;
  #failure = "";
  #running: Promise<void> = Promise.resolve();
  #isQueued = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;
  #isPolled = false;
  /** The files at the last look. */
  #state = "";

  constructor(
    readonly options: StackFilesOptions,
    loaded: LoadedFiles,
    readonly networkOf = networkFileSystem,
  ) {
    this.#last = loaded.stack;
    this.#names = new Set(loaded.files);
    this.#folders = new FolderWatch(
      (path) => {
        if (this.#names.has(path)) this.#batcher.touch();
      },
      () => {
        this.#isPolled = true; // the rules report it
        this.#planLook();
      },
    );
  }

  async start(): Promise<void> {
    this.#state = stateOf(this.#names);
    this.#planLook();
    await this.#folders.add([...new Set([...this.#names].map((path) => dirname(path)))]);
    this.#queue(); // a change before the files were watched
  }

  /** Shows the plan now, although no file has changed. */
  async showPlan(): Promise<void> {
    const { report } = this.options;
    try {
      const { stack } = await this.options.load();
      const plan = await this.#plan(stack);
      report({ type: "plan", ...(await shown(plan, stack)), applied: false });
    } catch (error) {
      report({ type: "stack-failed", ...this.options.explain(error) });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#look);
    this.#batcher.stop();
    await this.#folders.close();
  }

  /** Looks at the files again and again: other machines change those of a network file system without a report. */
  #planLook(): void {
    clearTimeout(this.#look);
    if (this.#isClosed) return;
    const isPolled = this.#isPolled || [...this.#names].some((path) => this.networkOf(dirname(path)));
    this.#look = setTimeout(
      () => {
        const state = stateOf(this.#names);
        if (state !== this.#state) this.#queue();
        this.#state = state;
        this.#planLook();
      },
      isPolled ? POLL : SWEEP,
    );
  }

  #queueLater(): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => this.#queue(), RETRY);
  }

  #queue(): void {
    if (this.#isQueued || this.#isClosed) return;
    this.#isQueued = true;
    this.#running = this.#running.then(() => {
      this.#isQueued = false;
      return this.#reload();
    });
  }

  async #reload(): Promise<void> {
    const { report, explain } = this.options;
    try {
      const { stack, files } = await this.#load();
      this.#failure = "";
      await this.#watchAlso(files);
      // a .dockerignore may have changed
      if (JSON.stringify(stack) === JSON.stringify(this.#last)) return await this.options.applied(stack);
      if (await this.#offer(stack)) this.#last = stack;
    } catch (error) {
      // bayd was stopped while it applied the stack: the rest is planned again
      if (isLoss(error)) return void this.#queueLater();
      const failure = explain(error);
      // an editor writes a file more than once
      if (failure.message !== this.#failure) report({ type: "stack-failed", ...failure });
      this.#failure = failure.message;
    }
  }

  /** Errors of files are not taken for those of the connection to bayd. */
  async #load(): Promise<LoadedFiles> {
    try {
      return await this.options.load();
    } catch (error) {
      if (!isLoss(error)) throw error;
      throw new Error(messageOf(error), { cause: error });
    }
  }

  /** Files that a change has added; those that it left out may come back, and do no harm. */
  async #watchAlso(files: readonly string[]): Promise<void> {
    const known = new Set([...this.#names].map((path) => dirname(path)));
    for (const file of files) this.#names.add(file);
    const added = new Set(files.map((path) => dirname(path)).filter((directory) => !known.has(directory)));
    await this.#folders.add([...added]);
  }

  #plan(stack: Stack): Promise<Plan> {
    // containers that were no part of the stack before are none of this change
    const removeOrphans = Object.keys(this.#last.services).some((name) => !(name in stack.services));
    const options = { services: this.options.services, removeOrphans };
    return this.options.client.json<Plan>("POST", "/bay/v1/plan", { stack, options });
  }

  /** Shows the plan, and applies it if that destroys nothing or the user agrees. Returns whether it was applied. */
  async #offer(stack: Stack): Promise<boolean> {
    const { report, confirm, services, client, applied } = this.options;
    const plan = await this.#plan(stack);
    const { steps, text, destructive } = await shown(plan, stack);
    if (plan.problems?.length) {
      report({ type: "stack-failed", message: plan.problems.join("\n") });
      return false;
    }
    const isAgreed =
      !destructive || ((await confirm?.(`${text}\nThis removes a service or data. Apply it?`)) ?? false);
    report({ type: "plan", steps, text, destructive, applied: isAgreed && steps > 0 });
    if (!isAgreed) return false;
    const began = performance.now();
    if (steps > 0) {
      await applyStack(client, stack, { services, ...(destructive ? { removeOrphans: true } : {}) });
      report({ type: "applied", steps, ms: Math.round(performance.now() - began) });
    }
    await applied(stack);
    return true;
  }
}

/** Differs when one of the files has changed. */
const stateOf = (paths: Iterable<string>): string =>
  [...paths]
    .map((path) => {
      try {
        const { ino, size, mtimeMs, ctimeMs } = statSync(path);
        return [path, ino, size, mtimeMs, ctimeMs].join(" ");
      } catch (error) {
        return `${path} ${messageOf(error)}`;
      }
    })
    .join("\n");

/** A plan as text, and whether it removes a service, or a volume with its data. */
async function shown(plan: Plan, stack: Stack) {
  const { printPlan } = await import("../reconcile/index.ts");
  return { steps: plan.steps.length, text: printPlan(plan), destructive: isDestructive(plan, stack) };
}

export function isDestructive({ steps }: Plan, stack: Stack): boolean {
  return steps.some(
    ({ kind, service, container }) =>
      kind === "volume.remove" ||
      container?.volumes !== undefined ||
      (kind === "container.remove" && (service === undefined || !(service in stack.services))),
  );
}
