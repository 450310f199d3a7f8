/** Options of docker run that `bay run` and `bay container run` share. */
import type { Command } from "commander";
import { collect } from "./add.ts";

export const runOptions = (c: Command) =>
  c
    .passThroughOptions()
    .option("--rm", "remove the container when it exits")
    .option("--name <name>", "name of the container")
    .option("-e, --env <name=value>", "set an environment variable, can be repeated", collect)
    .option("-l, --label <name=value>", "add a label, can be repeated", collect)
    .option("-u, --user <user>", "user that runs the command")
    .option("-w, --workdir <folder>", "working directory")
    .option("--entrypoint <command>", "override the entry point")
    .option("-p, --publish <port>", "publish a port, can be repeated", collect)
    .option("-v, --volume <mount>", "mount a directory or volume, can be repeated", collect)
    .option("--cap-add <capability>", "add a capability, can be repeated", collect)
    .option("--cap-drop <capability>", "drop a capability, can be repeated", collect);

/** `--detach-keys` of commands that attach to a container. */
export const detachKeysOption = [
  "--detach-keys <keys>",
  "keys that detach from the container (ctrl-p,ctrl-q)",
] as const;
