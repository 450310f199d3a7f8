/** Error codes: the command line. */
import type { ErrorEntry } from "./entry.ts";

export const COMMAND = {
  ABORTED: {
    exit: 1,
    http: 500,
    meaning: "The operation was interrupted.",
    causes: "Ctrl-C was pressed, or the client disconnected before the end.",
    fix: "Run the command again. Steps that were complete are kept.",
  },
  BACKUP_CUT: {
    exit: 1,
    http: 500,
    meaning: "The backup of a volume was interrupted.",
    causes: "bayd ended, or reading the volume failed.",
    fix: "Read the log of bayd, and repeat the backup. Do not use the incomplete file.",
  },
  BAD_OPTION: {
    exit: 1,
    http: 400,
    meaning: "An option or an argument of the command is not valid.",
    causes: "The value has the wrong form, or two options contradict each other.",
    fix: "Read the message, and see bay COMMAND --help.",
  },
  BAD_TEMPLATE: {
    exit: 1,
    http: 400,
    meaning: "The Go template of --format is not valid.",
    causes: "A brace or a quote is not closed, or a field or function does not exist.",
    fix: "Correct the template, or use --format json.",
  },
  LOGS: {
    exit: 1,
    http: 500,
    meaning: "The logs of a container cannot be read or collected.",
    causes: "The container was removed meanwhile, or the disk failed.",
    fix: "Run the command again. See bay ps -a and the log of bayd.",
  },
  NOT_PUBLISHED: {
    exit: 1,
    http: 400,
    meaning: "The container port is not published on the host.",
    causes: "The service has no entry for this port under ports, or the protocol differs.",
    fix: "Publish the port in the stack file, and run bay up.",
  },
  NO_CONTAINER: {
    exit: 1,
    http: 404,
    meaning: "The service has no container, or not the one with the given number.",
    causes: "The stack is not running, or the index is larger than the number of replicas.",
    fix: "Start the service with bay up, or see bay ps -a.",
  },
  NO_FILE: {
    exit: 1,
    http: 400,
    meaning: "A file named on the command line does not exist.",
    causes: "The path is misspelled, or is relative to a different directory.",
    fix: "Correct the path.",
  },
  NO_TAR: {
    exit: 1,
    http: 500,
    meaning: "tar could not be run.",
    causes: "The package tar is not installed.",
    fix: "apt-get install tar",
  },
  SOME_FAILED: {
    exit: 1,
    http: 500,
    meaning: "The operation failed for some containers.",
    causes: "The message has one line for each container that failed.",
    fix: "Look up the reason for each container. The operation succeeded for the others.",
  },
  TAR: {
    exit: 1,
    http: 500,
    meaning: "tar failed while files were copied.",
    causes: "A file is not readable, or the target is full or not writable.",
    fix: "Read the message of tar, fix the cause, and copy again.",
  },
  UNKNOWN_CODE: {
    exit: 1,
    http: 400,
    meaning: "The error code does not exist.",
    causes: "The code is misspelled, or a different version of bay printed it.",
    fix: "bay explain without an argument lists all codes.",
  },
  UNSUPPORTED_COMMAND: {
    exit: 1,
    http: 501,
    meaning: "bay does not have this command of docker compose.",
    causes: "The command belongs to a feature that bay does not have.",
    fix: "The message gives the reason. See docs/coming-from-compose.md.",
  },
  UNSUPPORTED_OPTION: {
    exit: 1,
    http: 501,
    meaning: "bay does not have this option.",
    causes:
      "The option belongs to a feature that bay does not have, or the command cannot simulate its steps (--dry-run).",
    fix: "Leave the option out. See docs/coming-from-compose.md.",
  },
} as const satisfies Record<string, ErrorEntry>;
