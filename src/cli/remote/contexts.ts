/**
 * Named contexts: the addresses of bayds, with certificates, in the user's configuration folder
 * (XDG_CONFIG_HOME, or ~/.config): bay/contexts/NAME/context.json, ca.pem, cert.pem and key.pem, and bay/context, which has the
 * name of the one in use.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { BayError, messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { replaceFile } from "../../store/index.ts";
import { userFolder } from "./user-folder.ts";

/** The context without an address: bayd of this computer, or the one that the environment names. */
export const DEFAULT_CONTEXT = "default";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]{0,127}$/;
const MAX_FILE = LIMITS.identity.pem;

const schema = z.strictObject({
  host: z.string().min(1).max(1024),
  description: z.string().max(4096).default(""),
  tls: z.enum(["none", "verify", "skip-verify"]).default("none"),
});

export interface BayContext extends z.output<typeof schema> {
  name: string;
  /** The folder of its files. */
  folder: string;
}

/** The files of a context's certificates, by their option. */
export const PEM_FILES = { ca: "ca.pem", cert: "cert.pem", key: "key.pem" } as const;
export type Pem = Partial<Record<keyof typeof PEM_FILES, string>>;

export class Contexts {
  constructor(readonly folder = userFolder()) {}

  #folderOf(name: string): string {
    return join(this.folder, "contexts", name);
  }

  /** The name that `bay context use` chose. Throws BAD_CONTEXT. */
  inUse(): string {
    const file = join(this.folder, "context");
    if (!existsSync(file)) return DEFAULT_CONTEXT;
    return checkName(readFileSync(file, "utf8").trim());
  }

  has(name: string): boolean {
    return NAME.test(name) && existsSync(join(this.#folderOf(name), "context.json"));
  }

  /** Throws UNKNOWN_CONTEXT, BAD_CONTEXT. */
  get(name: string): BayContext {
    checkName(name);
    if (!this.has(name)) {
      const names = this.names();
      throw new BayError("UNKNOWN_CONTEXT", `the context ${name} does not exist`, {
        hint:
          names.length > 0
            ? `the contexts are: ${names.join(", ")}`
            : "bay context create NAME --host ADDRESS",
      });
    }
    const folder = this.#folderOf(name);
    const file = join(folder, "context.json");
    try {
      return { ...schema.parse(JSON.parse(readFileSync(file, "utf8"))), name, folder };
    } catch (cause) {
      const issues = (cause as { issues?: readonly { path: PropertyKey[]; message: string }[] }).issues;
      const why = issues
        ? issues
            .map(({ path, message }) => `${path.map(String).join(".") || "the file"}: ${message}`)
            .join("; ")
        : messageOf(cause);
      throw new BayError("BAD_CONTEXT", `${file}: ${why}`, { hint: `bay context rm -f ${name} removes it` });
    }
  }

  names(): string[] {
    const folder = join(this.folder, "contexts");
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => this.has(name))
      .sort();
  }

  /** Its certificates and key, as far as it has them. */
  pem({ folder }: BayContext): Pem {
    const entries = Object.entries(PEM_FILES).map(([kind, file]) => [kind, join(folder, file)] as const);
    return Object.fromEntries(
      entries.filter(([, path]) => existsSync(path)).map(([kind, path]) => [kind, readPem(path)]),
    );
  }

  /** Throws BAD_CONTEXT if the name is invalid or taken. */
  create(name: string, fields: z.input<typeof schema>, pem: Pem): BayContext {
    checkName(name);
    if (name === DEFAULT_CONTEXT)
      throw new BayError("BAD_CONTEXT", `the name ${DEFAULT_CONTEXT} is reserved`, {
        hint: "use another name",
      });
    if (this.has(name))
      throw new BayError("BAD_CONTEXT", `the context ${name} already exists`, {
        hint: `remove it first with: bay context rm ${name}`,
      });
    const folder = this.#folderOf(name);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const [kind, text] of Object.entries(pem))
      replaceFile(join(folder, PEM_FILES[kind as keyof Pem]), text, 0o600);
    // last, because the context exists with it
    replaceFile(join(folder, "context.json"), `${JSON.stringify(schema.parse(fields), null, 2)}\n`, 0o600);
    return this.get(name);
  }

  /** Throws UNKNOWN_CONTEXT, BAD_CONTEXT. */
  use(name: string): void {
    if (name === DEFAULT_CONTEXT) return rmSync(join(this.folder, "context"), { force: true });
    this.get(name);
    replaceFile(join(this.folder, "context"), `${name}\n`, 0o600);
  }

  /** With `force`, also the context in use; then the default one is used. Throws UNKNOWN_CONTEXT, BAD_CONTEXT. */
  remove(name: string, force: boolean): void {
    checkName(name);
    if (name === DEFAULT_CONTEXT)
      throw new BayError("BAD_CONTEXT", `the context ${DEFAULT_CONTEXT} cannot be removed`);
    if (!this.has(name)) {
      if (force) return;
      this.get(name);
    }
    if (this.inUse() === name) {
      if (!force)
        throw new BayError("BAD_CONTEXT", `the context ${name} is in use`, {
          hint: "choose another one with bay context use, or add --force",
        });
      this.use(DEFAULT_CONTEXT);
    }
    rmSync(this.#folderOf(name), { recursive: true, force: true });
  }
}

function checkName(name: string): string {
  if (NAME.test(name)) return name;
  throw new BayError("BAD_CONTEXT", `invalid name of a context ${JSON.stringify(name.slice(0, 200))}`, {
    hint: "expected letters, digits, and _ . + - after the first character",
  });
}

/** Reads a file of a certificate or key. Throws NO_FILE, BAD_CERTIFICATE. */
export function readPem(path: string, option?: string): string {
  const named = option === undefined ? path : `${option}: ${path}`;
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new BayError(isMissing ? "NO_FILE" : "BAD_CERTIFICATE", `${option ?? "TLS"}: ${messageOf(cause)}`, {
      cause,
    });
  }
  if (bytes.length > MAX_FILE)
    throw new BayError("BAD_CERTIFICATE", `${named} is larger than ${MAX_FILE} bytes`);
  const text = bytes.toString("latin1");
  if (!text.includes("-----BEGIN "))
    throw new BayError("BAD_CERTIFICATE", `${named} is not a PEM file`, {
      hint: "expected a file with -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----",
    });
  return text;
}
