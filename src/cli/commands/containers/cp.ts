import { spawn } from "node:child_process";
import { existsSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, posix, resolve } from "node:path";
import { pipeline } from "node:stream";
import { BayError, hasCode } from "../../../core/errors.ts";
import { type Client, textOf, toError } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import { containersOf, nameOf, oneContainer } from "../../named-containers.ts";
import { saveStream } from "../../ui/save-stream.ts";

/** Finds the container that the source or the target names. */
type Find = (name: string) => Promise<{ client: Client; id: string; name?: string }>;

/** `bay cp`: the containers are the stack's; a copy into a service with several containers goes into each. */
export async function cp(
  context: Context,
  [source, target]: string[],
  options: { index?: number; archive?: boolean; all?: boolean; followLink?: boolean },
): Promise<void> {
  const settings = { keepOwners: options.archive ?? false, followLink: options.followLink ?? false };
  if (options.all && options.index !== undefined)
    throw new BayError("BAD_OPTION", "--all and --index cannot be used together");
  const finders = await findersOf(context, source!, split(target!)?.service, options);
  for (const find of finders) {
    if (context.options.dryRun) {
      const { name } = await find((split(target!) ?? split(source!))?.service ?? "");
      process.stderr.write(`${source} would be copied to ${target} (container ${name})\n`);
    } else await copyBetween(source!, target!, find, settings);
  }
}

/** A copy into a service goes to all of its containers; a copy from a service uses the first. A stream can be read only once. */
async function findersOf(
  context: Context,
  source: string,
  into: string | undefined,
  { index, all }: { index?: number; all?: boolean },
): Promise<Find[]> {
  const one = async (service: string) => {
    const { client, row } = await oneContainer(context, service, index);
    return { client, id: row.Id, name: nameOf(row) };
  };
  if (into === undefined || index !== undefined || source === "-") return [one];
  const { client, rows } = await containersOf(context, [into], { oneOff: all ?? false });
  if (rows.length === 0) return [one];
  return rows.map((row) => async () => ({ client, id: row.Id, name: nameOf(row) }));
}

export interface CopySettings {
  keepOwners: boolean;
  /** Copy what a symbolic link at the source points to. */
  followLink: boolean;
}

/** Copies as docker cp does; tar(1) packs and unpacks on this side. Files get the user as owner, or root in the container. */
export async function copyBetween(
  source: string,
  target: string,
  find: Find,
  { keepOwners, followLink }: CopySettings,
): Promise<void> {
  const from = split(source);
  const to = split(target);
  if (from && to)
    throw new BayError(
      "BAD_OPTION",
      "cannot copy from one container to another: the source or the target must be a local path",
      { hint: "copy to a local directory first" },
    );
  if (from) return copyOut(find, from, target, { keepOwners, followLink });
  if (to) return copyIn(find, source, to, { keepOwners, followLink });
  throw new BayError("BAD_OPTION", "the source or the target must be SERVICE:PATH");
}

function split(text: string): { service: string; path: string } | undefined {
  const match = /^([a-zA-Z0-9._-]+):(.*)$/s.exec(text);
  return match && !text.startsWith(".") && !text.startsWith("/")
    ? { service: match[1]!, path: posix.join("/", match[2]!) }
    : undefined;
}

async function copyOut(
  find: Find,
  from: { service: string; path: string },
  target: string,
  { keepOwners, followLink }: CopySettings,
): Promise<void> {
  const { client, id } = await find(from.service);
  if (followLink) from.path = await resolveInside(client, id, from.path);
  const { body, status, headers } = await client.send(
    "GET",
    `/containers/${id}/archive?path=${encodeURIComponent(from.path)}`,
  );
  if (status >= 400) throw toError(await textOf(body));
  if (target === "-") return saveStream(body, undefined);
  const place = resolve(target);
  const local = statSync(place, { throwIfNoEntry: false });
  const intoDirectory = local?.isDirectory() ?? false;
  const directory = intoDirectory ? place : dirname(place);
  const refuse = (why: string) => {
    body.destroy();
    throw new BayError("BAD_TARGET", why);
  };
  if (!existsSync(directory)) refuse(`the directory ${directory} does not exist`);
  if (local && !intoDirectory && isDirectoryStat(headers))
    refuse(`${from.path} is a directory, and ${target} is an existing file`);
  if (!local && target.endsWith("/") && !isDirectoryStat(headers))
    refuse(`the directory ${target} does not exist`);
  const name = posix.basename(from.path);
  const rename =
    intoDirectory || name === "" ? [] : [`--transform=s,^${quoted(name)},${replacement(basename(place))},`];
  const owner = keepOwners ? ["--same-owner", "--numeric-owner"] : ["--no-same-owner"];
  let lost: Error | undefined;
  await tar(
    ["-x", ...owner, "-C", directory, ...rename],
    (child) =>
      pipeline(body, child.stdin!, (error) => {
        // tar itself reports why it stopped reading
        if (!error || hasCode(error, "EPIPE")) return;
        lost = error;
        child.kill();
      }),
    () => lost && new BayError("DAEMON_LOST", "bayd stopped during the copy", { cause: lost }),
  );
}

async function copyIn(
  find: Find,
  source: string,
  to: { service: string; path: string },
  { keepOwners, followLink }: CopySettings,
): Promise<void> {
  const { client, id } = await find(to.service);
  const put = (path: string) => `/containers/${id}/archive?path=${encodeURIComponent(path)}`;
  if (source === "-") return void (await client.upload("PUT", put(to.path), process.stdin));
  if (!existsSync(resolve(source))) throw new BayError("NO_FILE", `${source} does not exist`);
  const local = followLink ? realpathSync(resolve(source)) : resolve(source);
  const head = await client.send("HEAD", put(to.path));
  const isThere = head.status < 400;
  const isDirectory = isThere && isDirectoryStat(head.headers);
  if (isThere && !isDirectory && statSync(local).isDirectory())
    throw new BayError("BAD_TARGET", `${source} is a directory, and ${to.path} is a file in the container`);
  if (!isThere && to.path.endsWith("/") && !statSync(local).isDirectory())
    throw new BayError("BAD_TARGET", `the container has no directory ${to.path}`);
  const directory = isDirectory ? to.path : posix.dirname(to.path);
  const name = isDirectory ? basename(local) : posix.basename(to.path);
  const rename = [`--transform=s,^${quoted(basename(local))},${replacement(name)},`];
  let sent: Promise<unknown> | undefined;
  const owner = keepOwners ? ["--numeric-owner"] : ["--owner=0", "--group=0"];
  await tar(
    ["-c", ...owner, "-C", dirname(local), ...rename, basename(local)],
    (child) => {
      // the reason, if bayd does not take the archive
      sent = client.upload("PUT", put(directory), child.stdout!).then(
        () => undefined,
        (error: unknown) => {
          child.kill();
          return error;
        },
      );
    },
    () => sent,
  );
}

const MOST_LINKS = 40;

/** Follows the links at the end of a path in the container, as the kernel does. Throws BAD_TARGET for a loop. */
async function resolveInside(client: Client, id: string, start: string): Promise<string> {
  let path = start;
  for (let links = 0; links < MOST_LINKS; links++) {
    const { status, headers } = await client.send(
      "HEAD",
      `/containers/${id}/archive?path=${encodeURIComponent(path)}`,
    );
    const stat = headers["x-docker-container-path-stat"];
    if (status >= 400 || typeof stat !== "string") return path; // the copy itself reports what is wrong
    const { linkTarget } = JSON.parse(Buffer.from(stat, "base64").toString()) as { linkTarget?: string };
    if (!linkTarget) return path;
    path = posix.resolve(posix.dirname(path), linkTarget);
  }
  throw new BayError("BAD_TARGET", `${start}: too many symbolic links`);
}

/** The stat of the archive routes: Go's file mode, of which the highest bit means a directory. */
function isDirectoryStat(headers: Record<string, string | string[] | undefined>): boolean {
  const stat = headers["x-docker-container-path-stat"];
  if (typeof stat !== "string") return false;
  return (JSON.parse(Buffer.from(stat, "base64").toString()) as { mode: number }).mode >= 2 ** 31;
}

/** Escapes a name for the replacement of tar's --transform, which uses sed's syntax. */
const replacement = (text: string) => text.replace(/[\\,&]/g, "\\$&");

const quoted = (text: string) => text.replace(/[\\,.*[\]^$&]/g, "\\$&");

/** Runs tar. `why` tells what went wrong on the other side, if anything did. Throws that reason, NO_TAR, TAR. */
function tar(
  args: string[],
  connect: (child: ReturnType<typeof spawn>) => void,
  why: () => unknown,
): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn("tar", args, { stdio: ["pipe", "pipe", "inherit"] });
    child.on("error", (cause) =>
      fail(new BayError("NO_TAR", "tar could not be run", { cause, hint: "apt-get install tar" })),
    );
    child.on("close", async (code, signal) => {
      const reason = await why();
      if (reason) fail(reason);
      else if (code === 0) done();
      else fail(new BayError("TAR", signal ? `tar was ended by ${signal}` : `tar ended with code ${code}`));
    });
    connect(child);
    if (args[0] === "-x") child.stdout!.resume();
  });
}
