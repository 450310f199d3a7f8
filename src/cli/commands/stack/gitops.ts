/** The commands of `bay gitops`: requests to bayd, which follows the repositories. */
import { readFileSync } from "node:fs";
import { BayError } from "../../../core/errors.ts";
import type { ShownSource } from "../../../gitops/api/routes.ts";
import type { SourceInput } from "../../../gitops/model/source.ts";
import type { Commit, ImageOverride, Images, LogEntry } from "../../../gitops/model/status.ts";
import type { Plan } from "../../../reconcile/index.ts";
import type { Context } from "../../context.ts";
import { print, printJson, table } from "../../ui/output.ts";

export interface Format {
  format: "table" | "json";
}

interface AddOptions extends Format {
  repo: string;
  branch?: string;
  tag?: string;
  semver?: string;
  commit?: string;
  path?: string;
  file?: string[];
  project?: string;
  profile?: string[];
  envFile?: string[];
  interval?: string;
  auth?: string;
  ca?: string;
  knownHosts?: string;
  verify?: string;
  allowRewind?: boolean | "true" | "false";
  policy?: "auto" | "manual";
  prune: boolean;
  pruneVolumes?: boolean;
  waitTimeout?: string;
  drift?: "repair" | "report";
  window?: string[];
  dependsOn?: string[];
  allowPath?: string[];
  apps?: boolean;
  writeBack?: string;
}

export const urlOf = (name: string, action = "") => `/bay/v1/gitops/${encodeURIComponent(name)}${action}`;

/** The content of a file; `-` is standard input. Throws BAD_OPTION. */
export function textOf(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new BayError("BAD_OPTION", `the file ${file} cannot be read`, { cause });
  }
}

/** Leaves out options that were not given, so that bayd's defaults apply. */
const given = (rules: { [K in keyof SourceInput]: SourceInput[K] | undefined }): Partial<SourceInput> =>
  Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined));

export async function addSource(context: Context, [name]: string[], options: AddOptions): Promise<void> {
  const rules = given({
    repo: options.repo,
    branch: options.branch,
    tag: options.tag,
    semver: options.semver,
    commit: options.commit,
    path: options.path,
    files: options.file,
    project: options.project,
    profiles: options.profile,
    env_files: options.envFile,
    interval: options.interval,
    policy: options.policy,
    prune: options.prune,
    prune_volumes: options.pruneVolumes,
    wait_timeout: options.waitTimeout,
    drift: options.drift,
    allow_rewind: options.allowRewind === undefined ? undefined : String(options.allowRewind) === "true",
    verify: textOf(options.verify),
    allow_paths: options.allowPath,
    depends_on: options.dependsOn,
    windows: options.window,
    apps: options.apps,
    write_back: options.writeBack,
  });
  const secrets = {
    auth: textOf(options.auth),
    ca: textOf(options.ca),
    knownHosts: textOf(options.knownHosts),
  };
  const client = await context.daemon();
  const [source] = await client.json<ShownSource[]>("PUT", "/bay/v1/gitops", {
    sources: [{ name, rules }],
    secrets,
  });
  if (options.format === "json") return printJson(source);
  print(`${name}: follows ${source!.repo} (${source!.follows}); bay gitops status ${name} shows the result`);
}

export async function applyDocument(context: Context, [file]: string[], { format }: Format): Promise<void> {
  const { readDocument } = await import("../../../gitops/model/document.ts");
  const described = readDocument(textOf(file)!, file!);
  const client = await context.daemon();
  const sources = await client.json<ShownSource[]>("PUT", "/bay/v1/gitops", {
    sources: described.map(({ source, rules }) => ({ name: source.name, rules })),
    replace: true,
  });
  if (format === "json") return printJson(sources);
  for (const { name, repo, follows } of sources) print(`${name}: follows ${repo} (${follows})`);
}

const short = (commit: { id: string } | undefined): string => commit?.id.slice(0, 12) ?? "-";

function stateOf({ suspended, status }: ShownSource): string {
  if (status.attempt) return `applying ${short(status.attempt.commit)}`;
  if (suspended) return "suspended";
  if (status.unreachable) return "unreachable";
  if (status.bad) return `bad commit ${status.bad.commit.slice(0, 12)}`;
  if (status.pending) return status.pending.reason;
  if (status.drift) return "drift";
  return status.applied ? "up to date" : "new";
}

export async function listSources(context: Context, _args: string[], { format }: Format): Promise<void> {
  const sources = await (await context.client()).json<ShownSource[]>("GET", "/bay/v1/gitops");
  if (format === "json") return printJson(sources);
  print(
    table(
      ["NAME", "FOLLOWS", "STACK", "COMMIT", "STATE", "HEALTH"],
      sources.map((source) => [
        source.name,
        source.follows,
        source.status.project ?? "-",
        short(source.status.applied),
        stateOf(source),
        source.health.split(":")[0]!,
      ]),
    ),
  );
}

export async function sourceStatus(context: Context, [name]: string[], { format }: Format): Promise<void> {
  const source = await (await context.client()).json<ShownSource>("GET", urlOf(name!));
  showSource(source, format);
}

function showSource(source: ShownSource, format: Format["format"]): void {
  if (format === "json") return printJson(source);
  const { status } = source;
  const { applied, bad, pending, unreachable, drift } = status;
  const rows: [string, string | undefined][] = [
    ["Name", source.name],
    ["Repository", `${source.repo} (${source.follows})`],
    ["State", stateOf(source)],
    ["Stack", status.project],
    ["Commit", applied && `${applied.id}`],
    ["Author", applied?.author],
    ["Subject", applied?.subject],
    ["Since", applied?.at],
    ["Health", source.health],
    ["Next poll", source.suspended ? undefined : status.nextPollAt],
    ["Bad commit", bad && `${bad.commit}\n  ${bad.reason.replaceAll("\n", "\n  ")}`],
    ["Waiting", pending && `${pending.commit.id} ${pending.reason}\n${pending.plan}`],
    [
      "Unreachable",
      unreachable && `${unreachable.message} (${unreachable.failures} failures since ${unreachable.since})`,
    ],
    ...imageRows(status.images),
    ["Drift", drift?.plan],
    ["Repaired", status.driftCount > 0 ? `${status.driftCount} manual changes were detected` : undefined],
  ];
  for (const [key, value] of rows) if (value) print(`${`${key}:`.padEnd(13)}${value}`);
}

/** Newer images than those of the repository. */
function imageRows(images: Images | undefined): [string, string | undefined][] {
  if (!images) return [];
  const { overrides, available, bad, failure, writtenBack } = images;
  const shown = (all: readonly ImageOverride[] = []) =>
    all.map(({ service, from, to }) => `${service}: ${to} instead of ${from}`).join("\n  ");
  return [
    ["Images", shown(overrides)],
    ["Available", shown(available)],
    ["Bad images", bad.map(({ image, reason }) => `${image}\n  ${reason.split("\n")[0]}`).join("\n")],
    ["Registry", failure],
    ["Written", writtenBack && `${writtenBack.commit} on ${writtenBack.branch}`],
  ];
}

const act =
  (action: string) =>
  async (context: Context, [name]: string[], { format }: Format) => {
    const source = await (await context.client()).json<ShownSource>("POST", urlOf(name!, action));
    showSource(source, format);
  };

export const suspendSource = act("/suspend");
export const resumeSource = act("/resume");

/** Exits with 1 if the newest commit is bad or the repository cannot be reached. */
export async function syncSource(context: Context, [name]: string[], { format }: Format): Promise<number> {
  const source = await (await context.client()).json<ShownSource>("POST", urlOf(name!, "/sync"));
  showSource(source, format);
  return source.status.bad || source.status.unreachable ? 1 : 0;
}

export async function approveCommit(
  context: Context,
  [name, commit]: string[],
  { format }: Format,
): Promise<void> {
  const client = await context.client();
  showSource(await client.json<ShownSource>("POST", urlOf(name!, "/approve"), { commit }), format);
}

interface Preview {
  commit: Commit;
  plan?: Plan;
}

export async function diffSource(context: Context, [name]: string[], { format }: Format): Promise<void> {
  const { commit, plan } = await (await context.client()).json<Preview>("POST", urlOf(name!, "/plan"), {});
  if (format === "json") return printJson({ commit, plan });
  const { printPlan } = await import("../../../reconcile/show/print.ts");
  print(`${short(commit)} ${commit.subject} (${commit.author})`);
  if (plan) print(printPlan(plan));
}

/** The plan in a block of code, which no text of the plan can end. */
export async function previewRef(context: Context, [name, ref]: string[], { format }: Format): Promise<void> {
  const { commit, plan } = await (await context.client()).json<Preview>("POST", urlOf(name!, "/plan"), {
    ref,
  });
  if (format === "json") return printJson({ commit, plan });
  const { printPlan } = await import("../../../reconcile/show/print.ts");
  const text = plan ? printPlan(plan).trimEnd() : "a gitops document: it describes other sources";
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  const count = plan?.steps.length ?? 0;
  const subject = commit.subject.replace(/[\\`*_{}[\]<>#|]/g, "\\$&");
  print(
    `### bay: plan of ${name}\n\n${subject} (${short(commit)}): ${count} ${count === 1 ? "step" : "steps"}\n`,
  );
  print(`${fence}\n${text}\n${fence}`);
}

export async function sourceLog(context: Context, [name]: string[], { format }: Format): Promise<void> {
  const entries = await (await context.client()).json<LogEntry[]>("GET", urlOf(name!, "/log"));
  if (format === "json") return printJson(entries);
  print(
    table(
      ["TIME", "COMMIT", "RESULT", "TOOK", "SUBJECT", "REASON"],
      entries.map(({ at, commit, outcome, tookMs, reason }) => [
        at.slice(0, 19).replace("T", " "),
        short(commit),
        outcome,
        `${(tookMs / 1000).toFixed(1)}s`,
        commit?.subject ?? "-",
        reason.split("\n")[0] || "-",
      ]),
    ),
  );
}

export async function removeSourceCommand(
  context: Context,
  [name]: string[],
  options: Format & { keep?: boolean; down?: boolean; volumes?: boolean },
): Promise<void> {
  if (options.keep && options.down)
    throw new BayError("BAD_OPTION", "--keep and --down contradict each other");
  if (options.volumes && !options.down) throw new BayError("BAD_OPTION", "--volumes needs --down");
  const client = await context.client();
  await client.json("POST", urlOf(name!, "/remove"), {
    down: options.down ?? false,
    volumes: options.volumes ?? false,
  });
  if (options.format === "json") return printJson({ name, removed: true });
  print(`${name}: removed${options.down ? " with its stack" : "; its stack keeps running"}`);
}

export async function deployKey(context: Context, [name]: string[], { format }: Format): Promise<void> {
  const answer = await (await context.daemon()).json<{ key: string }>("POST", urlOf(name!, "/key"));
  if (format === "json") return printJson(answer);
  print(answer.key);
}
