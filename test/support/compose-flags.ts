/** The commands and flags of docker compose, of v2.26 and of the versions since, as its command line reference lists them. */
import type { Command, Option } from "commander";
import { RefusedOption } from "../../src/cli/register/add.ts";

/** `=` at the end of a flag: it takes a value. */
export const COMPOSE_FLAGS: Readonly<Record<string, string>> = {
  "": "--all-resources --ansi= --compatibility --dry-run --env-file= -f= --file= --parallel= --profile= --progress= --project-directory= -p= --project-name= --verbose -v --version --workdir=",
  attach: "--detach-keys= --index= --no-stdin --sig-proxy=",
  bridge: "",
  build:
    "--build-arg= --builder= --check --compress --force-rm -m= --memory= --no-cache --no-rm --print --progress= --provenance= --pull --push -q --quiet --sbom= --ssh= --with-dependencies",
  commit: "-a= --author= -c= --change= --index= -m= --message= -p --pause",
  config:
    "--environment --format= --hash= --images --lock-image-digests --models --networks --no-consistency --no-env-resolution --no-interpolate --no-normalize --no-path-resolution -o= --output= --profiles -q --quiet --resolve-image-digests --services --variables --volumes",
  convert: "--format= -q --quiet",
  cp: "--all -a --archive -L --follow-link --index=",
  create:
    "--build --force-recreate --no-build --no-recreate --pull= --quiet-pull --remove-orphans --scale= -y --yes",
  down: "--remove-orphans --rmi= -t= --timeout= -v --volumes",
  events: "--json --since= --until=",
  exec: "-d --detach -e= --env= --index= -i --interactive -T --no-TTY --no-tty --privileged -t --tty -u= --user= -w= --workdir=",
  export: "--index= -o= --output=",
  images: "--format= -q --quiet",
  kill: "--remove-orphans -s= --signal=",
  logs: "-f --follow --index= --no-color --no-log-prefix --since= -n= --tail= -t --timestamps --until=",
  ls: "-a --all --filter= --format= -q --quiet",
  pause: "",
  port: "--index= --protocol=",
  ps: "-a --all --filter= --format= --no-trunc --orphans -q --quiet --services --status=",
  publish: "--app --oci-version= --resolve-image-digests --with-env -y --yes",
  pull: "--ignore-buildable --ignore-pull-failures --include-deps --no-parallel --parallel --policy= -q --quiet",
  push: "--ignore-push-failures --include-deps -q --quiet",
  restart: "--no-deps -t= --timeout=",
  rm: "-a --all -f --force -s --stop -v --volumes",
  run: "--build --cap-add= --cap-drop= -d --detach --entrypoint= -e= --env= --env-from-file= -i --interactive -l= --label= --name= -T --no-TTY --no-tty --no-deps -p= --publish= --pull= -q --quiet --quiet-build --quiet-pull --remove-orphans --rm -P --service-ports -t --tty --use-aliases -u= --user= -v= --volume= -w= --workdir=",
  scale: "--no-deps",
  start: "--wait --wait-timeout=",
  stats: "-a --all --format= --no-stream --no-trunc",
  stop: "-t= --timeout=",
  top: "",
  unpause: "",
  up: "--abort-on-container-exit --abort-on-container-failure --always-recreate-deps --attach= --attach-dependencies --build -d --detach --exit-code-from= --force-recreate --menu --no-attach= --no-build --no-color --no-deps --no-log-prefix --no-recreate --no-start --pull= --quiet-build --quiet-pull --remove-orphans -V --renew-anon-volumes --scale= -t= --timeout= --timestamps --wait --wait-timeout= -w --watch -y --yes",
  version: "-f= --format= --short",
  volumes: "--format= -q --quiet",
  wait: "--down-project",
  watch: "",
  alpha: "",
};

/** Commands with containers or files in them have --dry-run too, as docker compose has it for each. */
const WITH_DRY_RUN = Object.keys(COMPOSE_FLAGS).filter(
  (name) => !["", "alpha", "bridge", "convert", "publish", "watch"].includes(name),
);

export interface Flag {
  command: string;
  /** -t or --timeout */
  flag: string;
  takesValue: boolean;
}

export const composeFlags = (): Flag[] => [
  ...Object.entries(COMPOSE_FLAGS).flatMap(([command, flags]) =>
    flags
      .split(" ")
      .filter(Boolean)
      .map((text) => ({ command, flag: text.replace(/=$/, ""), takesValue: text.endsWith("=") })),
  ),
  ...WITH_DRY_RUN.map((command) => ({ command, flag: "--dry-run", takesValue: false })),
];

export const commandOf = (program: Command, name: string): Command | undefined =>
  name === ""
    ? program
    : program.commands.find((command) => command.name() === name || command.aliases().includes(name));

export const optionOf = (command: Command, flag: string): Option | undefined =>
  command.options.find(({ long, short }) => long === flag || short === flag);

/** The part of docs/coming-from-compose.md about flags. */
export function flagsTable(program: Command, refused: ReadonlyMap<string, string>): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const lines = ["| command | flag | in bay |", "| --- | --- | --- |"];
  for (const name of Object.keys(COMPOSE_FLAGS)) {
    const reason = refused.get(name);
    if (reason !== undefined) {
      lines.push(`| \`${name}\` | | refused: ${cell(reason)} |`);
      continue;
    }
    const command = commandOf(program, name)!;
    const seen = new Set<Option>();
    const flags = composeFlags().filter((flag) => flag.command === name);
    if (flags.length === 0) lines.push(`| \`${name}\` | | ${cell(command.description())} |`);
    for (const { flag } of flags) {
      const option = optionOf(command, flag)!;
      if (seen.has(option)) continue;
      seen.add(option);
      const what =
        option instanceof RefusedOption ? `refused: ${option.reason}` : option.description || "the same";
      lines.push(`| ${name === "" ? "(all)" : `\`${name}\``} | \`${cell(option.flags)}\` | ${cell(what)} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}
