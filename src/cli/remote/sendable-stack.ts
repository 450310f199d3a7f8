/** A stack that is sent to the bayd of another host, where the files of this computer do not exist. */
import { readFileSync } from "node:fs";
import { BayError, messageOf } from "../../core/errors.ts";
import type { GivenContent, Service, Stack } from "../../stack/index.ts";

/**
 * Returns the stack with the contents of secrets and configs in place of their files. Warns of bind mounts, whose sources are
 * on that host. Without `isBuilt`, nothing is built, so contexts are not needed. Throws LOCAL_ONLY, which names everything that needs files of this computer.
 */
export function sendableStack(stack: Stack, address: string, isBuilt = true): Stack {
  const problems = [...(isBuilt ? buildProblems(stack) : []), ...imageProblems(stack)];
  const binds = bindsOf(stack);
  const given = {
    secrets: withContents("secrets", stack, problems),
    configs: withContents("configs", stack, problems),
  };
  if (problems.length > 0)
    throw new BayError(
      "LOCAL_ONLY",
      `${address}: this cannot be used by the bayd of another host:\n${problems.join("\n")}`,
      {
        hint: "use an image from a registry, or one that was built on that host, with --no-build",
      },
    );
  if (binds.length > 0)
    process.stderr.write(
      `warning: the sources of bind mounts are paths of ${address}: ${binds.join(", ")}\n`,
    );
  return { ...stack, ...given };
}

const serviceNames = ({ services }: Stack): [string, Service][] => Object.entries(services);

/** bayd reads a build's folders on its own host. */
function buildProblems(stack: Stack): string[] {
  return serviceNames(stack).flatMap(([name, { build }]) => {
    if (!build) return [];
    const folders = [build.context, ...Object.values(build.contexts)].filter((source) =>
      source.startsWith("/"),
    );
    const sockets = Object.values(build.ssh).filter((path) => path.startsWith("/"));
    const dockerfile = build.dockerfile?.startsWith("/") ? [build.dockerfile] : [];
    return [...folders, ...dockerfile, ...sockets].map(
      (path) => `  services.${name}.build: ${path} is on this computer`,
    );
  });
}

/** Images of host files, root file systems and archives are made by bayd from its own host. */
function imageProblems({ images }: Stack): string[] {
  return Object.entries(images).flatMap(([name, { source }]) =>
    source.kind === "rootfs" || source.kind === "archive"
      ? [`  images.${name}.${source.kind}: ${source.path} is on this computer`]
      : [],
  );
}

function bindsOf(stack: Stack): string[] {
  return serviceNames(stack).flatMap(([name, { mounts }]) =>
    mounts.flatMap((mount) => (mount.type === "bind" ? [`services.${name}: ${mount.source}`] : [])),
  );
}

/** bayd would read the file on its own host. Its digest stays, so the plan is the same as for the file. */
function withContents(
  kind: "secrets" | "configs",
  stack: Stack,
  problems: string[],
): Record<string, GivenContent> {
  return Object.fromEntries(
    Object.entries(stack[kind]).map(([name, given]) => {
      // a file that does not exist is reported when a container needs it
      if (!("file" in given) || given.digest === "") return [name, given];
      const content = textOf(given.file, `${kind}.${name}`, problems);
      // a secret's value is kept where values of variables are, which are never written to the disk as text of the stack
      const sent: GivenContent =
        kind === "secrets"
          ? { environment: given.file, value: content, digest: given.digest }
          : { content, digest: given.digest };
      return [name, sent];
    }),
  );
}

function textOf(file: string, where: string, problems: string[]): string {
  try {
    const bytes = readFileSync(file);
    const text = bytes.toString("utf8");
    if (Buffer.from(text).equals(bytes)) return text;
    problems.push(`  ${where}.file: ${file} is not UTF-8 text`);
  } catch (error) {
    problems.push(`  ${where}.file: ${messageOf(error)}`);
  }
  return "";
}
