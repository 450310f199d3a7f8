/**
 * The administrator's settings for registries: mirrors and insecure ones in `registries.json` of bay's configuration
 * directory, and certificates in the same layout as Docker's (`certs.d/HOST:PORT/`).
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { z } from "zod";
import { configFolder, readDaemonSettings } from "../../core/daemon-settings.ts";
import { BayError, messageOf } from "../../core/errors.ts";

const settingsSchema = z.strictObject({
  /** By registry host, `docker.io` for example: base URLs or hosts that are tried before it, in order. */
  mirrors: z.record(z.string(), z.array(z.string())).default({}),
  /** Hosts contacted without TLS, or with an unverified certificate. */
  insecure: z.array(z.string()).default([]),
});

export type RegistrySettings = z.infer<typeof settingsSchema>;

export interface Certificates {
  ca: string[];
  cert?: string;
  key?: string;
}

const SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

/** Those of registries.json and of daemon.json. Throws BAD_REGISTRIES and BAD_SETTINGS, naming the file and the error in it. */
export function readSettings(folder = configFolder()): RegistrySettings {
  const { mirrors, insecure } = readDaemonSettings(folder).registries;
  const own = readRegistries(folder);
  const ofHub = [...(own.mirrors["docker.io"] ?? []), ...mirrors];
  return {
    mirrors: ofHub.length > 0 ? { ...own.mirrors, "docker.io": ofHub } : own.mirrors,
    insecure: [...own.insecure, ...insecure],
  };
}

function readRegistries(folder: string): RegistrySettings {
  const file = join(folder, "registries.json");
  if (!existsSync(file)) return { mirrors: {}, insecure: [] };
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new BayError("BAD_REGISTRIES", `${file}: ${messageOf(cause)}`, { cause });
  }
  const parsed = settingsSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${path.join(".") || "the file"}: ${message}`,
  );
  throw new BayError("BAD_REGISTRIES", `${file}: ${problems.join("; ")}`, {
    hint: 'expected {"mirrors": {"docker.io": ["https://mirror.example"]}, "insecure": ["registry.lan:5000"]}',
  });
}

/** How to allow a host without TLS, or with any certificate: the file, and its content. */
export const insecureHint = (host: string, folder = configFolder()): string =>
  `add ${JSON.stringify(host)} to the list "insecure" in ${join(folder, "registries.json")}`;

/** True if the administrator configured certificates for a registry. */
export function hasCertificates(host: string, folders = [configFolder(), "/etc/docker"]): boolean {
  return folders.some((folder) => existsSync(join(folder, "certs.d", host)));
}

/** The certificate authorities for a host: the system's, and those in its directory in certs.d. */
export function certificatesOf(host: string, folders = [configFolder(), "/etc/docker"]): Certificates {
  const ca = existsSync(SYSTEM_BUNDLE) ? [readFileSync(SYSTEM_BUNDLE, "utf8")] : [...rootCertificates];
  const found: Certificates = { ca };
  for (const folder of folders) {
    const directory = join(folder, "certs.d", host);
    if (!existsSync(directory)) continue;
    const names = readdirSync(directory);
    for (const name of names.filter((candidate) => candidate.endsWith(".crt")))
      ca.push(readFileSync(join(directory, name), "utf8"));
    const client = names.find((name) => name.endsWith(".cert"));
    if (!client || found.cert) continue;
    const key = client.replace(/\.cert$/, ".key");
    if (!names.includes(key))
      throw new BayError("BAD_REGISTRIES", `${join(directory, client)} needs ${key} in the same directory`);
    found.cert = readFileSync(join(directory, client), "utf8");
    found.key = readFileSync(join(directory, key), "utf8");
  }
  return found;
}
