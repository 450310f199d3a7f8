/** One pass over one source: ask the repository, read the new commit, decide by the rules, and apply it. */
import { join } from "node:path";
import { BayError, hasCode, messageOf } from "../../core/errors.ts";
import { type Plan, printPlan } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";
import { type CheckedOut, checkOut } from "../git/check-out.ts";
import type { Target } from "../git/choose-commit.ts";
import { type Clone, describeCommit, type FollowedRepositories } from "../git/repositories.ts";
import { checkTrust } from "../git/trust.ts";
import type { AskedAt } from "../images/find-updates.ts";
import { newOverrides } from "../images/update-images.ts";
import type { Source } from "../model/source.ts";
import type { Commit, ImageOverride } from "../model/status.ts";
import { isOpen } from "../model/windows.ts";
import { withFixedBinds } from "../read/bind-sources.ts";
import { type DecryptedContent, readStack } from "../read/read-stack.ts";
import { hide } from "../sops/decrypt-files.ts";
import { readIdentities } from "../sops/identity.ts";
import { type ApplyServices, applyCommit, upOptions } from "./apply-commit.ts";
import { applyApps } from "./apps.ts";

export interface FollowServices extends ApplyServices {
  /** The command that starts a process of bay. */
  command: readonly string[];
  directory: string;
  repositories: FollowedRepositories;
  /** Removes a source by an action: no pass of it runs meanwhile, or begins. */
  withdraw: (name: string, action: () => Promise<void>) => Promise<void>;
  /** When registries were asked for the images of a source. */
  askedAt: (name: string) => AskedAt;
}

export interface PassOptions {
  /** Ask the repository now, and try a commit again that was marked as bad. */
  isForced: boolean;
  /** Ask the repository now. */
  isPushed: boolean;
  signal: AbortSignal;
}

/** Failures of a commit itself, which a later attempt would not change. */
const OF_COMMIT = ["GITOPS_COMMIT", "GITOPS_UNTRUSTED", "BAD_GITOPS", "GITOPS_EXISTS"] as const;

/** Throws errors of the repository and of the host; failures of a commit are logged, and the commit is marked as bad. */
export async function followOnce(
  services: FollowServices,
  source: Source,
  options: PassOptions,
): Promise<void> {
  const { records, repositories } = services;
  const { attempt, applied, bad, pending, rulesChanged } = records.status(source.name);
  // what another source has just been answered may be older than this source
  const isFirst = !applied && !bad && !pending;
  const target: Target = attempt
    ? { commit: attempt.commit.id, ref: undefined }
    : await repositories.resolve(source, options.isForced || options.isPushed || isFirst, options.signal);
  const overrides =
    !attempt && target.commit === applied?.id ? await newOverrides(services, source, options) : undefined;
  const isNew = attempt || options.isForced || rulesChanged || overrides !== undefined;
  if (!isNew && (target.commit === applied?.id || target.commit === bad?.commit))
    return noteReachable(services, source);
  const startedAt = Date.now();
  let commit: Commit | undefined;
  try {
    const read = await repositories.withCommit(source, target, options.signal, async (clone) => {
      commit = await describeCommit(clone);
      await checkTrust(clone, source, applied?.id, target.ref);
      return readFiles(services, source, clone, options.signal);
    });
    await decide(services, source, commit!, read, { ...options, overrides });
  } catch (error) {
    if (!hasCode(error, ...OF_COMMIT) || options.signal.aborted) throw error;
    // the repository was reached: what is wrong is the commit
    refuse(services, source, commit ?? unknownCommit(target.commit), messageWithHint(error), startedAt);
  }
  noteReachable(services, source);
}

const unknownCommit = (id: string): Commit => ({ id, author: "", subject: "", committedAt: "" });

const messageWithHint = (error: unknown): string =>
  [messageOf(error), error instanceof BayError ? error.hint : undefined].filter(Boolean).join("\n");

type Files =
  | { stack: Stack; decrypted: readonly DecryptedContent[]; hidden: readonly string[] }
  | { apps: CheckedOut };

/** Checks the files out, and reads the stack in them. */
async function readFiles(
  { command, directory }: FollowServices,
  source: Source,
  clone: Clone,
  signal: AbortSignal,
): Promise<Files> {
  const checkedOut = await checkOut(clone, join(directory, "work", source.name));
  if (source.apps) return { apps: checkedOut };
  const { stack, ...more } = await readStack(command, source, checkedOut, readIdentities(directory), signal);
  return { ...more, stack: withFixedBinds(stack, checkedOut, bindFolders(directory, source.name)) };
}

export const bindFolders = (directory: string, name: string) => ({
  versions: join(directory, "files", name),
  data: join(directory, "data", name),
});

async function decide(
  services: FollowServices,
  source: Source,
  commit: Commit,
  files: Files,
  { signal, isForced, overrides }: PassOptions & { overrides: ImageOverride[] | undefined },
): Promise<void> {
  const { records } = services;
  if ("apps" in files) return applyApps(services, source, commit, files.apps);
  const { stack, decrypted, hidden } = files;
  requireFreeStack(services, source, stack.name);
  const status = records.status(source.name);
  const reason = status.attempt ? undefined : whatItWaitsFor(services, source, commit, isForced);
  if (reason !== undefined) {
    if (status.pending?.commit.id === commit.id && status.pending.reason === reason) return;
    const plan = hide(await planText(services, source, stack), hidden);
    records.note(source.name, { ...status, pending: { commit, reason, plan } });
    return;
  }
  const chosen = status.attempt?.images ?? overrides ?? status.images?.overrides ?? [];
  const read = { stack, decrypted, isHidden: hidden.length > 0, overrides: chosen };
  await applyCommit(services, source, commit, read, signal);
}

/** Throws GITOPS_EXISTS if another source follows the same stack. */
function requireFreeStack({ records }: FollowServices, source: Source, project: string): void {
  const other = records
    .sources()
    .find(({ name }) => name !== source.name && records.status(name).project === project);
  if (other)
    throw new BayError("GITOPS_EXISTS", `the source ${other.name} already follows the stack ${project}`, {
      hint: "give this source another --project",
    });
}

function whatItWaitsFor(
  { records }: FollowServices,
  source: Source,
  commit: Commit,
  isForced: boolean,
): string | undefined {
  if (source.policy === "manual" && records.status(source.name).approved !== commit.id)
    return `waits for bay gitops approve ${source.name} ${commit.id.slice(0, 12)}`;
  const missing = source.depends_on.find((name) => {
    const { applied, attempt, bad } = records.status(name);
    return !applied || attempt !== undefined || bad !== undefined;
  });
  if (missing) return `waits for the source ${missing}`;
  if (!isForced && !isOpen(source.windows, new Date()))
    return `waits for the window ${source.windows.join(", ")}`;
  return undefined;
}

async function planText({ stacks }: FollowServices, source: Source, stack: Stack): Promise<string> {
  return printPlan(await stacks.plan(stack, upOptions(source)));
}

/** The plan of a commit or branch, without applying it. Throws what the commit is refused with. */
export async function planOf(
  services: FollowServices,
  source: Source,
  ref: string | undefined,
  signal: AbortSignal,
): Promise<{ commit: Commit; plan: Plan | undefined }> {
  const { repositories, stacks, records, command, directory } = services;
  const isCommit = ref !== undefined && /^[0-9a-f]{40}$/.test(ref);
  const { branch: _, tag: __, semver: ___, commit: ____, ...rest } = source;
  const other: Source =
    ref === undefined ? source : { ...rest, ...(isCommit ? { commit: ref } : { branch: ref }) };
  const target = await repositories.resolve(other, true, signal);
  return repositories.withCommit(other, target, signal, async (clone) => {
    const commit = await describeCommit(clone);
    await checkTrust(clone, source, records.status(source.name).applied?.id, target.ref);
    if (source.apps) return { commit, plan: undefined };
    const { rm } = await import("node:fs/promises");
    const folder = join(directory, "previews", source.name);
    try {
      const checkedOut = await checkOut(clone, folder);
      const read = await readStack(command, source, checkedOut, readIdentities(directory), signal);
      const { stack, hidden } = read;
      const fixed = withFixedBinds(stack, checkedOut, bindFolders(directory, source.name));
      const plan = await stacks.plan(fixed, { ...upOptions(source), build: false });
      if (hidden.length === 0) return { commit, plan };
      const texts = hidden.map((value) => JSON.stringify(value).slice(1, -1));
      return { commit, plan: JSON.parse(hide(JSON.stringify(plan), texts)) as Plan };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

function refuse(
  { records, log }: FollowServices,
  source: Source,
  commit: Commit,
  reason: string,
  startedAt: number,
): void {
  const { pending: _, attempt: __, rulesChanged: ___, ...status } = records.status(source.name);
  records.note(
    source.name,
    { ...status, bad: { commit: commit.id, reason }, failureCount: status.failureCount + 1 },
    { at: new Date().toISOString(), outcome: "refused", commit, reason, tookMs: Date.now() - startedAt },
  );
  log(`gitops ${source.name}: refused ${commit.id.slice(0, 12)}: ${reason.split("\n")[0]}`);
}

function noteReachable({ records }: FollowServices, source: Source): void {
  const { unreachable, ...status } = records.status(source.name);
  if (unreachable) records.note(source.name, status);
}
