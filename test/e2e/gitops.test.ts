/** A stack that follows a git repository: new commits, bad commits, drift, approval and removal. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ShownSource } from "../../src/gitops/api/routes.ts";
import type { LogEntry } from "../../src/gitops/model/status.ts";
import { Bay, eventually } from "../support/bay.ts";
import { GitRepository } from "../support/git-repository.ts";

const status = (bay: Bay, name: string) =>
  JSON.parse(bay.ok("gitops", "status", name, "--format", "json")) as ShownSource;
const logOf = (bay: Bay, name: string) =>
  JSON.parse(bay.ok("gitops", "log", name, "--format", "json")) as LogEntry[];

describe("a stack that follows a repository", () => {
  const bay = new Bay();
  bay.write("services: {}");
  const repository = new GitRepository(bay.folder);
  const stack = (web: string, more = "") => `
name: shop
images: { box: { rootfs: ${bay.folder}/busybox } }
services:
  web:
    image: box
    stop_grace_period: 0s
    ${web}
${more}
`;
  const good = (version: string, more = "") =>
    stack(
      `command: sleep 1000\n    environment: { VERSION: "${version}" }\n    volumes: ["./conf:/conf:ro"]`,
      more,
    );
  const put = (text: string) => repository.write("stacks/shop/bay.yaml", text);
  const applied = (commit: string) =>
    eventually(() => expect(status(bay, "shop").status.applied?.id).toBe(commit));
  const bad = (commit: string) =>
    eventually(() => expect(status(bay, "shop").status.bad?.commit).toBe(commit));
  const web = () => bay.stackPs("shop").find(({ Service }) => Service === "web")!;
  const inWeb = (command: string) => bay.ok("-p", "shop", "exec", "-T", "web", "sh", "-c", command).trim();

  beforeAll(() => {
    bay.busybox();
    repository.write("stacks/shop/conf/word", "one");
    put(good("1"));
  });
  afterAll(() => bay.close());

  it("is applied when it is added", async () => {
    const first = repository.commit("Add the shop");
    bay.ok(
      "gitops",
      "add",
      "shop",
      "--repo",
      repository.bare,
      "--branch",
      "main",
      "--path",
      "stacks/shop",
      "--interval",
      "1s",
    );
    await applied(first);
    expect(status(bay, "shop")).toMatchObject({
      follows: "branch main",
      health: "healthy",
      status: { project: "shop", applied: { author: "Ada", subject: "Add the shop" } },
    });
    expect(inWeb("cat /conf/word; echo $VERSION")).toBe("one1");
    expect(bay.ok("gitops", "ls")).toMatch(/shop +branch main +shop +[0-9a-f]{12} +up to date +healthy/);
  });

  it("applies a new commit, and replaces containers only if what they use changed", async () => {
    const { ID } = web();
    await applied(repository.write("README", "text").commit("Add a text"));
    expect(web().ID).toBe(ID);
    await applied(repository.write("stacks/shop/conf/word", "two").commit("Change the file"));
    expect(web().ID).not.toBe(ID);
    expect(inWeb("cat /conf/word")).toBe("two");
    await applied(
      put(good("2", "  other: { image: box, command: sleep 1000, stop_grace_period: 0s }")).commit("Add"),
    );
    expect(bay.stackPs("shop").map(({ Service }) => Service)).toEqual(["other", "web"]);
  });

  it("refuses a commit that is not a stack, and does not touch what runs", async () => {
    const before = web();
    const commit = put("services: { web: { imag: box } }").commit("Break the file");
    await bad(commit);
    expect(web()).toMatchObject({ ID: before.ID, StartedAt: before.StartedAt });
    const [entry] = logOf(bay, "shop").slice(-1);
    await bad(put(`hosts: all\n${good("2")}`).commit("Use several hosts"));
    expect(status(bay, "shop").status.bad!.reason).toContain(
      "a stack of several hosts (hosts:) cannot follow",
    );
    expect(web()).toMatchObject({ ID: before.ID, StartedAt: before.StartedAt });
    await bad(put("services: { web: { imag: box } }").commit("Break the file again"));
    expect(entry).toMatchObject({ outcome: "refused", commit: { id: commit, subject: "Break the file" } });
    expect(entry!.reason).toMatch(/bay\.yaml:1:\d+.*imag/s);
    expect(bay.run(["gitops", "sync", "shop"]).code).toBe(1);
  });

  it("rolls a commit back whose container fails, removes nothing before, and says why", async () => {
    const before = bay.stackPs("shop").map(({ ID, StartedAt }) => ({ ID, StartedAt }));
    const commit = put(stack('command: sh -c "echo cannot start; exit 3"')).commit("Break the service");
    await bad(commit);
    const { bad: why } = status(bay, "shop").status;
    expect(why!.reason).toContain("cannot start");
    expect(bay.stackPs("shop").map(({ ID, StartedAt }) => ({ ID, StartedAt }))).toEqual(before);
    expect(logOf(bay, "shop").at(-1)).toMatchObject({ outcome: "rolled back", commit: { id: commit } });
  });

  it("continues with the next good commit, and removes what left the repository", async () => {
    await applied(put(good("3")).commit("Repair the service"));
    expect(bay.stackPs("shop").map(({ Service }) => Service)).toEqual(["web"]);
    expect(inWeb("echo $VERSION")).toBe("3");
    expect(status(bay, "shop").status.bad).toBeUndefined();
  });

  it("repairs manual changes", async () => {
    bay.ok("-p", "shop", "rm", "-s", "-f", "web");
    await eventually(() => expect(web()?.State).toBe("running"));
    await eventually(() => expect(logOf(bay, "shop").at(-1)!.outcome).toBe("drift repaired"));
  });

  it("is changed by hand only with an option that says what the change is", async () => {
    const versions = () => bay.stackPs("shop").map(({ Service }) => Service);
    bay.write(good("9", "  mine: { image: box, command: sleep 1000, stop_grace_period: 0s }"));
    for (const words of [
      ["up", "-d"],
      ["create"],
      ["scale", "web=2"],
      ["down"],
      ["rollback"],
      ["-p", "shop", "down"],
    ]) {
      const { code, err } = bay.run(words);
      expect([code, err]).toEqual([
        1,
        expect.stringContaining("managed by the gitops source shop, which follows"),
      ]);
      expect(err).toContain("--take-over");
    }
    expect(versions()).toEqual(["web"]);
    expect(inWeb("echo $VERSION")).toBe("3");
    expect(bay.run(["up", "-d", "--once", "--take-over"]).err).toContain("contradict");

    const { code, err } = bay.run(["up", "-d", "--once"]);
    expect([code, err]).toEqual([0, expect.stringContaining("restores the state of the repository")]);
    await eventually(() => {
      expect(versions()).toEqual(["web"]);
      expect(inWeb("echo $VERSION")).toBe("3");
    });
    await eventually(() => expect(logOf(bay, "shop").at(-1)!.reason).toContain("services.web"));
    expect(bay.run(["-p", "shop", "stop", "web"]).err).toContain("managed by the gitops source shop");
    await eventually(() => expect(web().State).toBe("running"));

    bay.ok("up", "-d", "--take-over");
    expect(status(bay, "shop").suspended).toBe(true);
    expect(versions()).toEqual(["mine", "web"]);
    expect(inWeb("echo $VERSION")).toBe("9");
    bay.ok("up", "-d", "--force-recreate"); // the source is suspended
    bay.ok("gitops", "resume", "shop");
    await eventually(() => {
      expect(versions()).toEqual(["web"]);
      expect(inWeb("echo $VERSION")).toBe("3");
    });
  });

  it("refuses a path out of the repository, and a link to the host's files", async () => {
    const secret = (file: string) =>
      put(
        `${good("4").replace("    command:", "    secrets: [s]\n    command:")}\nsecrets: { s: { file: "${file}" } }\n`,
      );
    await bad(secret("../../../../../../../../etc/passwd").commit("Leave the repository"));
    expect(status(bay, "shop").status.bad!.reason).toContain("/etc/passwd is outside of the repository");
    repository.link("stacks/shop/passwd", "/etc/passwd");
    await bad(secret("./passwd").commit("Link to the host"));
    expect(status(bay, "shop").status.bad!.reason).toContain(
      "symbolic link that points outside the repository: /etc/passwd",
    );
    repository.remove("stacks/shop/passwd");
  });

  it("waits while it is suspended, and shows the plan before it is applied", async () => {
    bay.ok("gitops", "suspend", "shop");
    const commit = put(good("5")).commit("Version 5");
    expect(bay.ok("gitops", "diff", "shop")).toContain("services.web.environment.VERSION: 3 -> 5");
    expect(bay.ok("gitops", "preview", "shop", "main")).toMatch(
      /^### bay: plan of shop\n.*```\n.*3 -> 5.*```\n$/s,
    );
    expect(status(bay, "shop").status.applied?.id).not.toBe(commit);
    bay.ok("gitops", "resume", "shop");
    await applied(commit);
  });

  it("completes a commit after bayd was killed in the middle", async () => {
    const slow = good("6").replace(
      "command: sleep 1000",
      'command: sleep 1000\n    healthcheck: { test: ["CMD", "test", "-e", "/go"], interval: 200ms, retries: 1000 }',
    );
    const commit = put(slow).commit("Become healthy slowly");
    await eventually(() => expect(status(bay, "shop").status.attempt?.commit.id).toBe(commit));
    process.kill(bay.daemonPid(), "SIGKILL");
    // the container of the killed attempt may be replaced by one of the next attempt
    await eventually(() => {
      for (const { Health, Pid } of bay.stackPs("shop"))
        if (Health === "starting" && Pid > 0) writeFileSync(`/proc/${Pid}/root/go`, "");
      expect(status(bay, "shop").status.applied?.id).toBe(commit);
    });
    expect(logOf(bay, "shop").filter((entry) => entry.commit?.id === commit)).toHaveLength(1);
    expect(bay.stackPs("shop")).toHaveLength(1);
    expect(readdirSync(join(bay.folder, "root/gitops/work"))).toEqual(["shop"]);
  });

  it("stops following, and removes the stack only if asked", async () => {
    bay.ok("gitops", "rm", "shop");
    expect(bay.stackPs("shop")).toHaveLength(1);
    expect(existsSync(join(bay.folder, "root/gitops/work/shop"))).toBe(false);
    expect(readdirSync(join(bay.folder, "root/gitops/repositories"))).toEqual([]);
    bay.ok("-p", "shop", "down", "--remove-orphans");
    expect(bay.stackPs("shop")).toEqual([]);
  });

  it("applies a commit with the manual policy only when its plan was approved", async () => {
    bay.ok(
      "gitops",
      "add",
      "shop",
      "--repo",
      repository.bare,
      "--path",
      "stacks/shop",
      "--interval",
      "1s",
      "--policy",
      "manual",
    );
    await eventually(() => expect(status(bay, "shop").status.pending?.reason).toContain("approve"));
    const { pending } = status(bay, "shop").status;
    expect(pending!.plan).toContain("shop-web-1");
    expect(bay.run(["gitops", "approve", "shop", "0123456789"]).err).toContain("NO_GIT_REF");
    repository.git("reset", "-q", "--hard", "HEAD~1");
    await eventually(() => expect(repository.push()).toBeTruthy());
    await eventually(() => expect(status(bay, "shop").status.pending?.commit.subject).toBe("Version 5"));
    bay.ok("gitops", "approve", "shop", status(bay, "shop").status.pending!.commit.id);
    expect(status(bay, "shop").status.applied?.subject).toBe("Version 5");
    bay.ok("gitops", "rm", "shop", "--down", "-v");
    expect(bay.stackPs("shop")).toEqual([]);
  });

  it("creates, changes and removes the sources of a document in a repository", async () => {
    const entry = (name: string, project: string) =>
      `  ${name}: { repo: ${repository.bare}, path: stacks/shop, project: ${project}, interval: 1s }\n`;
    await repository
      .write("gitops.yaml", `gitops:\n${entry("one", "one")}${entry("two", "two")}`)
      .commit("Describe");
    bay.ok("gitops", "add", "apps", "--repo", repository.bare, "--apps", "--interval", "1s");
    await eventually(() => expect(status(bay, "two").status.project).toBe("two"));
    await eventually(() => expect(status(bay, "one").health).toBe("healthy"));
    const commit = repository.write("gitops.yaml", `gitops:\n${entry("one", "one")}`).commit("Remove two");
    await eventually(() => expect(status(bay, "apps").status.applied?.id).toBe(commit));
    expect(bay.run(["gitops", "status", "two"]).err).toContain("NO_GITOPS_SOURCE");
    expect(bay.stackPs("two")).toEqual([]);
    await eventually(() => expect(status(bay, "one").status.applied?.id).toBe(commit));
    await repository.write("gitops.yaml", "gitops:\n  one: { repos: x }\n").commit("Break the document");
    await eventually(() => expect(status(bay, "apps").status.bad?.reason).toContain("repos"));
    expect(status(bay, "one").health).toBe("healthy");
    bay.ok("-p", "one", "down", "--take-over");
    const again = repository
      .write("gitops.yaml", `gitops:\n${entry("one", "one").replace("1s", "2s")}`)
      .commit("Change the document");
    await eventually(() => expect(status(bay, "apps").status.applied?.id).toBe(again));
    expect(status(bay, "one")).toMatchObject({ interval: 2000, suspended: true });
    expect(bay.stackPs("one")).toEqual([]);
    bay.ok("gitops", "rm", "apps", "--down", "-v");
    expect(bay.run(["gitops", "status", "one"]).err).toContain("NO_GITOPS_SOURCE");
    expect(bay.stackPs("one")).toEqual([]);
  });

  it("removes the containers of a bad first commit", async () => {
    const commit = put(
      stack(
        'command: sh -c "echo cannot start; exit 3"',
        "  side: { image: box, command: sleep 1000, stop_grace_period: 0s }",
      ),
    ).commit("Begin badly");
    bay.ok("gitops", "add", "shop", "--repo", repository.bare, "--path", "stacks/shop", "--interval", "1s");
    await bad(commit);
    expect(status(bay, "shop").status.bad!.reason).toMatch(/cannot start.*those of the commit were removed/s);
    expect(bay.stackPs("shop")).toEqual([]);
    const second = put(
      stack("image: registry.invalid/none:1\n    command: sleep 1").replace("    image: box\n", ""),
    ).commit("Use an image of a registry that does not answer");
    await eventually(() =>
      expect(status(bay, "shop").status.unreachable?.message).toContain("registry.invalid"),
    );
    expect(status(bay, "shop").status.bad?.commit).not.toBe(second);
  });
});
