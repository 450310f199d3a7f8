/**
 * A repository with two stacks and a gitops document: commits add, change, break, rename and remove. After each, the host is
 * the last good commit, the log has one line with the reason, and a bad commit has not touched a healthy container. Between
 * the commits, bayd is killed at random moments.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ShownSource } from "../../src/gitops/api/routes.ts";
import type { LogEntry } from "../../src/gitops/model/status.ts";
import { Bay, eventually } from "../support/bay.ts";
import { GitRepository } from "../support/git-repository.ts";
import { isLong } from "../support/long.ts";

/** How many times the cycle of changes is committed, and how often bayd is killed meanwhile. */
const CYCLES = isLong ? 10 : 1;
const KILLS = Number(process.env.BAY_CRASH_ROUNDS ?? 4);

interface Expected {
  outcome: LogEntry["outcome"];
  reason?: RegExp;
  /** Services by stack, with the version in their environment. */
  host: Record<string, Record<string, string>>;
}

describe("the story of a followed repository", () => {
  const bay = new Bay();
  bay.write("services: {}");
  const repository = new GitRepository(bay.folder);
  const status = (name: string) =>
    JSON.parse(bay.ok("gitops", "status", name, "--format", "json")) as ShownSource;
  const log = (name: string) => JSON.parse(bay.ok("gitops", "log", name, "--format", "json")) as LogEntry[];
  const service = (version: string, more = "", command = "sleep 1000") =>
    `{ image: box, command: ${command}, stop_grace_period: 0s, environment: { VERSION: "${version}" } ${more} }`;
  const stack = (services: Record<string, string>) => `images: { box: { rootfs: ${bay.folder}/busybox } }
services:
${Object.entries(services)
  .map(([name, text]) => `  ${name}: ${text}\n`)
  .join("")}`;
  const document = (names: Record<string, string>) =>
    `gitops:\n${Object.entries(names)
      .map(
        ([name, path]) =>
          `  ${name}: { repo: ${repository.bare}, path: ${path}, project: ${name}, interval: 1s, wait_timeout: 20s }\n`,
      )
      .join("")}`;
  const hostOf = (names: readonly string[]) =>
    Object.fromEntries(
      names.map((name) => [
        name,
        Object.fromEntries(
          bay
            .stackPs(name)
            .filter(({ State }) => State === "running")
            .map(({ Service, ID }) => [
              Service,
              (JSON.parse(bay.ok("inspect", ID)) as { Config: { Env: string[] } }[])[0]!.Config.Env.find(
                (entry) => entry.startsWith("VERSION="),
              )!.slice(8),
            ]),
        ),
      ]),
    );
  const containers = (name: string) => bay.stackPs(name).map(({ ID, StartedAt }) => `${ID} ${StartedAt}`);
  const seen: { source: string; commit: string; expected: Expected }[] = [];
  let kills = 0;

  /** Commits, perhaps kills bayd while the commit is applied, and waits until the host is what is expected. */
  const step = async (source: string, subject: string, expected: Expected) => {
    const isBad = expected.outcome !== "applied";
    const before = isBad ? containers(source) : [];
    const commit = repository.commit(subject);
    if (kills < KILLS) {
      kills += 1;
      await new Promise((done) => setTimeout(done, Math.random() * 2500));
      process.kill(bay.daemonPid(), "SIGKILL");
    }
    await eventually(() => {
      const { applied, bad, attempt } = status(source).status;
      expect([attempt, isBad ? bad?.commit : applied?.id]).toEqual([undefined, commit]);
    });
    await eventually(() => expect(hostOf(Object.keys(expected.host))).toEqual(expected.host));
    if (isBad && expected.outcome === "refused") expect(containers(source)).toEqual(before);
    seen.push({ source, commit, expected });
  };

  beforeAll(() => bay.busybox());
  afterAll(() => bay.close());

  it("is the last good commit after each", async () => {
    const put = (path: string, services: Record<string, string>) =>
      repository.write(`${path}/bay.yaml`, stack(services));
    put("a", { web: service("1") });
    put("b", { api: service("1") });
    repository.write("gitops.yaml", document({ a: "a", b: "b" })).commit("Begin");
    bay.ok("gitops", "add", "apps", "--repo", repository.bare, "--apps", "--interval", "1s");
    const good = (host: Expected["host"]): Expected => ({ outcome: "applied", host });
    const bad = (outcome: "refused" | "rolled back", reason: RegExp, host: Expected["host"]): Expected => ({
      outcome,
      reason,
      host,
    });
    await eventually(() => expect(hostOf(["a", "b"])).toEqual({ a: { web: "1" }, b: { api: "1" } }));
    for (let cycle = 1; cycle <= CYCLES; cycle++) {
      const v = (name: string) => `${cycle}${name}`;
      put("a", { web: service(v("a")) });
      await step("a", "Change a", good({ a: { web: v("a") } }));
      put("a", { web: service(v("a")), worker: service(v("w")) });
      await step("a", "Add a service", good({ a: { web: v("a"), worker: v("w") } }));
      repository.write("a/bay.yaml", "services: { web: [");
      await step(
        "a",
        "Break the YAML",
        bad("refused", /bay\.yaml:1/, { a: { web: v("a"), worker: v("w") } }),
      );
      put("a", { web: service(v("x"), ', healthcheck: { test: "false", interval: 100ms, retries: 2 }') });
      await step(
        "a",
        "Be unhealthy",
        bad("rolled back", /unhealthy/, { a: { web: v("a"), worker: v("w") } }),
      );
      put("a", { web: service(v("x"), "", "no-such-program") });
      await step("a", "Name a program that does not exist", {
        ...bad("rolled back", /no-such-program/, { a: { web: v("a"), worker: v("w") } }),
      });
      put("a", { web: service(v("x"), ', ports: ["70000:80"]'), worker: service(v("w")) });
      await step(
        "a",
        "Publish an impossible port",
        bad("refused", /70000/, { a: { web: v("a"), worker: v("w") } }),
      );
      put("a", { front: service(v("f")), worker: service(v("w")) });
      await step("a", "Rename a service", good({ a: { front: v("f"), worker: v("w") } }));
      put("a", { front: service(v("f")) });
      put("b", { api: service(v("b")) });
      await step("b", "Change both stacks", good({ a: { front: v("f") }, b: { api: v("b") } }));
      repository.write("gitops.yaml", document({ a: "a" }));
      await step("apps", "Remove b", good({ a: { front: v("f") }, b: {} }));
      repository.write("gitops.yaml", document({ a: "a", b: "b" }));
      await step("apps", "Add b again", good({ b: { api: v("b") } }));
    }
  });

  it("has one line for each commit, with the reason", () => {
    for (const { source, commit, expected } of seen) {
      if (source === "b") continue; // its log has left with the source
      const lines = log(source).filter((entry) => entry.commit?.id === commit);
      expect(lines.map(({ outcome }) => outcome)).toEqual([expected.outcome]);
      if (expected.reason) expect(lines[0]!.reason).toMatch(expected.reason);
    }
  });

  it("leaves no temporary files and clones, also of a killed bayd", async () => {
    bay.ok("gitops", "rm", "apps", "--down");
    expect(hostOf(["a", "b"])).toEqual({ a: {}, b: {} });
    bay.ok("daemon", "stop");
    const left = readdirSync(join(bay.folder, "root/gitops"), { recursive: true, encoding: "utf8" });
    expect(left.filter((name) => /\.(new|lock)$|tmp_|previews\/|repositories\/./.test(name))).toEqual([]);
  });
});
