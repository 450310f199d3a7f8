/** `bay gitops`: stacks that follow a git repository. Each command loads its code when it is called. */
import { type Command, Option } from "commander";
import { type Add, collect, tableOrJson } from "./add.ts";

const load = () => import("../commands/stack/gitops.ts");
const hooks = () => import("../commands/stack/gitops-hooks.ts");
const listed = (c: Command) => c.addOption(tableOrJson());

export function addGitopsCommands(group: (name: string, description: string) => Add): void {
  const gitops = group(
    "gitops",
    "follow git repositories: add, apply, ls, status, sync, approve, diff, preview, log, suspend, resume, rm, key, identity, listen, webhook, notify",
  );
  gitops(
    "add <name>",
    "follow a git repository: its stack is applied now, and at every new commit",
    (c) =>
      listed(c)
        .requiredOption(
          "--repo <url>",
          "https://, ssh://, git:// or user@host:path, or an absolute path on this host",
        )
        .option("--branch <name>", "follow a branch; without an option, the default branch")
        .option("--tag <name>", "follow a tag")
        .option("--semver <range>", "follow the highest tag in a range of versions, such as ^1.4")
        .option("--commit <hash>", "follow a fixed commit")
        .option("--path <directory>", "directory of the stack in the repository")
        .option("--file <file>", "stack file in that directory, can be repeated", collect)
        .option("--project <name>", "name of the stack")
        .option("--profile <name>", "enable a profile, can be repeated", collect)
        .option("--env-file <file>", "file in that directory with variables, can be repeated", collect)
        .option("--interval <duration>", "time between two polls (default: 1m)")
        .option("--auth <file>", "file with a token or user:password for https; - is standard input")
        .option("--ca <file>", "CA certificates, in PEM")
        .option("--known-hosts <file>", "accepted SSH host keys; without it, the first one is pinned")
        .option("--verify <file>", "accept only commits signed by an SSH or OpenPGP key of this file")
        .addOption(
          new Option("--allow-rewind <boolean>", "accept rewritten history (default: true)").choices([
            "true",
            "false",
          ]),
        )
        .option("--no-allow-rewind", "refuse history that is not a descendant of the applied commit")
        .addOption(
          new Option("--policy <policy>", "apply new commits, or wait for approval").choices([
            "auto",
            "manual",
          ]),
        )
        .option("--no-prune", "keep services that were removed from the repository")
        .option("--prune-volumes", "remove the volumes of stacks that were removed from a gitops document")
        .option("--wait-timeout <duration>", "maximum time for a commit to become healthy (default: 5m)")
        .addOption(
          new Option(
            "--drift <policy>",
            "manual changes on the host: repair them, or only report them",
          ).choices(["repair", "report"]),
        )
        .option(
          "--window <times>",
          "times to apply commits: 'Mon-Fri 08:00-17:00 Europe/Berlin', can be repeated",
          collect,
        )
        .option("--depends-on <source>", "wait until another source is applied, can be repeated", collect)
        .option(
          "--allow-path <directory>",
          "directory on this host that the stack may read, can be repeated",
          collect,
        )
        .option("--write-back <branch>", "commit newer images of x-bay-update to a branch")
        .option("--apps", "the files are gitops documents that describe other sources"),
    async () => (await load()).addSource,
  );
  gitops(
    "apply <file>",
    "create or change the sources of a gitops document",
    listed,
    async () => (await load()).applyDocument,
  );
  gitops("ls", "list the sources", listed, async () => (await load()).listSources);
  gitops(
    "status <name>",
    "show the commit, the health and the last failure of a source",
    listed,
    async () => (await load()).sourceStatus,
  );
  gitops(
    "sync <name>",
    "poll the repository now and apply a new commit; also retry a commit that failed",
    listed,
    async () => (await load()).syncSource,
  );
  gitops(
    "approve <name> <commit>",
    "apply a commit that is waiting for approval, if its plan has not changed",
    listed,
    async () => (await load()).approveCommit,
  );
  gitops(
    "diff <name>",
    "show the plan from the host to the newest commit",
    listed,
    async () => (await load()).diffSource,
  );
  gitops(
    "preview <name> <ref>",
    "print the plan of a branch or commit as Markdown",
    listed,
    async () => (await load()).previewRef,
  );
  gitops(
    "log <name>",
    "list the commits that were applied, refused and rolled back",
    listed,
    async () => (await load()).sourceLog,
  );
  gitops(
    "suspend <name>",
    "do not poll, apply or repair until resume",
    listed,
    async () => (await load()).suspendSource,
  );
  gitops("resume <name>", "follow the repository again", listed, async () => (await load()).resumeSource);
  gitops(
    "rm <name>",
    "stop following the repository; the stack keeps running",
    (c) =>
      listed(c)
        .option("--keep", "keep the stack (the default)")
        .option("--down", "remove the stack too")
        .option("-v, --volumes", "with --down: remove its volumes too"),
    async () => (await load()).removeSourceCommand,
  );
  gitops(
    "key <name>",
    "print the public deploy key of a source, and create it if it does not exist",
    listed,
    async () => (await load()).deployKey,
  );
  gitops(
    "identity",
    "print the public age recipient of this host, for SOPS, and create it if it does not exist",
    (c) =>
      listed(c).option(
        "--import <file>",
        "use the identities in a file from age-keygen; - is standard input",
      ),
    async () => (await hooks()).hostIdentity,
  );
  gitops(
    "listen [address]",
    "listen for webhooks on ADDRESS:PORT; without an address, show where bayd listens",
    (c) =>
      listed(c)
        .option("--cert <file>", "certificate for https, in PEM")
        .option("--key <file>", "private key of the certificate, in PEM")
        .option("--metrics", "also serve /metrics for Prometheus")
        .option("--off", "stop listening"),
    async () => (await hooks()).listenForHooks,
  );
  gitops(
    "webhook <name>",
    "accept webhooks of GitHub, GitLab, Gitea or Forgejo for a source, and print their path and secret",
    (c) =>
      listed(c)
        .option("--secret <file>", "file with the secret; - is standard input; without it, one is created")
        .option("--off", "stop accepting webhooks"),
    async () => (await hooks()).setWebhook,
  );
  gitops(
    "notify <name>",
    "report the results of a source to an address; without options, list the targets",
    (c) =>
      listed(c)
        .addOption(
          new Option("--type <type>", "format of the reports").choices(["json", "slack", "github", "gitea"]),
        )
        .option("--url <file>", "file with the address; - is standard input")
        .option("--token <file>", "file with the token for it")
        .option(
          "--on <result>",
          "applied, failed, rolled-back, drift or unreachable, can be repeated (default: all but unreachable)",
          collect,
        )
        .option("--off", "remove all targets of the source"),
    async () => (await hooks()).notifyTargets,
  );
}
