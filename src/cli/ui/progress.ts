/** The progress of a plan's steps: listr2 on a terminal, a line per change otherwise. */
import type { Progress, Step } from "../../reconcile/index.ts";
import { paint } from "./output.ts";

const DONE: Record<Step["kind"], string> = {
  "image.build": "built",
  "image.make": "made",
  "image.pull": "pulled",
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
  /** Call when no more comes. */
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
  return process.stderr.isTTY && !process.env.NO_COLOR ? terminalView() : plainView();
}

function plainView(): ProgressView {
  return {
    show(progress) {
      const { state, message } = progress;
      if (state === "done") process.stderr.write(`${label(progress)} ${done(progress)}\n`);
      if (state === "waiting") process.stderr.write(`${label(progress)} ${message}\n`);
      if (state === "failed") process.stderr.write(`${label(progress)} failed: ${message}\n`);
      if (state === "skipped") process.stderr.write(`${label(progress)} skipped\n`);
    },
    end: async () => {},
  };
}

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
    end: () => rows.end(),
  };
}
