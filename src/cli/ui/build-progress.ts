/** What a build tells, for people and for programs. */
import type { BuildBody, BuildLine, StackBuildBody } from "../../daemon/bay/build.ts";
import type { Client } from "../../daemon/index.ts";
import { BayError } from "../../errors.ts";
import { paint } from "./output.ts";

export type ProgressKind = "auto" | "plain" | "tty" | "json" | "quiet";
type News = Extract<BuildLine, { news: unknown }>["news"];

interface View {
  show(news: News): void;
  end(failed: boolean): Promise<void>;
}

/** Runs a build and shows it; gives the image. Throws the daemon's error. */
export async function followBuild(
  client: Client,
  path: "/bay/v1/build" | "/bay/v1/stack/build",
  body: BuildBody | StackBuildBody,
  kind: ProgressKind,
): Promise<{ id: string; digest: string }> {
  const view = await viewOf(kind);
  let image: { id: string; digest: string } | undefined;
  let failure: BayError | undefined;
  try {
    for await (const line of client.lines<BuildLine>("POST", path, body)) {
      if ("news" in line) view.show(line.news);
      else if ("image" in line) image = line.image;
      else {
        const { code, message, hint } = line.error;
        failure = new BayError(code, message, hint ? { hint } : {});
      }
    }
  } finally {
    await view.end(image === undefined);
  }
  if (failure) throw failure;
  if (!image)
    throw new BayError("DAEMON_LOST", "bayd went away during the build", { hint: "run the command again" });
  return image;
}

async function viewOf(kind: ProgressKind): Promise<View> {
  if (kind === "quiet") return { show: () => {}, end: async () => {} };
  if (kind === "json")
    return { show: (news) => process.stderr.write(`${JSON.stringify(news)}\n`), end: async () => {} };
  const isTerminal = kind === "tty" || (kind === "auto" && process.stderr.isTTY && !process.env.NO_COLOR);
  return isTerminal ? terminalView() : plainView();
}

/** Lines with the step's number before them, in the manner of BuildKit. */
function plainView(): View {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const rests = new Map<number, string>();
  const flush = (step: number) => {
    const rest = rests.get(step);
    if (rest) say(`#${step} ${rest}`);
    rests.delete(step);
  };
  return {
    show({ step, kind, title, text = "", seconds }) {
      if (kind === "note") return say(text);
      if (kind === "started") return say(`#${step} ${title}`);
      if (kind === "cached") return say(`#${step} ${title}\n#${step} CACHED`);
      if (kind === "output") {
        const lines = ((rests.get(step) ?? "") + text).split("\n");
        rests.set(step, lines.pop()!);
        for (const line of lines) say(`#${step} ${line.replace(/\r$/, "")}`);
        return;
      }
      flush(step);
      say(`#${step} ${kind === "done" ? `DONE ${(seconds ?? 0).toFixed(1)}s` : "FAILED"}`);
    },
    end: async () => {},
  };
}

/** A row for each step, with its last line. */
async function terminalView(): Promise<View> {
  const { terminalRows } = await import("./rows.ts");
  const rows = await terminalRows();
  const grey = (text: string) => paint(text, "grey", process.stderr);
  return {
    show({ step, kind, title, text = "", seconds }) {
      const id = String(step);
      if (kind === "note") process.stderr.write(`${text}\n`);
      else if (kind === "started") rows.set(id, title);
      else if (kind === "output") {
        const last = text
          .trimEnd()
          .split(/[\r\n]/)
          .at(-1)!
          .replace(/\p{C}/gu, "");
        rows.set(id, `${title} ${grey(last.slice(0, 80))}`);
      } else if (kind === "failed") rows.fail(id, title);
      else rows.done(id, `${title} ${grey(kind === "cached" ? "cached" : `${(seconds ?? 0).toFixed(1)}s`)}`);
    },
    end: (failed) => rows.end(failed),
  };
}
