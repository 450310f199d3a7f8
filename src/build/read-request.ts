/** Reads what a build needs before it begins: its Dockerfile and its ignore file, wherever they are. */
import { readFileSync } from "node:fs";
import { type Diagnostic, formatDiagnostics } from "../core/diagnostics.ts";
import { BayError } from "../core/errors.ts";
import { readInRoot } from "../linux/index.ts";
import { checkStages } from "./entitlements.ts";
import { findStage } from "./find-stage.ts";
import { readIgnore } from "./ignore.ts";
import { checkIgnored } from "./lint/ignored-rule.ts";
import type { ContextFolders } from "./sources/context-folders.ts";
import type { GitAccess } from "./sources/git.ts";
import { neededStages } from "./stage-graph.ts";
import { type Dockerfile, readDockerfile, targetStage } from "./stages.ts";
import type { BuildRequest, DockerfileText, ReadRequest } from "./types.ts";

export interface Checked {
  dockerfile: Dockerfile;
  /** With their lines in the file. */
  warnings: string[];
  /** One line each. */
  briefly: string[];
}

/** Throws BAD_DOCKERFILE with every problem in the file; returns violations of the rules in lint/rules.ts. */
export function checkDockerfile({ source, file }: DockerfileText, ignore: readonly string[]): Checked {
  const problems: Diagnostic[] = [];
  const say = (problem: Diagnostic) => void problems.push(problem);
  const dockerfile = readDockerfile(source, file, say);
  checkIgnored(dockerfile, ignore, say);
  const sources = new Map([[file, source]]);
  const found = (severity: Diagnostic["severity"]) => problems.filter((each) => each.severity === severity);
  const errors = formatDiagnostics(found("error"), sources);
  if (errors.length > 0) throw new BayError("BAD_DOCKERFILE", errors.join("\n\n"));
  const warnings = found("warning");
  return {
    dockerfile,
    warnings: formatDiagnostics(warnings, sources),
    briefly: formatDiagnostics(warnings, new Map()),
  };
}

/**
 * Checks what a build needs from its Dockerfile before anything runs: its text, its target, and what its stages are granted.
 * Throws BAD_DOCKERFILE, UNKNOWN_TARGET and NOT_ALLOWED. A named context replaces the stage of that name.
 */
export function checkBuild(
  request: Pick<BuildRequest, "target" | "contexts" | "insecure" | "hostNetwork">,
  text: DockerfileText,
  ignore: readonly string[],
): void {
  const { dockerfile } = checkDockerfile(text, ignore);
  const { stages } = dockerfile;
  const find = (name: string, before = stages.length) =>
    request.contexts[name] ? undefined : findStage(stages, name, before);
  const needed = neededStages(targetStage(dockerfile, request.target), text.source, find);
  checkStages(
    needed.map((index) => stages[index]!),
    request,
    text.source,
  );
}

/** The secrets of a build that git uses. */
export function accessOf({ secrets, ssh }: BuildRequest, signal: AbortSignal | undefined): GitAccess {
  const secret = (id: string) => {
    const given = secrets[id];
    if (!given) return undefined;
    return "value" in given ? given.value : readFileSync(given.file, "utf8");
  };
  return { agent: ssh.default, secret, signal };
}

/** Reads the Dockerfile and the ignore file from a fetched context. Throws NO_DOCKERFILE, NO_CONTEXT. */
export async function readFiles(request: BuildRequest, folders: ContextFolders): Promise<ReadRequest> {
  const { context, dockerfile, ignore } = request;
  const folder = context && (await folders.folderOf(context)).path;
  const text = "source" in dockerfile ? dockerfile : dockerfileIn(folder, dockerfile.path);
  if (ignore) return { ...request, dockerfile: text, ignore };
  const name = "source" in dockerfile ? "Dockerfile" : dockerfile.path;
  const read = (file: string) => readInRoot(folder!, `/${file}`)?.toString("utf8");
  return { ...request, dockerfile: text, ignore: folder === undefined ? [] : readIgnore("", name, read) };
}

/** Reads a file of a fetched context: its symlinks are resolved inside it. */
function dockerfileIn(folder: string | undefined, path: string): DockerfileText {
  if (folder === undefined)
    throw new BayError("NO_DOCKERFILE", "the build has no context to read the Dockerfile from");
  const names = path === "" ? ["Dockerfile", "dockerfile"] : [path];
  for (const file of names) {
    const bytes = readInRoot(folder, `/${file}`, 4 << 20);
    if (bytes) return { source: bytes.toString("utf8"), file };
  }
  throw new BayError("NO_DOCKERFILE", `the context has no ${names[0]}`, {
    hint: "use -f to name another file",
  });
}
