/** The table of error codes: their meaning, the exit code of the command, the HTTP status, and the place in the docs. */
import type { constants } from "node:os";
import { BUILD } from "./build.ts";
import { CLUSTER } from "./cluster.ts";
import { COMMAND } from "./command.ts";
import { CONTAINERS } from "./containers.ts";
import { DAEMON } from "./daemon.ts";
import type { ErrorEntry } from "./entry.ts";
import { GITOPS } from "./gitops.ts";
import { HOST } from "./host.ts";
import { IMAGES } from "./images.ts";
import { NETWORK } from "./network.ts";
import { PLAN } from "./plan.ts";
import { STACK } from "./stack.ts";

/** The parts of the table, in the order of docs/errors.md. */
export const ERROR_GROUPS = {
  "The command line": COMMAND,
  "Stack files": STACK,
  "Plans and updates": PLAN,
  Containers: CONTAINERS,
  "Images and registries": IMAGES,
  Builds: BUILD,
  "Networks and volumes": NETWORK,
  "Clusters of hosts": CLUSTER,
  "Following a git repository": GITOPS,
  bayd: DAEMON,
  "The host and the state": HOST,
} as const;

export const ERROR_CODES = {
  ...COMMAND,
  ...STACK,
  ...PLAN,
  ...CONTAINERS,
  ...IMAGES,
  ...BUILD,
  ...NETWORK,
  ...CLUSTER,
  ...GITOPS,
  ...DAEMON,
  ...HOST,
} as const;

/** The codes of the table. */
export type NamedErrorCode = keyof typeof ERROR_CODES;

/** The name of an errno, such as ENOENT: the code of a system call that failed. The table describes them as SYSCALL. */
export type ErrnoName = keyof typeof constants.errno;

/** The code of a `BayError`. */
export type ErrorCode = NamedErrorCode | ErrnoName;

/** Whether a text is a code of the table. */
export const isNamedCode = (text: string): text is NamedErrorCode => Object.hasOwn(ERROR_CODES, text);

/** The entry of a code. */
export const entryOf = (code: ErrorCode): ErrorEntry => ERROR_CODES[isNamedCode(code) ? code : "SYSCALL"];

/** A code that another process sent; `otherwise` if this version does not have it. */
export function readCode(text: string | undefined, otherwise: NamedErrorCode): ErrorCode {
  if (text === undefined) return otherwise;
  if (isNamedCode(text)) return text;
  return /^E[A-Z0-9]+$/.test(text) ? (text as ErrnoName) : otherwise;
}

/** Where docs/errors.md describes a code. */
export const docsAnchor = (code: ErrorCode): string =>
  `docs/errors.md#${(isNamedCode(code) ? code : "SYSCALL").toLowerCase()}`;
