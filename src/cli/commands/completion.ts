/** Completion scripts, made from the commands themselves. */
import type { Command } from "commander";
import { BayError } from "../../errors.ts";
import { print } from "../ui/output.ts";

export async function completion(program: Command, [shell]: string[]): Promise<void> {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: command.options.flatMap((option) =>
      [option.long, option.short].filter((text) => text !== undefined && text !== null),
    ),
  }));
  const names = commands.map(({ name }) => name).join(" ");
  if (shell === "bash") {
    const cases = commands
      .map(({ name, options }) => `    ${name}) words="${options.join(" ")}";;`)
      .join("\n");
    return print(`_bay() {
  local word="\${COMP_WORDS[COMP_CWORD]}" command="" words="${names}"
  for part in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do case "$part" in -*) ;; *) command="$part"; break;; esac; done
  case "$command" in
${cases}
  esac
  case "$command:$word" in
    ?*:-*|:*) COMPREPLY=($(compgen -W "$words" -- "$word"));;
    *) COMPREPLY=($(compgen -W "$(bay config --services 2>/dev/null)" -- "$word"));;
  esac
}
complete -F _bay bay`);
  }
  if (shell === "zsh") {
    const rows = commands
      .map(
        ({ name, description }) => `    '${name}:${description.replaceAll("'", "").replaceAll(":", " -")}'`,
      )
      .join("\n");
    return print(`#compdef bay
_bay() {
  local -a commands
  commands=(
${rows}
  )
  if (( CURRENT == 2 )); then _describe command commands; else compadd -- $(bay config --services 2>/dev/null); fi
}
_bay "$@"`);
  }
  if (shell === "fish") {
    const rows = commands.flatMap(({ name, description, options }) => [
      `complete -c bay -f -n __fish_use_subcommand -a ${name} -d '${description.replaceAll("'", "")}'`,
      ...options
        .filter((option) => option.startsWith("--"))
        .map((option) => `complete -c bay -n '__fish_seen_subcommand_from ${name}' -l ${option.slice(2)}`),
    ]);
    return print(
      [
        ...rows,
        "complete -c bay -f -n 'not __fish_use_subcommand' -a '(bay config --services 2>/dev/null)'",
      ].join("\n"),
    );
  }
  throw new BayError("BAD_OPTION", `no completion for ${shell}`, { hint: "bash, zsh or fish" });
}
