/** Which commits a source accepts: signed by listed keys, and descendants of the commit that was applied. */
import { rmSync } from "node:fs";
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

/** git's own verification, with an allowed-signers file (gpg.ssh.allowedSignersFile of git-config(1)). */
async function checkSignature({ run, commit, path }: Clone, signers: string, name: string): Promise<void> {
  const file = `${path}/allowed-signers-${name}`;
  replaceFile(file, signers, 0o600);
  try {
    const options = ["-c", `gpg.ssh.allowedSignersFile=${file}`, "-c", "gpg.program=/bin/false"];
    await run([...options, "verify-commit", commit]);
  } catch (error) {
    if (!hasCode(error, "GIT_FAILED")) throw error;
    const text = messageOf(error).replace(/^.*git failed: /, "");
    throw new BayError(
      "GITOPS_UNTRUSTED",
      `the commit is not signed by an allowed key${text && !text.includes("failed") ? `: ${text}` : ""}`,
      { hint: "the keys are those of --verify FILE" },
    );
  } finally {
    rmSync(file, { force: true });
  }
}

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
