/** `bay build`: builds the images of a stack's services that have a build. */
import type { BuildRequest } from "../../../build/index.ts";
import { BayError } from "../../../core/errors.ts";
import type { Service, Stack } from "../../../stack/index.ts";
import type { Context } from "../../context.ts";
import { followBuild, type ProgressKind } from "../../ui/build-progress.ts";
import { print, printJson } from "../../ui/output.ts";
import { check } from "./build-check.ts";
import { buildArgs, sshOf } from "./build-request.ts";

interface StackBuildOptions {
  buildArg?: string[];
  cache?: boolean;
  pull?: boolean;
  push?: boolean;
  check?: boolean;
  print?: boolean;
  withDependencies?: boolean;
  progress: ProgressKind;
  quiet?: boolean;
  ssh?: string[];
  provenance?: string | true;
  sbom?: string | true;
}

/** Images have no attestations, which is what `false` requests. Throws UNSUPPORTED_OPTION. */
function checkAttestations({ provenance, sbom }: StackBuildOptions): void {
  for (const [option, value] of [
    ["--provenance", provenance],
    ["--sbom", sbom],
  ] as const)
    if (value !== undefined && !["false", "disabled=true"].includes(String(value)))
      throw new BayError("UNSUPPORTED_OPTION", `${option} is not supported: images get no attestations`, {
        hint: `leave it out, or write ${option}=false`,
      });
}

/** `bay build [SERVICE…]`: builds the images of the stack's services that have a build. */
export async function buildServices(
  context: Context,
  services: string[],
  options: StackBuildOptions,
): Promise<number> {
  checkAttestations(options);
  const stack = await context.stack(services);
  const chosen = await chooseBuilds(stack, services, options.withDependencies ?? false);
  const { toBuildRequest } = await import("../../../daemon/stacks/build-request.ts");
  const args = buildArgs(options.buildArg);
  const requests = chosen.map((service) => toBuildRequest(service, stack, { args }));
  if (options.print) {
    printJson(requests.map(withoutSecrets));
    return 0;
  }
  if (options.check) return check(requests);
  if (chosen.length === 0) print("no service of the stack has a build");
  if (context.options.dryRun) {
    for (const { name, image } of chosen) print(`image ${image} of the service ${name} would be built`);
    return 0;
  }
  const client = await context.daemon();
  if (client.isRemote) await context.stackToSend(services); // throws what the other host cannot read
  const changes = {
    args,
    ...(options.cache === false ? { noCache: true } : {}),
    ...(options.pull ? { pull: true } : {}),
    ...(options.ssh ? { ssh: sshOf(options.ssh) } : {}),
  };
  const kind = options.quiet ? "quiet" : options.progress;
  const names = chosen.map(({ name }) => name);
  if (names.length > 0)
    for (const { id, service } of await followBuild(
      client,
      "/bay/v1/stack/build",
      { stack, services: names, changes },
      kind,
    ))
      print(options.quiet ? id : `built ${stack.services[service!]!.image} (${id.slice(7, 19)})`);
  if (!options.push) return 0;
  const { pushImages } = await import("./registry.ts");
  await pushImages(
    context,
    chosen.map(({ image }) => image),
    {},
  );
  return 0;
}

/** The printed request contains no secrets. */
function withoutSecrets({ secrets, ...rest }: BuildRequest): object {
  const shown = Object.entries(secrets).map(([id, secret]) => [id, "file" in secret ? secret : "(hidden)"]);
  return { ...rest, secrets: Object.fromEntries(shown) };
}

/** The named services with a build, or all, after the services that their images are built on. Throws UNKNOWN_SERVICE. */
async function chooseBuilds(
  stack: Stack,
  names: readonly string[],
  withDependencies: boolean,
): Promise<Service[]> {
  const { buildsNeeding, chooseServices } = await import("../../../stack/query.ts");
  return chooseServices(stack, names, ({ name, dependsOn }) => [
    ...buildsNeeding(stack, name),
    ...(withDependencies ? Object.keys(dependsOn) : []),
  ]).filter(({ build }) => build !== undefined);
}
