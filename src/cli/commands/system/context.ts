/** `bay context`: names for the bayds of hosts. */
import { BayError } from "../../../core/errors.ts";
import { formatHostAddress, parseHostAddress } from "../../../core/host-address.ts";
import type { Context } from "../../context.ts";
import { chooseHost, type HostOptions, isForBay } from "../../remote/choose-host.ts";
import { clientTls } from "../../remote/client-tls.ts";
import {
  type BayContext,
  Contexts,
  DEFAULT_CONTEXT,
  PEM_FILES,
  type Pem,
  readPem,
} from "../../remote/contexts.ts";
import { namesTls } from "../../remote/tls-options.ts";
import { column, type Listing, printListing } from "../../ui/listing.ts";
import { print, printJson } from "../../ui/output.ts";

interface CreateOptions extends HostOptions {
  host: string;
  description?: string;
}

export async function create(_context: Context, [name]: string[], options: CreateOptions): Promise<void> {
  const address = parseHostAddress(options.host, "--host");
  const usesTls = namesTls(options);
  if (usesTls && address.kind !== "tcp")
    throw new BayError("BAD_OPTION", "the options of TLS need a tcp:// address", {
      hint: "ssh:// has its own keys, and a unix socket needs none",
    });
  const pem: Pem = {
    ...(options.tlscacert ? { ca: readPem(options.tlscacert, "--tlscacert") } : {}),
    ...(options.tlscert ? { cert: readPem(options.tlscert, "--tlscert") } : {}),
    ...(options.tlskey ? { key: readPem(options.tlskey, "--tlskey") } : {}),
  };
  const verify = options.tlsverify === true || pem.ca !== undefined;
  if (verify && pem.ca === undefined) throw new BayError("BAD_OPTION", "--tlsverify needs --tlscacert");
  clientTls(pem, verify);
  const { openTransport } = await import("../../../daemon/index.ts");
  await openTransport(address, usesTls ? clientTls(pem, verify) : undefined); // throws TLS_REQUIRED
  new Contexts().create(
    name!,
    {
      host: formatHostAddress(address),
      description: options.description ?? "",
      tls: !usesTls ? "none" : verify ? "verify" : "skip-verify",
    },
    pem,
  );
  print(name!);
}

export async function use(_context: Context, [name]: string[]): Promise<void> {
  new Contexts().use(name!);
  print(name!);
  const choice = chooseHost({}, process.env, () => new Contexts());
  if (choice.kind !== "own" && choice.from !== "bay context use")
    process.stderr.write(`warning: ${choice.from} in the environment overrides the context\n`);
}

interface Row {
  name: string;
  host: string;
  description: string;
  isUsed: boolean;
}

const LISTING: Listing<Row> = {
  columns: {
    Name: column("NAME", ({ name, isUsed }) => (isUsed ? `${name} *` : name)),
    Description: column("DESCRIPTION", ({ description }) => description),
    DockerEndpoint: column("HOST", ({ host }) => host),
    Current: column("CURRENT", ({ isUsed }) => isUsed),
  },
  shown: ["Name", "Description", "DockerEndpoint"],
  json: "lines",
  toJson: ({ name, description, host, isUsed }) => ({
    Name: name,
    Description: description,
    DockerEndpoint: host,
    Current: isUsed,
  }),
};

export async function list(
  context: Context,
  _args: string[],
  options: { quiet?: boolean; format: string },
): Promise<void> {
  const contexts = new Contexts();
  const used = await usedName(context);
  const rows: Row[] = [
    {
      name: DEFAULT_CONTEXT,
      host: "",
      description: "bayd of this computer",
      isUsed: used === DEFAULT_CONTEXT,
    },
    ...contexts.names().map((name) => {
      const { host, description } = contexts.get(name);
      return { name, host, description, isUsed: used === name };
    }),
  ];
  if (options.quiet) return print(rows.map(({ name }) => name).join("\n"));
  await printListing(options.format, LISTING, rows);
  await sayOverride(context);
}

/** The name of the context that is used; undefined if an address overrides it. */
async function usedName(context: Context): Promise<string | undefined> {
  const choice = await context.choice();
  if (choice.kind === "own") return DEFAULT_CONTEXT;
  return choice.kind === "context" ? choice.name : undefined;
}

async function sayOverride(context: Context): Promise<void> {
  const choice = await context.choice();
  const { DOCKER_HOST, DOCKER_CONTEXT } = process.env;
  if (choice.kind === "address")
    process.stderr.write(
      `warning: ${choice.from} selects ${choice.address}, regardless of the context in use\n`,
    );
  else if (DOCKER_HOST && !isForBay(DOCKER_HOST))
    process.stderr.write(
      `warning: DOCKER_HOST=${DOCKER_HOST} is the socket of another engine, and bay does not use it; BAY_HOST selects any socket\n`,
    );
  else if (choice.kind === "own" && DOCKER_CONTEXT && DOCKER_CONTEXT !== DEFAULT_CONTEXT)
    process.stderr.write(
      `warning: DOCKER_CONTEXT=${DOCKER_CONTEXT} is not a context of bay, and bay does not use it\n`,
    );
}

export async function show(context: Context): Promise<void> {
  const choice = await context.choice();
  print((await usedName(context)) ?? (choice.kind === "address" ? choice.address : ""));
}

/** The contexts, or the one in use. Throws UNKNOWN_CONTEXT. */
export async function inspect(context: Context, names: string[]): Promise<void> {
  const contexts = new Contexts();
  const wanted = names.length > 0 ? names : [(await usedName(context)) ?? DEFAULT_CONTEXT];
  printJson(
    wanted.map((name) => (name === DEFAULT_CONTEXT ? { Name: name } : shown(contexts, contexts.get(name)))),
  );
}

function shown(contexts: Contexts, { name, host, description, tls, folder }: BayContext): object {
  const has = contexts.pem({ name, host, description, tls, folder });
  return {
    Name: name,
    Host: host,
    Description: description,
    TLS: tls,
    // keys are never shown
    Files: Object.keys(has).map((kind) => PEM_FILES[kind as keyof Pem]),
    Folder: folder,
  };
}

export async function remove(
  _context: Context,
  names: string[],
  { force = false }: { force?: boolean },
): Promise<void> {
  const contexts = new Contexts();
  for (const name of names) {
    contexts.remove(name, force);
    print(name);
  }
}
