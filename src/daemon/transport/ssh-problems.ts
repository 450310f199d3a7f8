/** Why a connection over ssh(1) ended, by its exit status and its messages. Pure. */
import { BayError } from "../../core/errors.ts";

export interface SshEnd {
  code: number | null;
  signal: string | null;
  /** What ssh and the far side wrote to standard error. */
  text: string;
  /** It had transferred data before. */
  isCut: boolean;
}

/** ssh's own errors have the exit status 255 (ssh(1), EXIT STATUS). */
const SSH_FAILED = 255;
/** Of a shell: the command exists but cannot be run, or does not exist. */
const NOT_RUN = [126, 127];

/** Messages of OpenSSH, and what to do. The order matters: a changed key is also a failed verification. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    "the key of the host is not the one in known_hosts: find out why before you remove it with ssh-keygen -R HOST",
  ],
  [/Host key verification failed/, "connect once with ssh, and compare the fingerprint of its key"],
  [/Permission denied/, "add your key to the agent with ssh-add; passwords are not asked for"],
  [
    /Too many authentication failures/,
    "name the key of this host in ~/.ssh/config (IdentityFile, IdentitiesOnly)",
  ],
  [/Could not resolve hostname/, "check the name"],
  [
    /Connection refused|timed out|No route to host|Network is unreachable/,
    "check the address, and that sshd runs there",
  ],
];

/** The error for the user: the exit status, and the last lines that ssh wrote. */
export function sshProblem(address: string, { code, signal, text, isCut }: SshEnd): BayError {
  const said = lastLines(text);
  const end = signal !== null ? `ssh was ended by ${signal}` : `ssh ended with exit status ${code}`;
  const message = `${address}: ${isCut ? "the connection was lost: " : ""}${end}${said ? `: ${said}` : ""}`;
  return new BayError(isCut ? "DAEMON_LOST" : "HOST_UNREACHABLE", message, { hint: hintFor(code, text) });
}

function hintFor(code: number | null, text: string): string {
  if (code !== null && NOT_RUN.includes(code))
    return "install bay on that host, in the PATH of commands that ssh runs (ssh HOST bay --version)";
  const known = HINTS.find(([pattern]) => pattern.test(text));
  if (known) return known[1];
  return code === SSH_FAILED
    ? "try the same address with ssh -v"
    : "see what ssh HOST bay daemon status prints";
}

const MOST_LINES = 6;
const MOST_LETTERS = 1000;

/** Terminal control sequences of a hostile host are not passed on. */
function lastLines(text: string): string {
  const lines = text
    .replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, "")
    .split(/[\r\n]+/)
    .map((line) => line.replace(/\p{C}/gu, "").trim())
    .filter((line) => line !== "" && !/^@+$/.test(line));
  return lines.slice(-MOST_LINES).join("; ").slice(-MOST_LETTERS);
}
