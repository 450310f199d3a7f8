/** Commands that use registries: pull, push, login, logout. bayd does the work, with this user's credentials. */
import { createInterface } from "node:readline";
import { BayError, hasCode, messageOf } from "../../../core/errors.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Credentials } from "../../../image/index.ts";
import type { Context } from "../../context.ts";
import { followLayers } from "../../ui/layers.ts";
import { print } from "../../ui/output.ts";

interface PullOptions {
  quiet?: boolean;
  platform?: string;
  ignorePullFailures?: boolean;
  includeDeps?: boolean;
  ignoreBuildable?: boolean;
  policy?: "always" | "missing";
}

interface PushOptions {
  quiet?: boolean;
  ignorePushFailures?: boolean;
  includeDeps?: boolean;
}

/** The headers that Docker's clients send: the user's credentials, so that bayd stores none; and their file, for messages. */
export function authHeader(credentials: Credentials | undefined): Record<string, string> {
  if (!credentials) return {};
  const { username, password, identityToken, source } = credentials;
  const auth = { ...(identityToken ? { identitytoken: identityToken } : { username, password }), source };
  return { "X-Registry-Auth": Buffer.from(JSON.stringify(auth)).toString("base64url") };
}

async function authOf(reference: string): Promise<Record<string, string>> {
  const { findCredentials, parseReference } = await import("../../../image/index.ts");
  return authHeader(await findCredentials(parseReference(reference).registry));
}

async function pullOne(client: Client, reference: string, options: PullOptions): Promise<void> {
  const query = new URLSearchParams({ fromImage: reference, platform: options.platform ?? "" });
  const headers = await authOf(reference);
  const status = await followLayers(client, `/images/create?${query}`, headers, options.quiet ?? false);
  print(options.quiet ? reference : status.replace(/^Status: /, ""));
}

/** Pulls an image for a new container, with its progress on standard error. */
export async function pullMissing(
  client: Client,
  reference: string,
  platform: string | undefined,
  isQuiet: boolean,
): Promise<void> {
  const query = new URLSearchParams({ fromImage: reference, platform: platform ?? "" });
  await followLayers(client, `/images/create?${query}`, await authOf(reference), isQuiet);
}

async function pushOne(client: Client, reference: string, quiet: boolean): Promise<void> {
  const headers = await authOf(reference);
  const status = await followLayers(client, `/images/${encodeURIComponent(reference)}/push`, headers, quiet);
  print(quiet ? reference : `${reference} ${status}`);
}

interface Pulled {
  image: string;
  /** The image can also be built. */
  isBuildable: boolean;
}

/** Images of registries that the services use, without duplicates. The default name of a built image is in no registry. */
async function imagesOf(
  context: Context,
  services: readonly string[],
  withDependencies: boolean,
): Promise<Pulled[]> {
  const stack = await context.stack([...services]);
  const { chooseServices, dependenciesOf } = await import("../../../stack/query.ts");
  const all = chooseServices(stack, services, withDependencies ? dependenciesOf : () => [])
    .filter(({ name, image, build }) => !stack.images[image] && !(build && image === `${stack.name}-${name}`))
    .map(({ image, build }): [string, Pulled] => [image, { image, isBuildable: build !== undefined }]);
  return [...new Map(all).values()];
}

/** `bay pull [SERVICE…]`. */
export async function pull(context: Context, services: string[], options: PullOptions): Promise<number> {
  const found = await imagesOf(context, services, options.includeDeps ?? false);
  const wanted = options.ignoreBuildable ? found.filter(({ isBuildable }) => !isBuildable) : found;
  if (wanted.length === 0) print("no service uses an image from a registry");
  const buildable = new Set(wanted.flatMap(({ image, isBuildable }) => (isBuildable ? [image] : [])));
  const images = new Set(wanted.map(({ image }) => image));
  return eachImage(context, images, "pulled", options.ignorePullFailures, async (client, image) => {
    if (options.policy === "missing" && (await isHere(client, image))) return;
    try {
      await pullOne(client, image, options);
    } catch (error) {
      if (!buildable.has(image)) throw error;
      process.stderr.write(`warning: ${image}: ${messageOf(error)}; bay build creates it\n`);
    }
  });
}

async function isHere(client: Client, image: string): Promise<boolean> {
  try {
    await client.json("GET", `/images/${encodeURIComponent(image)}/json`);
    return true;
  } catch (error) {
    if (hasCode(error, "IMAGE_NOT_FOUND")) return false;
    throw error;
  }
}

/** `bay push [SERVICE…]`: also pushes built images whose name includes a registry. */
export async function push(context: Context, services: string[], options: PushOptions): Promise<number> {
  const stack = await context.stack(services);
  const { chooseServices, dependenciesOf } = await import("../../../stack/query.ts");
  const needs = options.includeDeps ? dependenciesOf : () => [];
  const images = new Set(chooseServices(stack, services, needs).map(({ image }) => image));
  return eachImage(context, images, "pushed", options.ignorePushFailures, (client, image) =>
    pushOne(client, image, options.quiet ?? false),
  );
}

/** Runs one after the other; returns 1 if all failed, and throws the first failure unless failures are ignored. */
async function eachImage(
  context: Context,
  images: ReadonlySet<string>,
  done: string,
  isLenient: boolean | undefined,
  deed: (client: Client, image: string) => Promise<void>,
): Promise<number> {
  if (context.options.dryRun) {
    for (const image of images) print(`${image} would be ${done}`);
    return 0;
  }
  const client = await context.daemon();
  let failed = 0;
  for (const image of images) {
    try {
      await deed(client, image);
    } catch (error) {
      if (!isLenient) throw error;
      process.stderr.write(`warning: ${image}: ${messageOf(error)}\n`);
      failed += 1;
    }
  }
  return failed > 0 && failed === images.size ? 1 : 0;
}

/** `bay image pull IMAGE…`. */
export async function pullImages(
  context: Context,
  references: string[],
  options: PullOptions,
): Promise<void> {
  const client = await context.daemon();
  for (const reference of references) await pullOne(client, reference, options);
}

/** `bay image push IMAGE…`. */
export async function pushImages(
  context: Context,
  references: string[],
  options: { quiet?: boolean },
): Promise<void> {
  const client = await context.daemon();
  for (const reference of references) await pushOne(client, reference, options.quiet ?? false);
}

interface LoginOptions {
  username?: string;
  password?: string;
  passwordStdin?: boolean;
}

/** Asks the registry to verify the credentials, and stores them if it does. */
export async function login(_context: Context, [server]: string[], options: LoginOptions): Promise<void> {
  const registry = server ?? "docker.io";
  if (options.password !== undefined)
    throw new BayError(
      "BAD_OPTION",
      "a password on the command line is visible to every process on this host",
      {
        hint: "echo PASSWORD | bay login --username NAME --password-stdin",
      },
    );
  if (options.passwordStdin && !options.username)
    throw new BayError("BAD_OPTION", "--password-stdin needs --username");
  const username = options.username ?? (await ask("Username: ", false));
  const password = options.passwordStdin ? await allInput() : await ask("Password: ", true);
  const { checkLogin, keepCredentials } = await import("../../../image/index.ts");
  await checkLogin(registry, { username, password });
  keepCredentials(registry, { username, password });
  print(`logged in to ${registry} as ${username}`);
}

export async function logout(_context: Context, [server]: string[]): Promise<void> {
  const registry = server ?? "docker.io";
  const { keepCredentials } = await import("../../../image/index.ts");
  print(keepCredentials(registry, undefined) ? `logged out of ${registry}` : `not logged in to ${registry}`);
}

async function allInput(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

function ask(question: string, hidden: boolean): Promise<string> {
  if (!process.stdin.isTTY)
    throw new BayError("BAD_OPTION", "cannot ask for input without a terminal", {
      hint: "echo PASSWORD | bay login --username NAME --password-stdin",
    });
  const reader = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  return new Promise((resolve) => {
    reader.question(question, (answer) => {
      reader.close();
      if (hidden) process.stderr.write("\n");
      resolve(answer);
    });
    // the password is not echoed
    if (hidden) (reader as unknown as { _writeToOutput: (text: string) => void })._writeToOutput = () => {};
  });
}
