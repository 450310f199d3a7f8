/** Calls of ovs-vsctl(8): one transaction each, with a limit of time. Their answers are rows of OVSDB (RFC 7047, 5.1). */
import { execFile } from "node:child_process";
import { z } from "zod";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";

/** Seconds within which Open vSwitch has to apply a transaction. */
const TIMEOUT = 10;
const MAX_ANSWER = 32 << 20;

/** Runs one transaction. Throws NO_OPEN_VSWITCH, OPEN_VSWITCH. */
export async function vsctl(commands: readonly (readonly string[])[]): Promise<string> {
  const args = commands.flatMap((command) => ["--", ...command]);
  return await new Promise((resolve, reject) => {
    const options = { timeout: (TIMEOUT + 5) * 1000, maxBuffer: MAX_ANSWER, encoding: "utf8" } as const;
    execFile("ovs-vsctl", [`--timeout=${TIMEOUT}`, "--format=json", ...args], options, (error, out, err) => {
      if (!error) resolve(out);
      else reject(hasCode(error, "ENOENT") ? missing() : failed(err.trim() || messageOf(error), error));
    });
  });
}

const missing = () =>
  new BayError("NO_OPEN_VSWITCH", "Open vSwitch is not installed: ovs-vsctl does not exist", {
    hint: "apt-get install openvswitch-switch",
  });

const failed = (text: string, cause: unknown) =>
  new BayError("OPEN_VSWITCH", `ovs-vsctl failed: ${text}`, {
    hint: "check that ovsdb-server and ovs-vswitchd are running: systemctl status openvswitch-switch",
    cause,
  });

const table = z.object({ headings: z.array(z.string()), data: z.array(z.array(z.unknown())).max(100_000) });

/** A row: its columns as text, lists of text, and maps. */
export interface Row {
  text(column: string): string;
  list(column: string): string[];
  map(column: string): Record<string, string>;
}

/** The answers to several `list` commands, one a line. Throws OPEN_VSWITCH. */
export function parseTables(output: string): Row[][] {
  return output
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const { headings, data } = readTable(line);
      return data.map((cells) => rowOf(headings, cells));
    });
}

function readTable(line: string): z.infer<typeof table> {
  try {
    return table.parse(JSON.parse(line));
  } catch (error) {
    throw failed("its answer is not a table", error);
  }
}

function rowOf(headings: readonly string[], cells: readonly unknown[]): Row {
  const cell = (column: string): unknown => cells[headings.indexOf(column)];
  return {
    text: (column) => textOf(cell(column)),
    list: (column) => tagged(cell(column), "set")?.map(textOf) ?? [textOf(cell(column))].filter(Boolean),
    map: (column) =>
      Object.fromEntries(
        (tagged(cell(column), "map") ?? []).flatMap((pair) =>
          Array.isArray(pair) ? [[textOf(pair[0]), textOf(pair[1])]] : [],
        ),
      ),
  };
}

/** A set, a map or a UUID is a pair of its tag and its content. */
function tagged(value: unknown, tag: string): unknown[] | undefined {
  return Array.isArray(value) && value[0] === tag && Array.isArray(value[1]) ? value[1] : undefined;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value[0] === "uuid" ? String(value[1]) : "";
  return value === undefined || value === null ? "" : String(value);
}
