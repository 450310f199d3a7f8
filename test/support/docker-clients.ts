/** The docker CLI and docker compose of Debian 13. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HANGS_AFTER, type Result } from "./bay.ts";
import { debianFiles } from "./debian-files.ts";
import type { KeptFiles } from "./kept-files.ts";

const PLUGIN = "usr/libexec/docker/cli-plugins/docker-compose";

/** The folder with the clients, or the reason why they are not available. */
export const dockerClients = (): KeptFiles => debianFiles("trixie", ["docker-cli", "docker-compose"], PLUGIN);

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
      maxBuffer: 1 << 28,
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
