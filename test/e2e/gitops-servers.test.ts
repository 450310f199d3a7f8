/** Sources from real git servers: https with TLS and basic authentication, ssh with a deploy key, and git's own protocol. */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ShownSource } from "../../src/gitops/api/routes.ts";
import { Bay, eventually } from "../support/bay.ts";
import { Certificates } from "../support/certificates.ts";
import { GitRepository } from "../support/git-repository.ts";
import { GitDaemon, GitHttps } from "../support/git-servers.ts";
import { Sshd } from "../support/sshd.ts";

const PASSWORD = "hard-to-guess-7";

describe("sources from git servers", () => {
  const bay = new Bay();
  bay.write("services: {}");
  const repository = new GitRepository(bay.folder);
  const projects = dirname(repository.bare);
  const certificates = new Certificates();
  const https = new GitHttps(join(bay.folder, "https"), projects);
  const daemon = new GitDaemon();
  const sshd = new Sshd();
  const file = (name: string, text: string) => {
    const path = join(bay.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const status = (name: string) =>
    JSON.parse(bay.ok("gitops", "status", name, "--format", "json")) as ShownSource;
  const add = (name: string, repo: string, ...words: string[]) =>
    bay.ok("gitops", "add", name, "--repo", repo, "--project", name, "--interval", "1s", ...words);
  const applied = (name: string, commit: string) =>
    eventually(() => expect(status(name).status.applied?.id).toBe(commit));
  const unreachable = (name: string, text: RegExp) =>
    eventually(() => expect(status(name).status.unreachable?.message).toMatch(text));
  const version = (number: number) =>
    repository
      .write(
        "bay.yaml",
        `images: { box: { rootfs: ${bay.folder}/busybox } }
services: { web: { image: box, command: sleep 100${number}, stop_grace_period: 0s } }
`,
      )
      .commit(`Version ${number}`);
  let ca = "";

  beforeAll(async () => {
    bay.busybox();
    const authority = certificates.authority("authority");
    ca = authority.certFile;
    const leaf = certificates.leaf("server", "authority", { names: "DNS:localhost", usage: "serverAuth" });
    await Promise.all([https.start(leaf, "ada", PASSWORD), daemon.start(projects), sshd.start({})]);
  });
  afterAll(async () => {
    https.stop();
    daemon.stop();
    sshd.stop();
    certificates.remove();
    bay.close();
  });

  it("follows a repository over https, with a certificate of a private CA and a password", async () => {
    const url = https.url("project.git");
    const first = version(1);
    add("web", url, "--auth", file("auth", `ada:${PASSWORD}\n`), "--ca", ca);
    await applied("web", first);
    await applied("web", version(2));
    bay.ok("gitops", "rm", "web", "--down");
    add("web", url, "--auth", file("auth", `ada:${PASSWORD}\n`));
    await unreachable("web", /certificate/);
    bay.ok("gitops", "rm", "web");
    add("web", url, "--auth", file("wrong", "ada:wrong-word-3"), "--ca", ca);
    await unreachable("web", /authentication failed: the server rejected the credentials/);
    const shown =
      bay.ok("gitops", "status", "web", "--format", "json") + bay.ok("gitops", "log", "web") + bay.log();
    expect(shown).not.toContain("wrong-word-3");
    expect(shown).not.toContain(PASSWORD);
    bay.ok("gitops", "rm", "web");
  });

  it("follows a repository over ssh with a deploy key, and pins the key of the host", async () => {
    const url = `${sshd.address}${repository.bare}`;
    const commit = version(3);
    const key = bay.ok("gitops", "key", "shell").trim();
    expect(key).toMatch(/^ssh-ed25519 \S+ bay gitops shell$/);
    add("shell", url);
    await unreachable("shell", /denied|publickey/i);
    appendFileSync(join(sshd.folder, "authorized_keys"), `${key}\n`);
    bay.ok("gitops", "sync", "shell");
    await applied("shell", commit);
    const pinned = readFileSync(join(bay.folder, "root/gitops/credentials/shell.pinned_hosts"), "utf8");
    expect(pinned).toContain(readFileSync(join(sshd.folder, "host.pub"), "utf8").split(" ")[1]);
    bay.ok("gitops", "rm", "shell", "--down");
    // the server has another key than the one that is expected
    sshd.trust("stranger");
    const next = bay.ok("gitops", "key", "shell").trim();
    appendFileSync(join(sshd.folder, "authorized_keys"), `${next}\n`);
    add("shell", url, "--known-hosts", join(sshd.folder, "known_hosts"));
    await unreachable("shell", /host key/i);
    bay.ok("gitops", "rm", "shell");
  });

  it("follows a repository of git daemon, survives its end, and continues when it is back", async () => {
    const commit = version(4);
    add("plain", daemon.url("project.git"));
    await applied("plain", commit);
    const [before] = bay.stackPs("plain");
    const { port } = daemon;
    daemon.stop();
    await unreachable("plain", /refused|connect|closed|hung up/i);
    expect(bay.stackPs("plain")).toMatchObject([{ ID: before!.ID, State: "running" }]);
    const next = version(5);
    await daemon.start(projects, port);
    await applied("plain", next);
    expect(status("plain").status.unreachable).toBeUndefined();
    bay.ok("gitops", "rm", "plain", "--down");
  });
});
