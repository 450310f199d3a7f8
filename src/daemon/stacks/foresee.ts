/** Finds conditions of the host that would make a plan fail. Changes nothing. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { loadChecker } from "../../build/index.ts";
import type { ContainerRecord } from "../../container/index.ts";
import { BayError } from "../../core/errors.ts";
import type { Roots } from "../../core/roots.ts";
import { sourceProblems } from "../../image/index.ts";
import type { Actual } from "../../reconcile/index.ts";
import type { Service, Stack } from "../../stack/index.ts";
import { roomOf, roomText, type StoreReader } from "../../store/index.ts";
import { toBuildRequest } from "./build-request.ts";
import { missingOn } from "./missing.ts";

/** What this host lacks for a stack, for a plan that is made from an observation after it. */
export async function lacksOf(
  state: StoreReader,
  stack: Stack,
): Promise<Pick<Actual, "missing" | "unmakable">> {
  const [missing, unmakable] = await Promise.all([missingOf(state, stack), unmakableImages(stack)]);
  return { missing, unmakable };
}

/** Sources of mounts, devices and containers to share with that this host does not have. */
export const missingOf = (state: StoreReader, stack: Stack): Promise<Actual["missing"]> =>
  missingOn(stack, state.list<ContainerRecord>("container/"));

/** Why images of the stack cannot be created here, by their names: a missing tool or file, a Dockerfile with errors. */
export async function unmakableImages(stack: Stack): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const [name, { source, base }] of Object.entries(stack.images)) {
    const isWithoutTool = source.kind === "apt" && !hasTool("mmdebstrap");
    const tool = isWithoutTool ? ["mmdebstrap is not installed; apt-get install mmdebstrap"] : [];
    const problems = [...tool, ...sourceProblems(source, base)];
    if (problems.length > 0) found[name] = problems.map((problem) => `images.${name}: ${problem}`);
  }
  for (const service of Object.values(stack.services)) {
    if (!service.build || stack.images[service.image]) continue;
    const problems = await buildProblems(service, stack);
    if (problems.length > 0) found[service.image] = [...(found[service.image] ?? []), ...problems];
  }
  return found;
}

/** A Dockerfile in a repository or an archive is not known before the build. */
async function buildProblems(service: Service, stack: Stack): Promise<string[]> {
  const where = `services.${service.name}.build`;
  try {
    const request = toBuildRequest(service, stack);
    const { context, contexts, dockerfile, ignore = [] } = request;
    const usesGit = [context, ...Object.values(contexts)].some((each) => each?.kind === "git");
    const problems =
      usesGit && !hasTool("git") ? [`${where}: git is not installed; apt-get install git`] : [];
    if ("source" in dockerfile) (await loadChecker()).checkBuild(request, dockerfile, ignore);
    return problems;
  } catch (error) {
    if (!(error instanceof BayError)) throw error;
    const hint = error.hint ? `; ${error.hint}` : "";
    return [`${where}: ${error.message}${hint}`];
  }
}

/** One line for each file system of bay's roots without free space. */
export function fullDisks({ root, run }: Roots): string[] {
  return [...new Set([root, run])].flatMap((path) => {
    try {
      const room = roomOf(path);
      return room.state === "full" ? [`the disk of ${path} is full: ${roomText(room)}`] : [];
    } catch {
      return []; // bay has not run here yet
    }
  });
}

function hasTool(name: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
