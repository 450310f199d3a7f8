/** Error codes: stacks that follow a git repository. */
import type { ErrorEntry } from "./entry.ts";

export const GITOPS = {
  BAD_GITOPS: {
    exit: 1,
    http: 400,
    meaning: "A gitops source is not valid.",
    causes: "An option or a key of the gitops document is unknown or has the wrong form.",
    fix: "Correct what the message names. docs/gitops.md describes all keys.",
  },
  BAD_SOPS: {
    exit: 1,
    http: 409,
    meaning: "A file that SOPS has encrypted cannot be decrypted.",
    causes: "It was changed after its encryption, or the host is not one of its recipients.",
    fix: "Encrypt it again with sops, for the recipient that bay gitops identity prints.",
  },
  GITOPS_COMMIT: {
    exit: 1,
    http: 409,
    meaning: "A commit cannot be applied.",
    causes: "Its files are too large, point outside the repository, or are not a valid stack.",
    fix: "Correct the repository and push a new commit. The running stack was not changed.",
  },
  GITOPS_EXISTS: {
    exit: 1,
    http: 409,
    meaning: "The gitops source or its stack is already in use.",
    causes: "A source with this name exists, or another source follows the same stack.",
    fix: "Use another name, or remove the other source with bay gitops rm.",
  },
  GITOPS_LISTEN: {
    exit: 1,
    http: 409,
    meaning: "bayd cannot listen for webhooks on this address.",
    causes: "The address does not belong to the host, the port is in use, or the certificate cannot be used.",
    fix: "Use another address with bay gitops listen, or correct the certificate.",
  },
  GITOPS_TIMEOUT: {
    exit: 1,
    http: 503,
    meaning: "The git repository did not answer in time.",
    causes: "The server or the network is slow or not reachable.",
    fix: "bayd tries again. bay gitops status shows when.",
  },
  GITOPS_UNTRUSTED: {
    exit: 1,
    http: 403,
    meaning: "A commit is not trusted.",
    causes: "It is not signed by an allowed key, or the branch was rewound.",
    fix: "Sign the commit with a listed key, or allow rewinds for this source.",
  },
  STACK_FOLLOWED: {
    exit: 1,
    http: 409,
    meaning: "The stack follows a repository, and is only changed manually with an option.",
    causes: "A command such as bay up or bay down was used on a stack that a gitops source manages.",
    fix: "Change the repository, or use --once or --take-over as the message says.",
  },
  NO_GITOPS_SOURCE: {
    exit: 1,
    http: 404,
    meaning: "The gitops source does not exist.",
    causes: "The name is misspelled, or the source was removed.",
    fix: "bay gitops ls lists the sources.",
  },
} as const satisfies Record<string, ErrorEntry>;
