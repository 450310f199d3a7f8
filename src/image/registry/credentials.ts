/**
 * Credentials for registries: from bay's own file (written by `bay login`), then from Docker's config.json with its helpers
 * (docker-credential-helpers protocol: the host on standard input, JSON on standard output).
 */
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { BayError, messageOf } from "../../core/errors.ts";
import { replaceFile } from "../../store/index.ts";

export interface Credentials {
  username: string;
  password: string;
  /** An OAuth2 refresh token instead of a password. */
  identityToken?: string;
  /** Where they were found, for messages: a file, or a credential helper. */
  source?: string;
}

const configSchema = z.object({
  auths: z
    .record(
      z.string(),
      z.object({
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
        identitytoken: z.string().optional(),
      }),
    )
    .optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});
type Config = z.infer<typeof configSchema>;

const helperAnswer = z.object({ Username: z.string(), Secret: z.string() });
/** The name of Docker Hub in config.json. */
const DOCKER_HUB = "https://index.docker.io/v1/";
const HELPER_TIME = 30_000;

export function ownFile(): string {
  return join(process.env.XDG_CONFIG_HOME ?? join(homedir(), ".config"), "bay", "auth.json");
}

function dockerFile(): string {
  return join(process.env.DOCKER_CONFIG ?? join(homedir(), ".docker"), "config.json");
}

/** Throws BAD_CREDENTIALS for a file that cannot be read; its content is never shown. */
function readConfig(file: string): Config {
  if (!existsSync(file)) return {};
  try {
    return configSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    throw new BayError("BAD_CREDENTIALS", `${file} does not have the format of docker login`);
  }
}

/** The names under which the file may contain a registry. */
function namesOf(registry: string): string[] {
  return registry === "docker.io"
    ? [DOCKER_HUB, "index.docker.io", "docker.io", "https://index.docker.io"]
    : [
        registry,
        `https://${registry}`,
        `http://${registry}`,
        `https://${registry}/v1/`,
        `https://${registry}/v2/`,
      ];
}

/** The credentials for a registry, or undefined for anonymous access. Throws BAD_CREDENTIALS, CREDENTIAL_HELPER. */
export async function findCredentials(registry: string): Promise<Credentials | undefined> {
  for (const file of [ownFile(), dockerFile()]) {
    const config = readConfig(file);
    const names = namesOf(registry);
    const helper = names.map((name) => config.credHelpers?.[name]).find(Boolean) ?? config.credsStore;
    if (helper) {
      const found = await askHelper(helper, registry === "docker.io" ? DOCKER_HUB : registry);
      if (found) return found;
    }
    for (const name of names) {
      const entry = config.auths?.[name];
      if (!entry) continue;
      if (entry.identitytoken)
        return { username: "", password: "", identityToken: entry.identitytoken, source: file };
      const [username = "", password = ""] = entry.auth
        ? Buffer.from(entry.auth, "base64").toString("utf8").split(/:(.*)/s)
        : [entry.username, entry.password];
      if (username) return { username, password, source: file };
    }
  }
  return undefined;
}

function askHelper(helper: string, server: string): Promise<Credentials | undefined> {
  if (!/^[\w.-]+$/.test(helper))
    throw new BayError("CREDENTIAL_HELPER", `invalid name of a credential helper ${JSON.stringify(helper)}`);
  const command = `docker-credential-${helper}`;
  return new Promise((resolve, reject) => {
    const child = execFile(command, ["get"], { timeout: HELPER_TIME }, (error, out) => {
      if (error && (error as NodeJS.ErrnoException).code === "ENOENT") {
        const hint = "install it, or remove it from ~/.docker/config.json";
        return reject(new BayError("CREDENTIAL_HELPER", `${command} is not installed`, { hint }));
      }
      // helpers report on standard output that they have no credentials
      if (error && /credentials not found/i.test(out)) return resolve(undefined);
      if (error) return reject(new BayError("CREDENTIAL_HELPER", `${command} failed`));
      try {
        const { Username, Secret } = helperAnswer.parse(JSON.parse(out));
        resolve(
          Username === "<token>"
            ? { username: "", password: "", identityToken: Secret, source: command }
            : { username: Username, password: Secret, source: command },
        );
      } catch {
        reject(new BayError("CREDENTIAL_HELPER", `the output of ${command} cannot be read`));
      }
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(server);
  });
}

/** Saves credentials in bay's own file, or removes them if undefined. Returns false if there were none to remove. */
export function keepCredentials(registry: string, credentials: Credentials | undefined): boolean {
  const file = ownFile();
  const config = readConfig(file);
  const auths = { ...config.auths };
  const had = namesOf(registry).some((name) => name in auths);
  for (const name of namesOf(registry)) delete auths[name];
  if (credentials) {
    const { username, password, identityToken } = credentials;
    auths[registry] = identityToken
      ? { identitytoken: identityToken }
      : { auth: Buffer.from(`${username}:${password}`).toString("base64") };
  }
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    replaceFile(file, `${JSON.stringify({ ...config, auths }, null, 2)}\n`, 0o600);
    chmodSync(file, 0o600);
  } catch (cause) {
    throw new BayError("BAD_CREDENTIALS", `${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
  return had;
}
