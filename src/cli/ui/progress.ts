/** The progress of a plan's steps: listr2 on a terminal, a line per change otherwise. */
import type { Progress, Step } from "../../reconcile/index.ts";
import { paint } from "./output.ts";

const DONE: Record<Step["kind"], string> = {
  "image.make": "made",
  "network.create": "created",
  "network.replace": "replaced",
  "network.update": "changed",
  "volume.update": "changed",
  "network.remove": "removed",
  "network.repair": "repaired",
  "volume.create": "created",
  "volume.remove": "removed",
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
  kind === "host.repair" ? "bay's nftables rules" : `${kind.split(".")[0]} ${name}`;

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

interface Row {
  progress: Progress;
  settle: (error?: Error) => void;
  setOutput: (text: string) => void;
}

/** Each step is a task whose promise the stream of progress settles. */
async function terminalView(): Promise<ProgressView> {
  const { Listr } = await import("listr2");
  const rows = new Map<string, Row>();
  const list = new Listr<object>([], {
    concurrent: true,
    exitOnError: false,
    rendererOptions: { collapseErrors: false },
    fallbackRendererCondition: false,
    registerSignalListeners: false,
  });
  let finish: () => void = () => {};
  const open = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let running: Promise<unknown> | undefined;
  const add = (progress: Progress): Row => {
    const row: Row = { progress, settle: () => {}, setOutput: () => {} };
    const settled = new Promise<void>((resolve, reject) => {
      row.settle = (error) => (error ? reject(error) : resolve());
    });
    list.add({
      title: label(progress),
      task: (_, task) => {
        row.setOutput = (text) => {
          task.title = text;
        };
        return settled;
      },
    });
    rows.set(progress.step, row);
    return row;
  };
  return {
    show(progress) {
      const row = rows.get(progress.step) ?? add(progress);
      running ??= list.run().catch(() => {});
      const title = label(progress);
      if (progress.state === "waiting")
        row.setOutput(`${title} ${paint(progress.message ?? "", "grey", process.stderr)}`);
      if (progress.state === "done") {
        row.setOutput(`${title} ${done(progress)}`);
        row.settle();
      }
      if (progress.state === "failed" || progress.state === "skipped") {
        row.settle(new Error(`${title}: ${progress.message ?? progress.state}`));
      }
    },
    async end() {
      finish();
      await open;
      await running;
    },
  };
}
