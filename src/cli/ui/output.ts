/** Output for people: colours where they are supported, tables, and the exit on a closed pipe. */

export type Ansi = "auto" | "never" | "always";
export type ProgressStyle = "auto" | "tty" | "plain" | "json" | "quiet";

interface Style {
  ansi: Ansi;
  progress: ProgressStyle;
  /** Progress goes to standard output, in lines (COMPOSE_STATUS_STDOUT). */
  statusToStdout: boolean;
}

/** The values of --ansi and --progress, for the whole command. */
const style: Style = { ansi: "auto", progress: "auto", statusToStdout: false };

export const setStyle = (given: Partial<Style>): void => void Object.assign(style, given);

/** The values in the stack's .env, used if no option and no variable of the environment is set. */
export function setStyleOfStack({ ansi, progress, statusToStdout }: Style): void {
  if (style.ansi === "auto") style.ansi = ansi;
  if (style.progress === "auto") style.progress = progress;
  style.statusToStdout = statusToStdout;
}

export const isStatusOnStdout = (): boolean => style.statusToStdout;

/** --progress; for `auto`, whether standard error can be drawn on. */
export function progressStyle(): Exclude<ProgressStyle, "auto"> {
  if (style.progress !== "auto") return style.progress;
  return hasCursor(process.stderr) ? "tty" : "plain";
}

/** Whether lines can be overwritten: a terminal that is not dumb, with NO_COLOR unset. */
export function hasCursor(stream: NodeJS.WriteStream): boolean {
  if (style.ansi === "never" || stream.isTTY !== true || process.env.TERM === "dumb") return false;
  return style.ansi === "always" || !process.env.NO_COLOR;
}

/** NO_COLOR (no-color.org), dumb terminals and pipes get plain text; --ansi overrides this. */
export function hasColour(stream: NodeJS.WriteStream = process.stdout): boolean {
  if (style.ansi !== "auto") return style.ansi === "always";
  if (process.env.NO_COLOR || process.env.TERM === "dumb")
    return process.env.FORCE_COLOR === "1" && !process.env.NO_COLOR;
  return stream.isTTY === true || process.env.FORCE_COLOR === "1";
}

const CODES = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, grey: 90, bold: 1 } as const;
export type Colour = keyof typeof CODES;

export function paint(text: string, colour: Colour, stream: NodeJS.WriteStream = process.stdout): string {
  return hasColour(stream) ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text;
}

const PREFIX_COLOURS: Colour[] = ["cyan", "yellow", "green", "magenta", "blue"];
/** A colour for the n-th service. */
export const prefixColour = (index: number): Colour => PREFIX_COLOURS[index % PREFIX_COLOURS.length]!;

/** Columns as wide as their longest cell, two spaces between. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return `${all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")}\n`;
}

export function print(text: string): void {
  if (text === "") return;
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Text from a container or a client in one line: control and invisible characters as `\\n` or `\\u{1b}`. */
export const escaped = (text: string): string =>
  text.replace(/\p{C}/gu, (sign) => NAMED_SIGNS[sign] ?? `\\u{${sign.codePointAt(0)!.toString(16)}}`);
const NAMED_SIGNS: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** The first 12 digits of an ID, as Docker shows it. */
export const shortId = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);

/** 12.3MiB */
export function humanBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toPrecision(4).replace(/\.?0+$/, "")}${units[unit]}`;
}

/** How long ago, in the largest unit: 5 minutes. */
export function humanAge(milliseconds: number): string {
  const units: [number, string][] = [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, "second"];
  const count = Math.floor(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
