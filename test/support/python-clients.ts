/** Clients of Debian 12 that are written in Python: docker-compose 1.29, and docker-py. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { HANGS_AFTER, type Result } from "./bay.ts";
import { debianFiles } from "./debian-files.ts";
import type { KeptFiles } from "./kept-files.ts";

const PYTHON = "/usr/bin/python3";
const MODULES =
  "attr certifi chardet charset-normalizer distro docker dockerpty docopt dotenv idna jsonschema packaging paramiko pkg-resources pyrsistent requests setuptools six texttable urllib3 websocket yaml";

/** The folder with the clients, or the reason why they are not available. */
export function pythonClients(): KeptFiles {
  if (!existsSync(PYTHON)) return { missing: `${PYTHON} does not exist` };
  const packages = ["docker-compose", ...MODULES.split(" ").map((name) => `python3-${name}`)];
  const files = debianFiles("bookworm-python", packages, "usr/bin/docker-compose", "bookworm");
  if ("missing" in files) return files;
  const { code, err } = runPython(files.folder, "", "/", ["-c", "import compose.cli.main, docker"]);
  return code === 0 ? files : { missing: err.trim().split("\n").at(-1) ?? "" };
}

/** Runs Python with the clients' modules and the socket of a bay. */
export function runPython(folder: string, socket: string, cwd: string, words: readonly string[]): Result {
  const { COMPOSE_FILE: _, COMPOSE_PROJECT_NAME: __, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(PYTHON, words, {
    cwd,
    env: {
      ...env,
      PYTHONPATH: join(folder, "usr/lib/python3/dist-packages"),
      DOCKER_HOST: `unix://${socket}`,
      DOCKER_CONFIG: join(cwd, ".docker"),
    },
    input: "",
    encoding: "utf8",
    timeout: HANGS_AFTER,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 28,
  });
  return { code: status ?? -1, out: stdout, err: stderr };
}

/** The path of docker-compose 1.29 in the folder. */
export const composeFile = (folder: string): string => join(folder, "usr/bin/docker-compose");
