import { BayError, hasCode, messageOf } from "../../../core/errors.ts";
import type { Plan } from "../../../reconcile/index.ts";
import type { Stack } from "../../../stack/index.ts";
import type { Context } from "../../context.ts";
import { chooseContainers, listContainers } from "../../named-containers.ts";
import { milliseconds } from "../../options.ts";
import { print } from "../../ui/output.ts";
import { type ClaimOptions, claimOf, watch } from "./send-up.ts";

interface DownCommandOptions extends ClaimOptions {
  volumes?: boolean;
  rmi?: string;
  removeOrphans?: boolean;
  timeout?: number;
  skipUnreachable?: boolean;
}

/** Removes the stack, or some of its services. Without a file, -p names the stack. */
export async function down(context: Context, only: string[], options: DownCommandOptions): Promise<void> {
  if (options.rmi && !["all", "local"].includes(options.rmi))
    throw new BayError("BAD_OPTION", `--rmi: expected all or local, got ${options.rmi}`);
  const stack = await stackOrNothing(context);
  const name = stack?.name ?? context.options.projectName!;
  const client = await context.daemon();
  if (only.length > 0)
    chooseContainers(await listContainers(client, name), name, {
      services: only,
      known: context.knownServices,
    });
  const request = {
    name,
    ...(only.length > 0 ? { only } : {}),
    parallel: context.options.parallel,
    volumes: options.volumes ?? false,
    removeOrphans: (await orphansOf(context, stack, options)).removeOrphans,
    services: stack ? [...Object.keys(stack.services), ...stack.disabled] : undefined,
    externalVolumes: Object.values(stack?.volumes ?? {})
      .filter(({ external }) => external)
      .map((volume) => volume.name),
    ...(stack ? { namedVolumes: Object.values(stack.volumes).map((volume) => volume.name) } : {}),
    graceMs: milliseconds(options.timeout),
    ...claimOf(options),
  };
  if (context.options.dryRun) {
    const { coloured } = await import("../../ui/coloured-plan.ts");
    const { printPlan } = await import("../../../reconcile/index.ts");
    return print(coloured(printPlan(await client.json<Plan>("POST", "/bay/v1/down/plan", request))));
  }
  const plan = stack?.hosts
    ? await watch(client, "/bay/v1/cluster/down", {
        ...request,
        ...(options.skipUnreachable ? { skipUnreachable: true } : {}),
      })
    : await watch(client, "/bay/v1/down", request);
  if (plan.steps.length === 0) print(`${name}: nothing to remove`);
  if (options.rmi && stack) await removeImages(client, stack, options.rmi, only);
}

/** Without a file, the directory's .env is not read. */
const orphansOf = async (
  context: Context,
  stack: Stack | undefined,
  { removeOrphans }: DownCommandOptions,
) => (stack ? context.orphans(removeOrphans) : { removeOrphans: removeOrphans ?? false });

async function stackOrNothing(context: Context): Promise<Stack | undefined> {
  try {
    return await context.stack();
  } catch (error) {
    if (hasCode(error, "NO_STACK_FILE") && context.options.projectName && !context.options.file)
      return undefined;
    throw error;
  }
}

async function removeImages(
  client: Awaited<ReturnType<Context["daemon"]>>,
  stack: Stack,
  which: string,
  only: readonly string[],
): Promise<void> {
  const services = Object.values(stack.services).filter(
    ({ name }) => only.length === 0 || only.includes(name),
  );
  // as in Compose, local images are those that bay named or that this file builds
  const isLocal = (image: string) =>
    stack.images[image] !== undefined ||
    services.some(
      ({ name, build, image: own }) => own === image && build && image === `${stack.name}-${name}`,
    );
  for (const name of new Set(services.map(({ image }) => image))) {
    if (which === "local" && !isLocal(name)) continue;
    try {
      await client.json("DELETE", `/images/${encodeURIComponent(name)}`);
      print(`image ${name} removed`);
    } catch (error) {
      if (!hasCode(error, "IMAGE_NOT_FOUND")) process.stderr.write(`warning: ${messageOf(error)}\n`);
    }
  }
}
