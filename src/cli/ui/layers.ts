/** The progress of a pull or push: a row for each layer on a terminal, otherwise a line for each completed layer. */

import type { BayError } from "../../core/errors.ts";
import { receivedError } from "../../core/received-error.ts";
import type { Client } from "../../daemon/index.ts";
import { humanBytes, paint, progressStyle } from "./output.ts";

interface Line {
  status?: string;
  id?: string;
  progressDetail?: { current?: number; total?: number };
  error?: string;
  code?: string;
  hint?: string;
}

const READY = new Set(["Pull complete", "Already exists", "Pushed", "Layer already exists", "Mounted"]);

interface LayersView {
  show(line: Line): void;
  end(failed: boolean): Promise<void>;
}

async function view(quiet: boolean): Promise<LayersView> {
  const style = progressStyle();
  if (quiet || style === "quiet") return { show: () => {}, end: async () => {} };
  const text = ({ id, status, progressDetail }: Line) =>
    progressDetail?.total
      ? `${id} ${status} ${humanBytes(progressDetail.current ?? 0)} of ${humanBytes(progressDetail.total)}`
      : `${id} ${status}`;
  if (style === "json")
    return {
      show: (line) => void process.stderr.write(`${JSON.stringify(line)}\n`),
      end: async () => {},
    };
  if (style === "tty") {
    const { terminalRows } = await import("./rows.ts");
    const rows = await terminalRows();
    return {
      show(line) {
        if (line.id?.length !== 12) return;
        if (READY.has(line.status ?? ""))
          rows.done(line.id, `${line.id} ${paint(line.status!, "grey", process.stderr)}`);
        else rows.set(line.id, text(line));
      },
      end: (failed) => rows.end(failed),
    };
  }
  return {
    show(line) {
      if (line.id && READY.has(line.status ?? "")) process.stderr.write(`${line.id} ${line.status}\n`);
    },
    end: async () => {},
  };
}

/** Follows a request to its end; returns the last status that does not concern a layer. Throws the daemon's error. */
export async function followLayers(
  client: Client,
  path: string,
  headers: Record<string, string>,
  quiet: boolean,
): Promise<string> {
  const layers = await view(quiet);
  let last = "";
  let failure: BayError | undefined;
  try {
    for await (const line of client.lines<Line>("POST", path, undefined, headers)) {
      if (line.error) failure = receivedError({ ...line, message: line.error }, "INTERNAL");
      else if (line.id) layers.show(line);
      else if (line.status) last = line.status;
    }
    if (failure) throw failure;
    return last;
  } catch (error) {
    failure = error as BayError;
    throw error;
  } finally {
    await layers.end(failure !== undefined);
  }
}
