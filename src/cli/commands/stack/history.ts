import { BayError, hasCode } from "../../../core/errors.ts";
import { shownPair } from "../../../core/shown-values.ts";
import type { Revision } from "../../../daemon/stacks/history.ts";
import type { Stack } from "../../../stack/index.ts";
import type { StackChange } from "../../../stack/model/diff-stacks.ts";
import type { Context } from "../../context.ts";
import { milliseconds } from "../../options.ts";
import { coloured } from "../../ui/coloured-plan.ts";
import { hasColour, paint, print, printJson, shortId, table } from "../../ui/output.ts";
import { type ClaimOptions, claimOf, watch } from "./send-up.ts";

/** bayd keeps the revisions, so this works with an invalid stack file too. Throws the file's error with a hint to use -p. */
async function nameOf(context: Context): Promise<string> {
  try {
    return await context.stackName();
  } catch (error) {
    if (!(error instanceof BayError)) throw error;
    throw new BayError(error.code, error.message, { hint: "use -p NAME if there is no stack file" });
  }
}

async function revisionsOf(context: Context, name: string): Promise<Revision[]> {
  try {
    return await (await context.client()).json<Revision[]>(
      "GET",
      `/bay/v1/stacks/${encodeURIComponent(name)}/history`,
    );
  } catch (error) {
    if (!hasCode(error, "NO_DAEMON")) throw error;
  }
  return (await import("../../../daemon/stacks/offline.ts")).offlineHistory(context.roots, name);
}

/** Lists the applied revisions of the stack, newest first. */
export async function history(context: Context, _args: string[], options: { format: string }): Promise<void> {
  const name = await nameOf(context);
  const all = await revisionsOf(context, name);
  const { diffStacks } = await import("../../../stack/model/diff-stacks.ts");
  const rows = all.map((revision, index) => ({
    number: revision.number,
    at: revision.at,
    services: Object.keys(revision.stack.services).length,
    what: describe(all[index - 1], revision, index === 0, diffStacks),
  }));
  rows.reverse();
  if (options.format === "json") return printJson(rows);
  if (rows.length === 0) return print(`${name}: no revision has been applied yet`);
  print(
    table(
      ["REVISION", "APPLIED", "SERVICES", "CHANGES"],
      rows.map(({ number, at, services, what }) => [
        String(number),
        at.slice(0, 19).replace("T", " "),
        String(services),
        what,
      ]),
    ),
  );
}

const MAX_NAMED = 3;

function describe(
  before: Revision | undefined,
  revision: Revision,
  isOldest: boolean,
  diff: (from: Stack, to: Stack) => StackChange[],
): string {
  if (revision.from !== undefined) return `rolled back to ${revision.from}`;
  if (!before) return isOldest && revision.number === 1 ? "first" : "oldest stored revision";
  if (revision.recreated) return `recreated: ${revision.recreated.join(", ")}`;
  const paths = [...new Set(changesOf(before, revision, diff).map(({ path }) => path))];
  const more = paths.length > MAX_NAMED ? ` and ${paths.length - MAX_NAMED} more` : "";
  return paths.slice(0, MAX_NAMED).join(", ") + more || "location of the stack files";
}

/** A name that now means another image is a change too. */
function changesOf(
  before: Pick<Revision, "stack" | "images">,
  after: Pick<Revision, "stack"> & Partial<Pick<Revision, "images">>,
  diff: (from: Stack, to: Stack) => StackChange[],
): StackChange[] {
  const changes = diff(before.stack, after.stack);
  for (const { name, image } of Object.values(after.stack.services)) {
    const [from, to] = [before.images[image], after.images?.[image]];
    if (from && to && from !== to)
      changes.push({
        path: `services.${name}.image`,
        from: `${image} (${shortId(from)})`,
        to: `${image} (${shortId(to)})`,
      });
  }
  return changes;
}

/** Prints the differences between a revision and the current file, or another revision. Exits with 0. */
export async function diff(
  context: Context,
  [first, second]: string[],
  options: { json?: boolean },
): Promise<void> {
  const name = await nameOf(context);
  const { diffStacks } = await import("../../../stack/model/diff-stacks.ts");
  const all = await revisionsOf(context, name);
  const find = (text: string) => {
    const found = all.find(({ number }) => number === revisionNumber(text));
    if (found) return found;
    throw new BayError("NO_REVISION", `the stack ${name} has no revision ${text}`, {
      hint: "bay history lists the revisions",
    });
  };
  const from = find(first!);
  const to = second === undefined ? { stack: await context.stack() } : find(second);
  const changes = changesOf(from, to, diffStacks);
  if (options.json) return printJson(changes);
  const other = second === undefined ? "the file" : `revision ${second}`;
  if (changes.length === 0) return print(`${other} does not differ from revision ${first}`);
  print([`from revision ${first} to ${other}`, ...changes.map(line)].join("\n"));
}

function line(change: StackChange): string {
  const { path } = change;
  const [before, after] = shownPair(change.from ?? "", change.to ?? "", 80);
  const from = change.from === undefined ? undefined : before;
  const to = change.to === undefined ? undefined : after;
  const [sign, colour, text] =
    from === undefined
      ? (["+", "green", `${path}: ${to}`] as const)
      : to === undefined
        ? (["-", "red", `${path}: ${from}`] as const)
        : (["~", "yellow", `${path}: ${from} -> ${to}`] as const);
  return `  ${hasColour() ? paint(sign, colour) : sign} ${text}`;
}

function revisionNumber(text: string): number {
  if (/^\d{1,8}$/.test(text)) return Number(text);
  throw new BayError("BAD_OPTION", `invalid revision ${text}`, { hint: "bay history lists the revisions" });
}

/** Restores an applied revision: its services, and the images that its names referred to. */
export async function rollback(
  context: Context,
  [revision]: string[],
  options: { dryRun?: boolean; timeout?: number } & ClaimOptions,
): Promise<void> {
  const name = await nameOf(context);
  const number = revision === undefined ? undefined : revisionNumber(revision);
  const client = await context.daemon();
  const path = `/bay/v1/stacks/${encodeURIComponent(name)}/rollback`;
  const request = { revision: number, graceMs: milliseconds(options.timeout), ...claimOf(options) };
  if (options.dryRun) {
    const { printPlan } = await import("../../../reconcile/show/print.ts");
    const plan = await client.json<Parameters<typeof printPlan>[0]>("POST", `${path}/plan`, request);
    return print(coloured(printPlan(plan)));
  }
  const plan = await watch(client, path, request);
  if (plan.steps.length === 0) print(`${name}: nothing to do, the host matches that revision`);
}
