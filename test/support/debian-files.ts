/**
 * Packages of a release of Debian, unpacked into a folder that later runs use again. The host's apt is not changed: its
 * configuration, lists and cache for that release are in that folder. The packages come through the tests' proxy.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HANGS_AFTER } from "./bay.ts";
import { type KeptFiles, keptFiles } from "./kept-files.ts";

const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Unpacks packages, without those that they depend on; `proof` is one of their files. */
export function debianFiles(
  name: string,
  packages: readonly string[],
  proof: string,
  release: "bookworm" | "trixie" = "trixie",
): KeptFiles {
  return keptFiles(name, proof, (folder) => unpack(folder, packages, release));
}

function unpack(folder: string, packages: readonly string[], release: string): void {
  const apt = join(folder, "apt");
  mkdirSync(join(apt, "lists", "partial"), { recursive: true });
  mkdirSync(join(apt, "archives", "partial"), { recursive: true });
  writeFileSync(join(apt, "status"), "");
  writeFileSync(
    join(apt, "sources.list"),
    `deb [signed-by=${KEYS}] http://deb.debian.org/debian ${release} main\n`,
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
  run("apt-get", ...options, "-q", "download", ...packages);
  for (const file of readdirSync(apt)) if (file.endsWith(".deb")) run("dpkg-deb", "-x", file, folder);
  rmSync(apt, { recursive: true });
}
