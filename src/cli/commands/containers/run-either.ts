/**
 * `bay run NAME`: a service of the stack file if the file has one of this name, else an image. The options of both are accepted,
 * and those of the other kind are errors.
 */
import { BayError, hasCode } from "../../../core/errors.ts";
import type { Context } from "../../context.ts";
import { needsTerminal } from "../../ui/terminal.ts";
import type { ContainerOptions } from "./container-request.ts";
import type { RunOptions } from "./run.ts";

/** Options of a service, by their names in commander, that have no meaning for an image. */
const ONLY_SERVICE: Readonly<Record<string, string>> = {
  build: "--build",
  quietBuild: "--quiet-build",
  useAliases: "--use-aliases",
  removeOrphans: "--remove-orphans",
  takeOver: "--take-over",
  once: "--once",
};

/** Options that a service has, or that say how the command itself behaves. */
const OF_SERVICE = new Set([
  ...Object.keys(ONLY_SERVICE),
  ..."rm detach interactive tty TTY env volume publish name entrypoint user workdir servicePorts".split(" "),
  ..."deps detachKeys capAdd capDrop envFromFile label pull quiet quietPull dryRun disableContentTrust".split(
    " ",
  ),
]);

export async function runEither(
  context: Context,
  words: string[],
  options: RunOptions & ContainerOptions,
): Promise<number> {
  const [name = ""] = words;
  if (await isService(context, name)) {
    const wrong = Object.keys(options).find(
      (key) => !OF_SERVICE.has(key) && !(key === "healthcheck" && options.healthcheck === true),
    );
    if (wrong !== undefined)
      throw new BayError(
        "BAD_OPTION",
        `${flagOf(wrong)} works only with an image, and ${name} is a service`,
        {
          hint: "set it in the stack file, or run the image itself: bay container run IMAGE",
        },
      );
    return (await import("./run.ts")).run(context, words, options);
  }
  const wrong = Object.keys(ONLY_SERVICE).find((key) => key in options);
  if (wrong !== undefined || options.deps === false)
    throw new BayError(
      "BAD_OPTION",
      `${wrong === undefined ? "--no-deps" : ONLY_SERVICE[wrong]} works only with a service, and ${name} is not one`,
      { hint: servicesHint(context) },
    );
  return runImage(context, words, options);
}

async function runImage(
  context: Context,
  words: string[],
  options: RunOptions & ContainerOptions,
): Promise<number> {
  const { runContainer } = await import("./run-container.ts");
  try {
    return await runContainer(context, words, {
      ...options,
      pull: options.pull ?? "missing",
      // as with a service: input is open, and a terminal is used if there is one
      interactive: !options.detach,
      tty: options.detach ? options.tty === true : needsTerminal(options),
      publishAll: options.servicePorts ?? false,
      envFile: [...(options.envFile ?? []), ...(options.envFromFile ?? [])],
      quiet: (options.quiet || options.quietPull) ?? false,
    });
  } catch (error) {
    if (context.knownServices.length === 0 || !(error instanceof BayError)) throw error;
    if (!hasCode(error, "IMAGE_NOT_FOUND", "NOT_IN_REGISTRY", "REGISTRY_AUTH", "REGISTRY_UNREACHABLE"))
      throw error;
    throw new BayError(error.code, error.message, { cause: error, hint: servicesHint(context) });
  }
}

const servicesHint = ({ knownServices }: Context): string =>
  knownServices.length > 0
    ? `the services are: ${[...knownServices].sort().join(", ")}; other names are images`
    : "without a stack file, names are those of images";

const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Whether the stack file has the service, enabled or not. Throws `StackError` for a file with errors. */
async function isService(context: Context, name: string): Promise<boolean> {
  try {
    await context.stack([], true);
  } catch (error) {
    if (hasCode(error, "NO_STACK_FILE") && !context.options.file) return false;
    throw error;
  }
  return context.knownServices.includes(name);
}
