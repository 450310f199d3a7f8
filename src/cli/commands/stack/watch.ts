/** `bay watch`, and the watch of `bay up --watch`. */
import { resolve } from "node:path";
import { BayError, hasCode, messageOf } from "../../../core/errors.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Stack } from "../../../stack/index.ts";
import { type LoadedFiles, StackFiles, Watch, type WatchEvent } from "../../../watch/index.ts";
import type { Context } from "../../context.ts";
import { hasCursor } from "../../ui/output.ts";
import { linesOf } from "../../ui/watch-lines.ts";
import { claimOf, sendUp } from "./send-up.ts";

/** The exit code where Ctrl-C ended the command before the stack was up, as with `bay up` (128 + SIGINT). */
const INTERRUPTED = 130;

interface WatchCommandOptions {
  /** --no-up */
  up?: boolean;
  prune?: boolean;
  quiet?: boolean;
  json?: boolean;
  takeOver?: boolean;
}

/** Watches until Ctrl-C or q; the stack keeps running. */
export async function watch(
  context: Context,
  services: string[],
  options: WatchCommandOptions,
): Promise<number> {
  const loaded = await loadFiles(context, services);
  if (context.options.dryRun) return dryRun(loaded.stack, services);
  const left = new AbortController();
  const leave = () => left.abort();
  const view = await viewFor(options, loaded.stack, services);
  process.on("SIGINT", leave);
  process.on("SIGTERM", leave);
  try {
    const client = await context.daemon();
    const running = await startWatch(context, client, services, loaded, {
      prune: options.prune !== false,
      report: view.report,
      confirm: view.confirm,
    });
    try {
      if (options.up !== false)
        await sendUp(
          client,
          loaded.stack,
          { options: { services }, ...claimOf(options) },
          { quiet: options.quiet || options.json === true },
          left.signal,
        );
      await running.begin();
      await view.open?.(client, running, leave);
      if (!left.signal.aborted)
        await Promise.race([
          running.watch.ended,
          new Promise((done) => left.signal.addEventListener("abort", done)),
        ]);
    } finally {
      await view.close?.();
      await running.close();
    }
  } catch (error) {
    if (!left.signal.aborted || !hasCode(error, "ABORTED")) throw error;
    return INTERRUPTED;
  } finally {
    process.off("SIGINT", leave);
    process.off("SIGTERM", leave);
  }
  return 0;
}

/** The rules that would be watched. */
async function dryRun(stack: Stack, services: readonly string[]): Promise<number> {
  const chosen = Object.values(stack.services).filter(
    ({ name }) => services.length === 0 || services.includes(name),
  );
  for (const { name, watch: rules = [] } of chosen)
    for (const { action, path, target } of rules)
      process.stdout.write(`${name}  ${action} ${path}${target === undefined ? "" : ` -> ${target}`}\n`);
  return 0;
}

export interface RunningWatch {
  watch: Watch;
  files: StackFiles;
  /** Call it when the stack is up. */
  begin: () => Promise<void>;
  close: () => Promise<void>;
}

interface StartOptions {
  prune: boolean;
  report: (event: WatchEvent) => void;
  confirm: ((question: string) => Promise<boolean>) | undefined;
}

/** Starts the watch of a stack that is about to come up. Throws like Watch. */
export async function startWatch(
  context: Context,
  client: Client,
  services: readonly string[],
  loaded: LoadedFiles,
  { prune, report, confirm }: StartOptions,
): Promise<RunningWatch> {
  // each change would be sent as files, builds and stacks of this computer
  if (client.isRemote) await context.requireOwn("watching files");
  const running = new Watch({ client, stack: loaded.stack, services, prune, report });
  const files = new StackFiles(
    {
      client,
      services,
      report,
      confirm,
      load: async () => {
        const changed = await loadFiles(context, services);
        running.check(changed.stack);
        return changed;
      },
      explain,
      applied: (stack) => running.update(stack),
    },
    loaded,
  );
  const close = async () => {
    await files.close();
    await running.close();
  };
  try {
    await running.start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    watch: running,
    files,
    begin: async () => {
      await files.start();
      running.begun();
    },
    close,
  };
}

/** Reads the stack's files, and names all of them. Throws StackError. */
export async function loadFiles(context: Context, services: readonly string[]): Promise<LoadedFiles> {
  const { loadStack } = await import("../../../stack/index.ts");
  const { stack, inputs, sources } = await context.load(context.loadOptions([...services]), (request) =>
    loadStack(request),
  );
  const { ignoreFilesOf } = await import("../../../watch/index.ts");
  const ignores = Object.values(stack.services).flatMap((service) =>
    service.watch?.length ? ignoreFilesOf(service) : [],
  );
  const files = [...stack.files, ...sources.keys(), ...inputs, ...ignores].map((path) => resolve(path));
  return { stack, files: [...new Set(files)] };
}

function explain(error: unknown): { message: string; hint?: string } {
  const hint = error instanceof BayError ? error.hint : undefined;
  return { message: messageOf(error), ...(hint ? { hint } : {}) };
}

interface View {
  report: (event: WatchEvent) => void;
  confirm: StartOptions["confirm"];
  open?: (client: Client, running: RunningWatch, leave: () => void) => Promise<void>;
  close?: () => Promise<void>;
}

async function viewFor(
  options: WatchCommandOptions,
  stack: Stack,
  services: readonly string[],
): Promise<View> {
  if (options.json) {
    const { eventLine } = await import("../../../watch/index.ts");
    return { report: (event) => void process.stdout.write(eventLine(event)), confirm: undefined };
  }
  if (hasCursor(process.stdout) && process.stdin.isTTY) {
    const { LiveWatch } = await import("./watch-live.ts");
    return new LiveWatch(stack, services, options.quiet ?? false);
  }
  return {
    report: (event) => {
      for (const line of linesOf(event, options.quiet ?? false)) process.stdout.write(`${line}\n`);
    },
    confirm: undefined,
  };
}
