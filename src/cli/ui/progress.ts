/** The progress of a plan's steps: listr2 on a terminal, a line per change otherwise. */
import type { Progress, Step } from "../../reconcile/index.ts";
import { isStatusOnStdout, paint, progressStyle } from "./output.ts";

const DONE: Record<Step["kind"], string> = {
  "image.build": "built",
  "image.make": "made",
  "image.pull": "pulled",
  "image.fetch": "fetched",
  "network.create": "created",
  "network.replace": "replaced",
  "network.update": "changed",
  "volume.update": "changed",
  "network.remove": "removed",
  "network.repair": "repaired",
  "volume.create": "created",
  "volume.remove": "removed",
  "port.release": "released",
  "container.create": "started",
  "container.replace": "replaced",
  "container.update": "changed",
  "container.start": "started",
  "container.restart": "restarted",
  "container.remove": "removed",
  "host.repair": "repaired",
};

export interface ProgressView {
  show(progress: Progress): void;
  /** What the whole command is waiting for. */
  say(text: string): void;
  /** Call it when the progress is complete. */
  end(): Promise<void>;
}

const done = ({ kind, starts }: Progress) =>
  kind === "container.create" && starts === false ? "created" : DONE[kind];
const label = ({ kind, name }: Progress) =>
  kind === "host.repair"
    ? "bay's nftables rules"
    : kind === "port.release"
      ? `ports of ${name}`
      : `${kind.split(".")[0]} ${name}`;

export async function progressView(): Promise<ProgressView> {
  const style = progressStyle();
  if (style === "quiet") return { show: () => {}, say: () => {}, end: async () => {} };
  if (style === "json") return jsonView();
  if (isStatusOnStdout()) return plainView((line) => void process.stdout.write(line));
  return style === "tty" ? terminalView() : plainView();
}

/** Hides the progress of some kinds of steps; their failures are still shown. */
export function withoutKinds(view: ProgressView, kinds: readonly Step["kind"][]): ProgressView {
  const isHidden = ({ kind, state }: Progress) => kinds.includes(kind) && state !== "failed";
  return { ...view, show: (progress) => isHidden(progress) || view.show(progress) };
}

/** A line of JSON for each change. */
function jsonView(): ProgressView {
  const line = (value: object) => void process.stderr.write(`${JSON.stringify(value)}\n`);
  return {
    show: ({ name, kind, state, message }) => line({ name, kind, state, ...(message ? { message } : {}) }),
    say: (text) => line({ message: text }),
    end: async () => {},
  };
}

/** After this many milliseconds without a line, a line names the active steps. */
const SILENT_FOR = 10_000;

/** One line per change, and lines for active steps while nothing changes; `write` takes whole lines. */
export function plainView(write = (line: string) => void process.stderr.write(line)): ProgressView {
  const running = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  const line = (text: string) => {
    write(`${text}\n`);
    timer?.refresh();
  };
  timer = setInterval(() => {
    for (const text of running.values()) line(text);
  }, SILENT_FOR);
  timer.unref();
  return {
    show(progress) {
      const { step, state, message } = progress;
      const title = label(progress);
      running.delete(WAITING);
      if (state === "running" || state === "waiting")
        running.set(step, message ? `${title} ${message}` : `${title} …`);
      else running.delete(step);
      if (state === "done") line(`${title} ${done(progress)}`);
      if (state === "waiting") line(`${title} ${message}`);
      // the command's error reports the reason once
      if (state === "failed") line(`${title} failed`);
      if (state === "skipped") line(`${title} skipped`);
    },
    say(text) {
      running.set(WAITING, text);
      line(text);
    },
    end: async () => clearInterval(timer),
  };
}

/** Represents the whole command among the steps. */
const WAITING = "";

async function terminalView(): Promise<ProgressView> {
  const { terminalRows } = await import("./rows.ts");
  const rows = await terminalRows();
  return {
    show(progress) {
      const { step, state, message } = progress;
      const title = label(progress);
      if (state === "done") rows.done(step, `${title} ${done(progress)}`);
      else if (state === "failed" || state === "skipped") rows.fail(step, `${title}: ${message ?? state}`);
      else rows.set(step, message ? `${title} ${paint(message, "grey", process.stderr)}` : title);
    },
    say: (text) => void process.stderr.write(`${text}\n`),
    end: () => rows.end(),
  };
}
