/** An OpenSSH server of a test's own on a port of 127.0.0.1, and an `ssh` for commands that knows only it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMAND, eventually } from "./bay.ts";

const SSHD = "/usr/sbin/sshd";
export const hasSshd = existsSync(SSHD);

export class Sshd {
  readonly folder = mkdtempSync(join(tmpdir(), "bay-sshd-"));
  port = 0;
  #process: ChildProcess | undefined;

  /** Commands on the far side get these variables; `bay` is in their PATH. */
  async start(variables: Record<string, string>): Promise<this> {
    this.port = await freePort();
    for (const name of ["host", "user", "stranger"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(this.folder, name)]);
    this.#write("authorized_keys", readFileSync(join(this.folder, "user.pub"), "utf8"));
    this.trust("host");
    this.#script("far/bay", `exec "${process.execPath}" "${COMMAND}" "$@"`);
    this.#script("near/ssh", `exec /usr/bin/ssh -F "${join(this.folder, "ssh_config")}" "$@"`);
    this.#write(
      "ssh_config",
      `Host *
  UserKnownHostsFile ${join(this.folder, "known_hosts")}
  GlobalKnownHostsFile /dev/null
  IdentityFile ${join(this.folder, "user")}
  IdentitiesOnly yes
Host alias
  HostName 127.0.0.1
  Port ${this.port}
  User root
`,
    );
    const set = Object.entries({
      PATH: `${join(this.folder, "far")}:/usr/local/bin:/usr/bin:/bin`,
      ...variables,
    });
    this.#write(
      "sshd_config",
      `Port ${this.port}
ListenAddress 127.0.0.1
HostKey ${join(this.folder, "host")}
AuthorizedKeysFile ${join(this.folder, "authorized_keys")}
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
PidFile none
MaxStartups 100
MaxSessions 100
SetEnv ${set.map(([name, value]) => `"${name}=${value}"`).join(" ")}
`,
    );
    mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    this.#process = spawn(SSHD, ["-D", "-e", "-f", join(this.folder, "sshd_config")], { stdio: "ignore" });
    await eventually(() => canConnect(this.port));
    return this;
  }

  /** The folder of the `ssh` that a command must find first. */
  get near(): string {
    return join(this.folder, "near");
  }

  get address(): string {
    return `ssh://root@127.0.0.1:${this.port}`;
  }

  /** The client expects this key of the host. */
  trust(key: "host" | "stranger"): void {
    const [type = "", text = ""] = readFileSync(join(this.folder, `${key}.pub`), "utf8").split(" ");
    this.#write("known_hosts", `[127.0.0.1]:${this.port} ${type} ${text}\n`);
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text, { mode: 0o600 });
  }

  #script(name: string, line: string): void {
    const path = join(this.folder, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${line}\n`);
    chmodSync(path, 0o755);
  }

  stop(): void {
    this.#process?.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A port that is free at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function canConnect(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve();
    });
    socket.on("error", reject);
  });
}
