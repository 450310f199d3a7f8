import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { basename, dirname, posix, resolve } from "node:path";
import { type Client, textOf, toError } from "../../daemon/index.ts";
import { BayError } from "../../errors.ts";
import { type Context, numberOf, oneContainer, stackContainers } from "../context.ts";

/** Finds the container that one side names. */
type Find = (name: string) => Promise<{ client: Client; id: string }>;

/** `bay cp`: the containers are the stack's; into a service with several of them, into each. */
export async function cp(
  context: Context,
  [source, target]: string[],
  options: { index?: number; archive?: boolean },
): Promise<void> {
  const keepOwners = options.archive ?? false;
  const to = split(target!);
  const numbers = to && options.index === undefined ? await numbersOf(context, to.service) : [];
  for (const index of numbers.length > 0 && source !== "-" ? numbers : [options.index]) {
    const find: Find = async (service) => {
      const { client, row } = await oneContainer(context, service, index);
      return { client, id: row.Id };
    };
    await copyBetween(source!, target!, find, keepOwners);
  }
}

async function numbersOf(context: Context, service: string): Promise<number[]> {
  const rows = await stackContainers(await context.client(), await context.stackName(), {
    services: [service],
  });
  return rows.map(numberOf);
}

/** Copies as docker cp does; tar(1) packs and unpacks on this side. Owners become the user's own, or root's inside. */
export async function copyBetween(
  source: string,
  target: string,
  find: Find,
  keepOwners: boolean,
): Promise<void> {
  const from = split(source);
  const to = split(target);
  if (from && to)
    throw new BayError("BAD_OPTION", "one side must be local", { hint: "copy to a local folder first" });
  if (from) return copyOut(find, from, target, keepOwners);
  if (to) return copyIn(find, source, to, keepOwners);
  throw new BayError("BAD_OPTION", "one side must be CONTAINER:PATH");
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
  keepOwners: boolean,
): Promise<void> {
  const { client, id } = await find(from.service);
  const { body, status, headers } = await client.send(
    "GET",
    `/containers/${id}/archive?path=${encodeURIComponent(from.path)}`,
  );
  if (status >= 400) throw toError(await textOf(body));
  if (target === "-") return void body.pipe(process.stdout);
  const place = resolve(target);
  const local = statSync(place, { throwIfNoEntry: false });
  const intoDirectory = local?.isDirectory() ?? false;
  const directory = intoDirectory ? place : dirname(place);
  const refuse = (why: string) => {
    body.destroy();
    throw new BayError("BAD_TARGET", why);
  };
  if (!existsSync(directory)) refuse(`the folder ${directory} does not exist`);
  if (local && !intoDirectory && isDirectoryStat(headers))
    refuse(`${from.path} is a directory, and ${target} is a file that is there already`);
  if (!local && target.endsWith("/") && !isDirectoryStat(headers))
    refuse(`the folder ${target} does not exist`);
  const name = posix.basename(from.path);
  const rename =
    intoDirectory || name === "" ? [] : [`--transform=s,^${quoted(name)},${replacement(basename(place))},`];
  const owner = keepOwners ? ["--same-owner", "--numeric-owner"] : ["--no-same-owner"];
  await tar(["-x", ...owner, "-C", directory, ...rename], (child) => body.pipe(child.stdin!));
}

async function copyIn(
  find: Find,
  source: string,
  to: { service: string; path: string },
  keepOwners: boolean,
): Promise<void> {
  const { client, id } = await find(to.service);
  const put = (path: string) => `/containers/${id}/archive?path=${encodeURIComponent(path)}`;
  if (source === "-") return void (await client.upload("PUT", put(to.path), process.stdin));
  const local = resolve(source);
  if (!existsSync(local)) throw new BayError("NO_FILE", `${source} does not exist`);
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
  let sent: Promise<string> | undefined;
  const owner = keepOwners ? ["--numeric-owner"] : ["--owner=0", "--group=0"];
  await tar(["-c", ...owner, "-C", dirname(local), ...rename, basename(local)], (child) => {
    sent = client.upload("PUT", put(directory), child.stdout!);
    sent.catch(() => child.kill());
  });
  await sent;
}

/** What the archive routes say of a path: Go's file mode, of which the highest bit means a directory. */
function isDirectoryStat(headers: Record<string, string | string[] | undefined>): boolean {
  const stat = headers["x-docker-container-path-stat"];
  if (typeof stat !== "string") return false;
  return (JSON.parse(Buffer.from(stat, "base64").toString()) as { mode: number }).mode >= 2 ** 31;
}

/** A name as the replacement of tar's --transform, which is sed's. */
const replacement = (text: string) => text.replace(/[\\,&]/g, "\\$&");

const quoted = (text: string) => text.replace(/[\\,.*[\]^$&]/g, "\\$&");

function tar(args: string[], connect: (child: ReturnType<typeof spawn>) => void): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn("tar", args, { stdio: ["pipe", "pipe", "inherit"] });
    child.on("error", (cause) =>
      fail(new BayError("NO_TAR", "tar could not be run", { cause, hint: "apt-get install tar" })),
    );
    child.on("close", (code) =>
      code === 0 || code === null ? done() : fail(new BayError("TAR", `tar ended with code ${code}`)),
    );
    connect(child);
    if (args[0] === "-x") child.stdout!.resume();
  });
}
