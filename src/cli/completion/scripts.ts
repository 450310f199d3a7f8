/** The scripts for bash, zsh and fish. They call `bay __complete`, so they do not depend on the commands. */

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Lines of `__complete` are WORD<tab>DESCRIPTION; `:files` and `:folders` request the shell's own file completion. */
const BASH = `# bash completion for bay
_bay() {
  local line word="\${COMP_WORDS[COMP_CWORD]}"
  local IFS=$'\\n'
  COMPREPLY=()
  [ "$word" = "=" ] && word=""
  while IFS= read -r line; do
    case "$line" in
      :files) ((\${#COMPREPLY[@]})) || compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- "$word"));;
      :folders) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -d -- "$word"));;
      *) line="\${line%%$'\\t'*}"; case "$line" in *=|*:) compopt -o nospace 2>/dev/null;; esac; COMPREPLY+=("$line");;
    esac
  done < <("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _bay bay
`;

const ZSH = `#compdef bay
# zsh completion for bay: put it into a folder of fpath as _bay, or source it
_bay() {
  local line word files=""
  local -a plain open shown
  while IFS= read -r line; do
    case "$line" in
      :files) files=f;;
      :folders) files=d;;
      *)
        word="\${line%%$'\\t'*}"
        case "$word" in
          *=|*:) open+=("$word");;
          *) plain+=("$word"); shown+=("\${word}  \${line#*$'\\t'}");;
        esac;;
    esac
  done < <("\${words[1]}" __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)
  (( $#plain )) && compadd -l -d shown -a plain
  (( $#open )) && compadd -S '' -a open
  [[ $files = f ]] && _files
  [[ $files = d ]] && _files -/
  return 0
}
if [[ "\${funcstack[1]}" = _bay ]]; then
  _bay "$@"
else
  (( \${+functions[compdef]} )) || { autoload -Uz compinit && compinit -u; }
  compdef _bay bay
fi
`;

const FISH = `# fish completion for bay
function __bay_complete
  set -l words (commandline -opc)
  set -l program $words[1]
  set -e words[1]
  set -l word (commandline -ct)
  for line in ($program __complete $words "$word" 2>/dev/null)
    switch $line
      case ':files'
        __fish_complete_path "$word"
      case ':folders'
        __fish_complete_directories "$word" ""
      case '*'
        printf '%s\\n' $line
    end
  end
end
complete -c bay -f -a '(__bay_complete)'
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** The directory that each shell searches, below /usr/local/share; bash needs the package bash-completion. */
export const PLACES: Readonly<Record<Shell, string>> = {
  bash: "bash-completion/completions/bay",
  zsh: "zsh/site-functions/_bay",
  fish: "fish/vendor_completions.d/bay.fish",
};
