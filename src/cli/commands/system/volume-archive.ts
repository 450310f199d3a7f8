/** `bay volume backup` and `restore`: the files of a volume as a tar archive. */
import { createReadStream, existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { BayError, hasCode } from "../../../core/errors.ts";
import { textOf, toError } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import { refuseTerminal, saveStream } from "../../ui/save-stream.ts";

interface Packed {
  entries: number;
  sockets: number;
  changed: string[];
}

const at = (name: string, what: string) => `/bay/v1/volumes/${encodeURIComponent(name)}/${what}`;
const warn = (text: string) => process.stderr.write(`warning: ${text}\n`);
const binaryText = (name: string) => Buffer.from(name, "latin1").toString("utf8").replace(/\p{C}/gu, "?");

/** Returns 1 if files changed while they were read: the archive has zeros in place of a part of them. */
export async function backup(
  context: Context,
  [name]: string[],
  options: { output?: string; pause?: boolean },
): Promise<number> {
  refuseTerminal(options.output, "a tar");
  const client = await context.daemon();
  const answer = await client.send("GET", `${at(name!, "backup")}?pause=${options.pause ? 1 : 0}`);
  if (answer.status >= 400) throw toError(await textOf(answer.body));
  const writers = String(answer.headers["x-bay-writers"] ?? "");
  if (writers !== "")
    warn(
      `${writers.replaceAll(",", ", ")} may write to the volume during the backup, so files may be inconsistent; --pause pauses the containers`,
    );
  try {
    await saveStream(answer.body, options.output, 0o600); // it may contain files that only root may read
  } catch (cause) {
    if (!hasCode(cause, "DAEMON_LOST")) throw cause;
    throw new BayError("BACKUP_INTERRUPTED", `the backup of the volume ${name} was interrupted`, {
      cause,
      hint: "see the log of bayd for the reason: bayd.log in its root, or journalctl -u bay",
    });
  }
  const packed = JSON.parse(
    Buffer.from(String(answer.body.trailers["x-bay-backup"] ?? ""), "base64").toString() || "{}",
  ) as Partial<Packed>;
  const { entries = 0, sockets = 0, changed = [] } = packed;
  if (sockets > 0) warn(`left out ${sockets} ${sockets === 1 ? "socket" : "sockets"}`);
  for (const file of changed)
    warn(`${binaryText(file)} was truncated while it was read; the rest was filled with zeros`);
  process.stderr.write(`volume ${name} backed up: ${entries} files and folders\n`);
  return changed.length > 0 ? 1 : 0;
}

export async function restore(
  context: Context,
  [name]: string[],
  options: { input?: string; force?: boolean; devices?: boolean },
): Promise<void> {
  if (!options.input && process.stdin.isTTY)
    throw new BayError("BAD_OPTION", "expected a tar on standard input", { hint: "use -i FILE, or a pipe" });
  // report a missing file before any request
  if (options.input && !existsSync(options.input))
    throw new BayError("NO_FILE", `the archive ${options.input} does not exist`);
  const source = options.input
    ? createReadStream(options.input, { fd: await open(options.input, "r") })
    : process.stdin;
  const client = await context.daemon();
  const query = `force=${options.force ? 1 : 0}&devices=${options.devices ? 1 : 0}`;
  const text = await client.upload("PUT", `${at(name!, "restore")}?${query}`, source);
  const { entries, lostAttributes } = JSON.parse(text) as { entries: number; lostAttributes: number };
  if (lostAttributes > 0)
    warn(`the file system of the volume rejected ${lostAttributes} extended attributes`);
  process.stderr.write(`volume ${name} restored: ${entries} files and folders\n`);
}
