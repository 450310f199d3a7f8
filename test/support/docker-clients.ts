/**
 * The docker CLI and docker compose of Debian 13, unpacked into a folder that later runs use again. The host's apt is not
 * changed: its configuration, lists and cache for Debian 13 are in that folder. The packages come through the tests' proxy.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HANGS_AFTER, type Result } from "./bay.ts";

const FOLDER = process.env.BAY_CLIENT_CACHE ?? "/var/cache/bay-test-clients";
const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";
const PACKAGES = ["docker-cli", "docker-compose"];
const PLUGIN = "usr/libexec/docker/cli-plugins/docker-compose";

/** The folder with the clients, or the reason why they are not available. */
export function dockerClients(): { folder: string } | { missing: string } {
  const folder = join(FOLDER, "trixie");
  if (existsSync(join(folder, PLUGIN))) return { folder };
  try {
    mkdirSync(FOLDER, { recursive: true });
    const fresh = mkdtempSync(join(FOLDER, "part-"));
    try {
      unpack(fresh);
      renameSync(fresh, folder);
    } catch (error) {
      rmSync(fresh, { recursive: true, force: true });
      if (!existsSync(join(folder, PLUGIN))) throw error; // another run was faster
    }
    return { folder };
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string };
    return { missing: (stderr?.toString() || message).trim().split("\n").slice(-2).join("; ") };
  }
}

function unpack(folder: string): void {
  const apt = join(folder, "apt");
  mkdirSync(join(apt, "lists", "partial"), { recursive: true });
  mkdirSync(join(apt, "archives", "partial"), { recursive: true });
  writeFileSync(join(apt, "status"), "");
  writeFileSync(
    join(apt, "sources.list"),
    `deb [signed-by=${KEYS}] http://deb.debian.org/debian trixie main\n`,
  );
  const settings = {
    "Dir::Etc::sourcelist": join(apt, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::State": apt,
    "Dir::State::status": join(apt, "status"),
    "Dir::Cache": apt,
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Acquire::Retries": "2",
    "APT::Update::Error-Mode": "any",
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  const run = (command: string, ...words: string[]) =>
    execFileSync(command, words, { cwd: apt, stdio: "pipe", timeout: HANGS_AFTER, killSignal: "SIGKILL" });
  run("apt-get", ...options, "-q", "update");
  run("apt-get", ...options, "-q", "download", ...PACKAGES);
  for (const file of readdirSync(apt)) if (file.endsWith(".deb")) run("dpkg-deb", "-x", file, folder);
  rmSync(apt, { recursive: true });
}

/** Docker's clients with the socket of a bay, from a directory without a stack file. */
export class DockerClients {
  readonly #env: NodeJS.ProcessEnv;

  constructor(
    readonly folder: string,
    readonly cwd: string,
    socket: string,
  ) {
    const { DOCKER_CONTEXT: _, COMPOSE_FILE: __, COMPOSE_PROJECT_NAME: ___, ...env } = process.env;
    const config = join(cwd, ".docker");
    mkdirSync(config, { recursive: true });
    writeFileSync(
      join(config, "config.json"),
      JSON.stringify({ cliPluginsExtraDirs: [join(folder, "usr/libexec/docker/cli-plugins")] }),
    );
    this.#env = { ...env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: config };
  }

  run(...words: string[]): Result {
    const { status, stdout, stderr, error } = spawnSync(join(this.folder, "usr/bin/docker"), words, {
      cwd: this.cwd,
      env: this.#env,
      input: "",
      encoding: "utf8",
      timeout: HANGS_AFTER,
      killSignal: "SIGKILL",
    });
    return { code: status ?? -1, out: stdout, err: `${stderr}${error ?? ""}` };
  }

  /** Runs and expects success; gives standard output. */
  ok(...words: string[]): string {
    const { code, out, err } = this.run(...words);
    if (code !== 0) throw new Error(`docker ${words.join(" ")} ended with ${code}\n${out}${err}`);
    return out;
  }
}
