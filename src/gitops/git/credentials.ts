/** Credentials of sources in files that only root can read, and the deploy keys of SSH. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { GitAccess } from "../../build/index.ts";
import { BayError, hasCode } from "../../core/errors.ts";
import { replaceFile } from "../../store/index.ts";
import { type NotifyTarget, notifyTargets } from "../notify/targets.ts";

const KINDS = ["auth", "ca.pem", "known_hosts", "pinned_hosts", "key", "hook", "notify"] as const;
type Kind = (typeof KINDS)[number];

const run = promisify(execFile);

/** Files of one source. They stay out of the store, of status and of logs. */
export interface SecretInput {
  /** A token, or `user:password`. */
  auth?: string | undefined;
  /** CA certificates, in PEM. */
  ca?: string | undefined;
  /** Lines of known_hosts (sshd(8)). Without them, the first host key is accepted and pinned. */
  knownHosts?: string | undefined;
}

export class GitCredentials {
  constructor(readonly directory: string) {}

  #file(name: string, kind: Kind): string {
    return join(this.directory, `${name}.${kind}`);
  }

  put(name: string, { auth, ca, knownHosts }: SecretInput): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const write = (kind: "auth" | "ca.pem" | "known_hosts", text: string | undefined) => {
      if (text !== undefined) replaceFile(this.#file(name, kind), text, 0o600);
    };
    write("auth", auth?.trim());
    write("ca.pem", ca);
    write("known_hosts", knownHosts);
  }

  /** Creates a deploy key if there is none, and returns its public part. Throws MISSING_TOOL. */
  async publicKey(name: string): Promise<string> {
    const file = this.#file(name, "key");
    if (!existsSync(file)) {
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      try {
        await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", `bay gitops ${name}`, "-f", file]);
      } catch (cause) {
        if (hasCode(cause, "ENOENT"))
          throw new BayError("MISSING_TOOL", "ssh-keygen is not installed", {
            hint: "apt-get install openssh-client",
            cause,
          });
        throw cause;
      }
    }
    return readFileSync(`${file}.pub`, "utf8").trim();
  }

  /** Whether a source has credentials of its own. */
  has(name: string): boolean {
    return (["auth", "key"] as const).some((kind) => existsSync(this.#file(name, kind)));
  }

  /** The certificates of a private CA; undefined without one. */
  ca(name: string): string | undefined {
    return this.#read(name, "ca.pem");
  }

  /** The secret of the webhook; undefined without one. */
  hookSecret(name: string): string | undefined {
    return this.#read(name, "hook");
  }

  /** Sets or removes the secret of the webhook. */
  putHookSecret(name: string, secret: string | undefined): void {
    this.#replace(name, "hook", secret);
  }

  hasTargets(name: string): boolean {
    return existsSync(this.#file(name, "notify"));
  }

  /** Where results are reported. Empty if the file cannot be read, because it was changed by hand. */
  targets(name: string): NotifyTarget[] {
    try {
      const targets = notifyTargets.safeParse(JSON.parse(this.#read(name, "notify") ?? "[]"));
      return targets.success ? targets.data : [];
    } catch {
      return [];
    }
  }

  putTargets(name: string, targets: readonly NotifyTarget[]): void {
    this.#replace(name, "notify", targets.length > 0 ? JSON.stringify(targets) : undefined);
  }

  #replace(name: string, kind: Kind, text: string | undefined): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    if (text === undefined) rmSync(this.#file(name, kind), { force: true });
    else replaceFile(this.#file(name, kind), text, 0o600);
  }

  remove(name: string): void {
    for (const kind of KINDS)
      for (const end of ["", ".pub"]) rmSync(this.#file(name, kind) + end, { force: true });
  }

  /** How git reaches the repository of a source. Secrets go through the environment, never through arguments. */
  access(name: string, remote: string, signal: AbortSignal): GitAccess {
    const auth = this.#read(name, "auth");
    const ca = this.#file(name, "ca.pem");
    const isToken = auth !== undefined && !auth.includes(":");
    const pair = isToken ? `x-access-token:${auth}` : auth;
    return {
      agent: undefined,
      secret: (id) =>
        id === "GIT_AUTH_HEADER" && pair ? `Basic ${Buffer.from(pair).toString("base64")}` : undefined,
      signal,
      allowFiles: remote.startsWith("/") || remote.startsWith("file://"),
      environment: {
        ...(existsSync(ca) ? { GIT_SSL_CAINFO: ca } : {}),
        GIT_SSH_COMMAND: this.#ssh(name),
        GIT_HTTP_LOW_SPEED_LIMIT: "1",
        GIT_HTTP_LOW_SPEED_TIME: "30",
      },
    };
  }

  #read(name: string, kind: Kind): string | undefined {
    const file = this.#file(name, kind);
    return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
  }

  #ssh(name: string): string {
    const key = this.#file(name, "key");
    const given = this.#file(name, "known_hosts");
    const isStrict = existsSync(given);
    const hosts = isStrict ? given : this.#file(name, "pinned_hosts");
    const options = [
      "BatchMode=yes",
      "ConnectTimeout=20",
      "ServerAliveInterval=10",
      "ServerAliveCountMax=3",
      `StrictHostKeyChecking=${isStrict ? "yes" : "accept-new"}`,
      `UserKnownHostsFile=${hosts}`,
      "GlobalKnownHostsFile=/dev/null",
      ...(existsSync(key) ? [`IdentityFile=${key}`, "IdentitiesOnly=yes"] : []),
    ];
    return ["ssh", "-F", "/dev/null", ...options.flatMap((option) => ["-o", `'${option}'`])].join(" ");
  }
}
