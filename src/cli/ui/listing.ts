/** Rows of output in the format of `--format`: a table, JSON, or a Go template (`table TEMPLATE` with headings). */
import { print, printJson, table } from "./output.ts";

export interface Column<Row> {
  heading: string;
  /** A function takes one argument of the template: {{.Label "name"}}. */
  value: (row: Row) => unknown;
}

export interface Listing<Row> {
  columns: Readonly<Record<string, Column<Row>>>;
  /** The columns of the plain table. */
  shown: readonly string[];
  /** The output of `--format json`: an array, or one object per line. */
  json: "array" | "lines";
  /** A row of `--format json`; all columns if it is absent. */
  toJson?: (row: Row) => unknown;
}

/** A column from a value, or from a function of the row. */
export const column = <Row>(heading: string, value: (row: Row) => unknown): Column<Row> => ({
  heading,
  value,
});

const rowOf = <Row>({ columns }: Listing<Row>, row: Row): Record<string, unknown> =>
  Object.fromEntries(Object.entries(columns).map(([name, { value }]) => [name, value(row)]));

const plain = (row: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => typeof value !== "function"));

/** Prints rows. Throws BAD_TEMPLATE, even if there are no rows. */
export async function printListing<Row>(
  format: string,
  listing: Listing<Row>,
  rows: readonly Row[],
): Promise<void> {
  if (format === "json") return printJsonRows(listing, rows);
  if (format === "table" || format === "") {
    const shown = rows.map((row) => listing.shown.map((name) => String(listing.columns[name]!.value(row))));
    return print(
      table(
        listing.shown.map((name) => listing.columns[name]!.heading),
        shown,
      ),
    );
  }
  print(await formatRows(format, listing, rows));
}

function printJsonRows<Row>(listing: Listing<Row>, rows: readonly Row[]): void {
  const values = rows.map(listing.toJson ?? ((row) => plain(rowOf(listing, row))));
  if (listing.json === "array") return printJson(values);
  for (const value of values) print(JSON.stringify(value));
}

/** The text of a template for each row. Throws BAD_TEMPLATE. */
export async function formatRows<Row>(
  format: string,
  listing: Listing<Row>,
  rows: readonly Row[],
): Promise<string> {
  const [{ parseTemplate }, { runHeadings, runTemplate }] = await Promise.all([
    import("./template/parse.ts"),
    import("./template/run.ts"),
  ]);
  const isTable = /^table\s/.test(format);
  // as in Docker, \t and \n are escapes even if the shell passed them literally
  const source = (isTable ? format.replace(/^table\s+/, "") : format)
    .replaceAll("\\t", "\t")
    .replaceAll("\\n", "\n");
  const nodes = parseTemplate(source);
  const headings = runHeadings(
    nodes,
    Object.fromEntries(Object.entries(listing.columns).map(([name, { heading }]) => [name, heading])),
  );
  const lines = rows.map((row) => runTemplate(nodes, rowOf(listing, row)));
  if (!isTable) return lines.map((line) => (line.endsWith("\n") ? line : `${line}\n`)).join("");
  return table(
    headings.split("\t"),
    lines.map((line) => line.replace(/\n$/, "").split("\t")),
  );
}

/** One object by a template, as `docker inspect --format` prints it. Throws BAD_TEMPLATE. */
export async function formatValue(format: string, value: unknown): Promise<string> {
  const [{ parseTemplate }, { runTemplate }] = await Promise.all([
    import("./template/parse.ts"),
    import("./template/run.ts"),
  ]);
  return runTemplate(parseTemplate(format), value);
}
