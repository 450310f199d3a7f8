/**
 * The live screen of `bay watch`: a line for each service at the top of the terminal, and the logs in a scroll region below
 * (DECSTBM), so that other output needs no care.
 */
import type { WatchEvent } from "../../watch/index.ts";
import { paint } from "./output.ts";
import { summary } from "./watch-lines.ts";

const KEYS = "r restart  b rebuild  p plan  l logs  o open  q leave";
const CSI = "\x1b[";

export interface ScreenRow {
  service: string;
  /** State and health of its containers. */
  state: string;
}

export class WatchScreen {
  readonly #last = new Map<string, string>();
  #rows: ScreenRow[];
  #height = 0;

  constructor(
    readonly title: string,
    services: readonly string[],
    readonly out: NodeJS.WriteStream = process.stdout,
  ) {
    this.#rows = services.map((service) => ({ service, state: "" }));
  }

  readonly #onResize = (): void => {
    this.#height = 0;
    this.#draw();
  };

  open(): void {
    this.out.write(`${CSI}2J`);
    this.out.on("resize", this.#onResize);
    this.#draw();
  }

  /** Gives the whole terminal back, with the cursor in its last line. */
  close(): void {
    this.out.off("resize", this.#onResize);
    this.out.write(`${CSI}r${CSI}${this.out.rows || 24};1H\n`);
  }

  setRows(rows: ScreenRow[]): void {
    this.#rows = rows;
    this.#draw();
  }

  note(event: WatchEvent): void {
    const about = summary(event);
    if (!about) return;
    this.#last.set(about.service, about.colour ? paint(about.text, about.colour, this.out) : about.text);
    this.#draw();
  }

  /** The lines above the logs. */
  lines(): string[] {
    const width = Math.max(...this.#rows.map(({ service }) => service.length), 0);
    const states = Math.max(...this.#rows.map(({ state }) => state.length), 0);
    return [
      this.title,
      ...this.#rows.map(
        ({ service, state }) =>
          `  ${service.padEnd(width)}  ${state.padEnd(states)}  ${(this.#last.get(service) ?? "").split("\n")[0]!}`,
      ),
      KEYS,
      "",
    ];
  }

  #draw(): void {
    const rows = this.out.rows || 24;
    const columns = this.out.columns || 80;
    // the logs keep at least half of the terminal
    const lines = this.lines().slice(0, Math.max(1, Math.floor(rows / 2)));
    const region = lines.length === this.#height ? "" : `${CSI}${lines.length + 1};${rows}r${CSI}${rows};1H`;
    this.#height = lines.length;
    const drawn = lines.map((line, index) => `${CSI}${index + 1};1H${CSI}2K${cut(line, columns)}`);
    this.out.write(`${region}\x1b7${drawn.join("")}\x1b8`);
  }
}

/** A line of at most `width` characters, without counting its colours. */
export function cut(line: string, width: number): string {
  let shown = 0;
  let at = 0;
  while (at < line.length) {
    const colour = COLOUR.exec(line.slice(at));
    if (colour) at += colour[0].length;
    else if (shown === width) return `${line.slice(0, at)}${CSI}0m`;
    else {
      shown += 1;
      at += 1;
    }
  }
  return line;
}
const COLOUR = new RegExp(`^${String.fromCharCode(27)}\\[[0-9;]*m`);
