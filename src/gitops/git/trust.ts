/** Which commits a source accepts: signed by listed keys, and descendants of the commit that was applied. */
import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { promisify } from "node:util";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import { replaceFile } from "../../store/index.ts";
import type { Source } from "../model/source.ts";
import type { Clone } from "./repositories.ts";

/** Throws GITOPS_UNTRUSTED. */
export async function checkTrust(
  clone: Clone,
  source: Source,
  appliedCommit: string | undefined,
  ref: string | undefined,
): Promise<void> {
  if (source.verify !== undefined) await checkSignature(clone, source.verify, source.name);
  if (!source.allow_rewind && appliedCommit !== undefined && appliedCommit !== clone.commit)
    await checkDescent(clone, appliedCommit, ref);
}

/**
 * git's own verification, with an allowed-signers file (gpg.ssh.allowedSignersFile of git-config(1)) and a keyring that has only
 * the listed OpenPGP keys. Throws GITOPS_UNTRUSTED, MISSING_TOOL.
 */
async function checkSignature({ run, commit, path }: Clone, verify: string, name: string): Promise<void> {
  const { signers, keys } = splitKeys(verify);
  const folder = `${path}/trust-${name}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    replaceFile(`${folder}/allowed-signers`, signers, 0o600);
    if (keys !== "") await importKeys(folder, keys);
    const options = {
      "gpg.ssh.allowedSignersFile": `${folder}/allowed-signers`,
      "gpg.program": keys === "" ? "/bin/false" : "gpg",
      "gpg.x509.program": "/bin/false",
    };
    const words = Object.entries(options).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
    await run([...words, "verify-commit", commit], { GNUPGHOME: folder });
  } catch (error) {
    if (!hasCode(error, "GIT_FAILED")) throw error;
    const text = messageOf(error).replace(/^.*git failed: /, "");
    throw new BayError(
      "GITOPS_UNTRUSTED",
      `the commit is not signed by an allowed key${text && !text.includes("failed") ? `: ${text}` : ""}`,
      { hint: "the keys are those of --verify FILE" },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const PGP_KEY = /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g;

/** The lines for SSH, and the blocks of OpenPGP keys. */
export function splitKeys(verify: string): { signers: string; keys: string } {
  const keys = [...verify.matchAll(PGP_KEY)].map(([block]) => block).join("\n");
  return { signers: verify.replace(PGP_KEY, ""), keys };
}

/** Throws MISSING_TOOL, GITOPS_UNTRUSTED. */
async function importKeys(home: string, keys: string): Promise<void> {
  const file = `${home}/keys.asc`;
  replaceFile(file, `${keys}\n`, 0o600);
  const words = ["--batch", "--quiet", "--no-autostart", "--import", file];
  const env = { PATH: process.env.PATH, GNUPGHOME: home };
  try {
    await promisify(execFile)("gpg", words, { env, timeout: IMPORT_TIME });
  } catch (cause) {
    if (hasCode(cause, "ENOENT"))
      throw new BayError("MISSING_TOOL", "gpg is not installed", { hint: "apt-get install gpg", cause });
    throw new BayError("GITOPS_UNTRUSTED", "gpg cannot read the OpenPGP keys of --verify", { cause });
  }
}

const IMPORT_TIME = 30_000;

/** Needs the history of the branch, which is fetched only for this check. */
async function checkDescent(
  { run, url, commit }: Clone,
  applied: string,
  ref: string | undefined,
): Promise<void> {
  const isShallow = (await run(["rev-parse", "--is-shallow-repository"])).trim() === "true";
  const words = [
    "fetch",
    "-q",
    "--no-auto-gc",
    "--no-write-fetch-head",
    ...(isShallow ? ["--unshallow"] : []),
  ];
  await run([...words, "--", url.remote, `+${ref ?? commit}:refs/bay/history`]);
  const isDescendant = await run(["merge-base", "--is-ancestor", applied, commit]).then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, "GIT_FAILED")) return false;
      throw error;
    },
  );
  if (isDescendant) return;
  throw new BayError(
    "GITOPS_UNTRUSTED",
    `the history was rewritten: the commit is not a descendant of the applied commit ${applied.slice(0, 12)}`,
    {
      hint: "set allow_rewind: true, or add the source without --no-allow-rewind, to accept rewritten history",
    },
  );
}
