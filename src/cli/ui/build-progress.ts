/** The progress of a build, for people and for programs. */

import { BayError } from "../../core/errors.ts";
import { receivedError } from "../../core/received-error.ts";
import type { BuildBody, BuildLine, StackBuildBody } from "../../daemon/api/bay/build.ts";
import type { Client } from "../../daemon/index.ts";
import { type ProgressStyle, paint, progressStyle } from "./output.ts";

export type ProgressKind = ProgressStyle;
type News = Extract<BuildLine, { news: unknown }>["news"];

interface View {
  show(news: News): void;
  end(failed: boolean): Promise<void>;
}

export type BuiltImage = Extract<BuildLine, { image: unknown }>["image"];

/** Runs builds and shows their progress; returns their images. Throws the daemon's error. */
export async function followBuild(
  client: Client,
  path: "/bay/v1/build" | "/bay/v1/stack/build",
  body: BuildBody | StackBuildBody,
  kind: ProgressKind,
): Promise<BuiltImage[]> {
  const view = await viewOf(kind);
  const images: BuiltImage[] = [];
  let failure: BayError | undefined;
  try {
    for await (const line of client.lines<BuildLine>("POST", path, body)) {
      if ("news" in line) view.show(line.news);
      else if ("image" in line) images.push(line.image);
      else failure = receivedError(line.error, "INTERNAL");
    }
  } finally {
    await view.end(failure !== undefined || images.length === 0);
  }
  if (failure) throw failure;
  if (images.length === 0)
    throw new BayError("DAEMON_LOST", "bayd stopped during the build", { hint: "run the command again" });
  return images;
}

async function viewOf(asked: ProgressKind): Promise<View> {
  const kind = asked === "auto" ? progressStyle() : asked;
  if (kind === "quiet") return { show: () => {}, end: async () => {} };
  if (kind === "json")
    return { show: (news) => process.stderr.write(`${JSON.stringify(news)}\n`), end: async () => {} };
  return kind === "tty" ? terminalView() : plainView();
}

/** Lines prefixed with the step's number, as in BuildKit. */
function plainView(): View {
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  const rests = new Map<number, string>();
  const flush = (step: number) => {
    const rest = rests.get(step);
    if (rest) say(`#${step} ${rest}`);
    rests.delete(step);
  };
  return {
    show({ step, kind, title, text = "", seconds }) {
      if (kind === "note") say(text);
      else if (kind === "started") say(`#${step} ${title}`);
      else if (kind === "cached") say(`#${step} ${title}\n#${step} CACHED`);
      else if (kind === "output") {
        const lines = ((rests.get(step) ?? "") + text).split("\n");
        rests.set(step, lines.pop()!);
        for (const line of lines) say(`#${step} ${line.replace(/\r$/, "")}`);
      } else {
        flush(step);
        say(`#${step} ${kind === "done" ? `DONE ${(seconds ?? 0).toFixed(1)}s` : "FAILED"}`);
      }
    },
    end: async () => {},
  };
}

/** How often the times of running steps are drawn. */
const TICK = 200;

/** A row for each step with its time, the last lines of running steps, and a row for the total. */
async function terminalView(): Promise<View> {
  const { terminalRows } = await import("./rows.ts");
  const rows = await terminalRows();
  const grey = (text: string) => paint(text, "grey", process.stderr);
  const began = Date.now();
  const open = new Map<number, { title: string; at: number }>();
  let [ended, known] = [0, 0];
  const whole = () => `Building ${secondsSince(began)} (${ended}/${known})`;
  const draw = () => {
    rows.set("whole", whole());
    for (const [step, { title, at }] of open) rows.set(String(step), aligned(title, secondsSince(at)));
  };
  const timer = setInterval(draw, TICK);
  return {
    show({ step, kind, title, text = "", seconds = 0 }) {
      const id = String(step);
      if (kind === "note") return void process.stderr.write(`${text}\n`);
      if (kind === "output") {
        const name = /^\[[^\]]*\]/.exec(title)?.[0] ?? "";
        for (const line of printable(text).trimEnd().split("\n")) rows.output(id, `${name} ${line}`);
        return;
      }
      if (kind === "started") {
        known += 1;
        open.set(step, { title, at: Date.now() });
        return draw();
      }
      if (kind === "cached") known += 1;
      ended += 1;
      open.delete(step);
      draw();
      const time = `${seconds.toFixed(1)}s`;
      if (kind === "failed") rows.fail(id, aligned(title, time));
      else if (kind === "cached") rows.done(id, aligned(`${grey("CACHED")} ${title}`, time));
      else rows.done(id, aligned(title, time));
    },
    end: async (failed) => {
      clearInterval(timer);
      if (failed) rows.fail("whole", whole());
      else rows.done("whole", whole());
      await rows.end(failed);
    },
  };
}

const secondsSince = (time: number) => `${((Date.now() - time) / 1000).toFixed(1)}s`;
const printable = (text: string) => text.replace(/\r(?!\n)/g, "\n").replace(/[^\P{C}\n]/gu, "");

/** A title cut to the terminal's width, with the time at its right edge. */
function aligned(title: string, time: string): string {
  // an icon and a space stand before it
  const width = Math.max(20, (process.stderr.columns || 80) - 4 - time.length);
  const shown = title.replaceAll(COLOUR, "");
  const cut =
    shown.length > width - 1 ? `${title.slice(0, width - 2 + title.length - shown.length)}…` : title;
  return cut + " ".repeat(Math.max(1, width - cut.replaceAll(COLOUR, "").length)) + time;
}
const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");
