/** Selects the bayd that a command talks to. Loads code for other hosts only if an option, a variable or a context may name one. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import type { Choice, HostOptions } from "./choose-host.ts";
import { namesTls } from "./tls-options.ts";
import { userFolder } from "./user-folder.ts";

/** Which bayd the options, variables and contexts select. Throws BAD_OPTION, BAD_CONTEXT. */
export async function selectedHost(options: HostOptions): Promise<Choice> {
  if (isPlain(options)) return { kind: "own" };
  const [{ chooseHost }, { Contexts }] = await Promise.all([
    import("./choose-host.ts"),
    import("./contexts.ts"),
  ]);
  const choice = chooseHost(options, process.env, () => new Contexts());
  if (choice.kind === "own" && namesTls(options))
    throw new BayError("BAD_OPTION", "the options of TLS need a tcp:// address", {
      hint: "name it with --host, BAY_HOST or DOCKER_HOST",
    });
  return choice;
}

const SELECTING = ["BAY_HOST", "BAY_CONTEXT", "DOCKER_HOST", "DOCKER_CONTEXT"];

/** Nothing selects a host: the usual case, without loading more code. */
const isPlain = (options: HostOptions): boolean =>
  options.host === undefined &&
  options.context === undefined &&
  !namesTls(options) &&
  SELECTING.every((name) => !process.env[name]) &&
  !existsSync(join(userFolder(), "context"));
