/** Stacks through bay's own routes: plan, up, down, run, rollback, over a recording kernel. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Client } from "../../../../src/daemon/client.ts";
import type { Plan } from "../../../../src/reconcile/index.ts";
import type { Stack } from "../../../../src/stack/index.ts";
import { loadText } from "../../../support/stack.ts";
import { loadBay, UnitBay, unloadBay } from "../../../support/unit-bay.ts";

let bay: UnitBay;
let client: Client;
beforeAll(() => loadBay());
afterAll(unloadBay);
beforeEach(async () => {
  bay = await UnitBay.start();
  client = new Client(await bay.serve());
});
afterEach(() => bay.stop());

const WEB = `
services:
  web: { image: app, labels: { color: blue } }
`;
/** As the command sends it, always from the same folder. */
function stackOf(text: string, options?: Parameters<typeof loadText>[1]): Stack {
  const stack = JSON.parse(JSON.stringify(loadText(text, options).stack)) as Stack;
  return { ...stack, directory: "/srv/demo", files: ["/srv/demo/bay.yaml"] };
}

interface Line {
  progress?: { step: string; state: string };
  waiting?: unknown;
  result?: Plan;
  error?: { code: string; message: string; hint?: string };
}
async function lines(path: string, body: object): Promise<Line[]> {
  const all: Line[] = [];
  for await (const line of client.lines<Line>("POST", path, body)) all.push(line);
  return all;
}
async function up(text: string, rest: object = {}): Promise<Plan> {
  const last = (await lines("/bay/v1/up", { stack: stackOf(text), ...rest })).at(-1)!;
  if (last.error) throw Object.assign(new Error(last.error.message), last.error);
  return last.result!;
}
const DOWN = { name: "demo", volumes: false, removeOrphans: false, externalVolumes: [] };
const down = async (rest: object = {}) => (await lines("/bay/v1/down", { ...DOWN, ...rest })).at(-1)!.result!;
const plan = (text: string, options: object = {}) =>
  client.json<Plan>("POST", "/bay/v1/plan", { stack: stackOf(text), options });
const kinds = ({ steps }: Pick<Plan, "steps">) => steps.map(({ kind, name }) => `${kind} ${name}`);
const running = () =>
  bay.manager
    .list()
    .filter(({ state }) => state.status === "running")
    .map(({ config }) => config.name)
    .sort();

describe("up", () => {
  it("makes the network and the containers, and has nothing to do the second time", async () => {
    expect(kinds(await plan(WEB))).toEqual(["network.create demo_default", "container.create demo-web-1"]);
    expect(running()).toEqual([]);
    await up(WEB);
    expect(running()).toEqual(["demo-web-1"]);
    expect(bay.manager.networks.list().map(({ config }) => config.name)).toEqual(["demo_default"]);
    expect(kinds(await plan(WEB))).toEqual([]);
    expect(kinds(await up(WEB))).toEqual([]);
  });

  it("reports each step as it begins and ends", async () => {
    const all = await lines("/bay/v1/up", { stack: stackOf(WEB) });
    expect(all.some(({ progress }) => progress !== undefined)).toBe(true);
    expect(all.at(-1)!.result!.steps).toHaveLength(2);
  });

  it("changes labels on the running container, and replaces it for a new command", async () => {
    await up(WEB);
    const [before] = bay.manager.list();
    expect(kinds(await up(WEB.replace("blue", "green")))).toEqual(["container.update demo-web-1"]);
    expect(bay.manager.list()[0]).toMatchObject({ id: before!.id, config: { labels: { color: "green" } } });
    expect(kinds(await up(WEB.replace("image: app", "image: app, command: [other]")))).toEqual([
      "container.replace demo-web-1",
    ]);
    expect(bay.manager.list()[0]!.id).not.toBe(before!.id);
    expect(bay.kernel.running("other")).toHaveLength(1);
    expect(bay.kernel.running("serve")).toHaveLength(0);
  });

  it("starts dependencies first, and waits for their health", async () => {
    let isHealthy = false;
    bay.kernel.command("probe", (process) => process.exit(isHealthy ? 0 : 1));
    const text = `
services:
  db: { image: app, command: [db], healthcheck: { test: [CMD, probe], interval: 1ms, retries: 1000000 } }
  web: { image: app, command: [web], depends_on: { db: { condition: service_healthy } } }
`;
    const done = up(text);
    await bay.kernel.next("db");
    expect(bay.kernel.running("web")).toEqual([]);
    isHealthy = true;
    await done;
    expect(bay.kernel.running("web")).toHaveLength(1);
  });

  it("fails with the dependency that failed, and leaves the others", async () => {
    bay.kernel.command("job", (process) => {
      process.print("no space\n");
      process.exit(3);
    });
    const text = `
services:
  job: { image: app, command: [job] }
  web: { image: app, command: [web], depends_on: { job: { condition: service_completed_successfully } } }
`;
    await expect(up(text)).rejects.toMatchObject({
      code: "APPLY_FAILED",
      message: expect.stringContaining("exit code 3"),
    });
    expect(bay.kernel.running("web")).toEqual([]);
    expect(bay.manager.list().map(({ config }) => config.name)).toContain("demo-job-1");
  });

  it("continues without a dependency that is not required", async () => {
    bay.kernel.command("job", (process) => process.exit(3));
    await up(`
services:
  job: { image: app, command: [job] }
  web: { image: app, command: [web], depends_on: { job: { condition: service_completed_successfully, required: false } } }
`);
    expect(bay.kernel.running("web")).toHaveLength(1);
  });

  it("with wait returns when all are healthy, and fails with the output of one that ended", async () => {
    bay.kernel.command("probe", (process) => process.exit(0));
    const text = WEB.replace("image: app", "image: app, healthcheck: { test: [CMD, probe], interval: 1h }");
    await up(text, { wait: true, waitTimeoutMs: 600_000 });
    expect(bay.manager.health(bay.manager.list()[0]!.id)).toBe("healthy");
    await down();
    bay.kernel.command("broken", (process) => {
      process.print("cannot bind\n");
      process.exit(1);
    });
    await expect(
      up(WEB.replace("image: app", "image: app, command: [broken]"), { wait: true, waitTimeoutMs: 600_000 }),
    ).rejects.toMatchObject({ code: "WAIT_FAILED", message: expect.stringContaining("cannot bind") });
  });

  it("of a service that does not exist is refused", async () => {
    await expect(up(WEB, { options: { services: ["none"] } })).rejects.toMatchObject({
      code: "UNKNOWN_SERVICE",
    });
  });

  it("scales, and removes what is too much", async () => {
    await up(WEB, { options: { scale: { web: 3 } } });
    expect(running()).toEqual(["demo-web-1", "demo-web-2", "demo-web-3"]);
    await up(WEB);
    expect(running()).toEqual(["demo-web-1"]);
  });

  it("removes orphans only when it is told to", async () => {
    await up(`${WEB}  old: { image: app, command: [old] }\n`);
    await up(WEB);
    expect(running()).toEqual(["demo-old-1", "demo-web-1"]);
    await up(WEB, { options: { removeOrphans: true } });
    expect(running()).toEqual(["demo-web-1"]);
  });

  it("gives secrets and configs to the container as files", async () => {
    const text = `
services:
  web: { image: app, secrets: [key], configs: [{ source: conf, target: /etc/conf }] }
secrets: { key: { environment: KEY } }
configs: { conf: { content: "a=1" } }
`;
    const stack = stackOf(text, { environment: { KEY: "s3cret" } });
    const last = (await lines("/bay/v1/up", { stack })).at(-1)!;
    expect(last.error).toBeUndefined();
    const [process] = bay.kernel.running("serve");
    const { spec } = process!.request as { spec: { mounts: { destination: string; source?: string }[] } };
    expect(spec.mounts.map(({ destination }) => destination)).toEqual(
      expect.arrayContaining(["/run/secrets/key", "/etc/conf"]),
    );
    const without = stackOf(text);
    const refused = (await lines("/bay/v1/up", { stack: { ...without, name: "other" } })).at(-1)!;
    expect(refused.error).toMatchObject({
      code: "NO_CONTENT",
      message: expect.stringContaining("KEY is not set"),
    });
  });

  it("updates one after the other, and goes back when the new one fails", async () => {
    bay.kernel.command("good", () => {});
    bay.kernel.command("bad", (process) => {
      process.print("panic\n");
      process.exit(1);
    });
    const rolling = (command: string, replicas = 2) => `
services:
  web:
    image: app
    command: [${command}]
    healthcheck: { test: [CMD, probe], interval: 1ms }
    deploy: { replicas: ${replicas}, update_config: { order: start-first, failure_action: rollback } }
`;
    bay.kernel.command("probe", (process) => process.exit(0));
    await up(rolling("good"), { wait: true, waitTimeoutMs: 600_000 });
    await expect(up(rolling("bad"))).rejects.toMatchObject({ code: "APPLY_FAILED" });
    expect(bay.kernel.running("good")).toHaveLength(2);
    expect(running()).toEqual(["demo-web-1", "demo-web-2"]);
  });

  it("waits for another command that changes the same stack, and says so", async () => {
    let isHealthy = false;
    bay.kernel.command("probe", (process) => process.exit(isHealthy ? 0 : 1));
    const text = `
services:
  db: { image: app, command: [db], healthcheck: { test: [CMD, probe], interval: 1ms, retries: 1000000 } }
  web: { image: app, depends_on: { db: { condition: service_healthy } } }
`;
    const first = up(text);
    await bay.kernel.next("db");
    expect(await client.json("GET", "/bay/v1/stacks/demo/activity")).toMatchObject({ isChanging: true });
    const second = lines("/bay/v1/down", DOWN);
    await bay.until(() => bay.manager.list().length > 0);
    isHealthy = true;
    await first;
    expect((await second).some(({ waiting }) => waiting !== undefined)).toBe(true);
    expect(bay.manager.list()).toEqual([]);
  });
});

describe("a plan", () => {
  it("shows what changed on the host: a lost container, a limit, a rule", async () => {
    const text = WEB.replace("image: app", "image: app, mem_limit: 64m");
    await up(text);
    const [record] = bay.manager.list();
    bay.manager.cgroupOf(record!.id).apply({ memory: { limit: 1 << 20 } });
    const [first] = (await plan(text)).steps;
    expect(JSON.stringify(first)).toContain("mem_limit is 1m in the kernel, and should be 64m");
    await up(text);
    expect(kinds(await plan(text))).toEqual([]);
    bay.nft.flush();
    expect((await plan(text)).steps.map(({ kind }) => kind)).toEqual(["host.repair"]);
    const [process] = bay.kernel.running("serve");
    bay.kernel.loseShim(process!);
    process!.die(9);
    expect(kinds(await plan(text))).toContain("container.start demo-web-1");
  });

  it("shows a lost link, and the next pass repairs it", async () => {
    await up(WEB);
    const [record] = bay.manager.list();
    const links = bay.links.links();
    links.remove(links.byName(record!.endpoints[0]!.link)!.index);
    expect(JSON.stringify((await plan(WEB)).steps)).toContain("the link to demo_default does not exist");
    expect(await bay.manager.observe(true)).toEqual(
      expect.arrayContaining([expect.stringContaining("demo-web-1")]),
    );
    expect(kinds(await plan(WEB))).toEqual([]);
  });

  it("names an image that does not exist", async () => {
    expect(kinds(await plan(WEB.replace("image: app", "image: none")))).toContain("image.pull none");
  });
});

describe("down", () => {
  const text = `${WEB.replace("image: app", "image: app, volumes: ['data:/data']")}volumes: { data: }\n`;

  it("removes containers and networks, and volumes when it is told to", async () => {
    await up(text);
    expect(kinds(await client.json<Plan>("POST", "/bay/v1/down/plan", DOWN))).toContain(
      "container.remove demo-web-1",
    );
    await down();
    expect(bay.manager.list()).toEqual([]);
    expect(bay.manager.networks.list()).toEqual([]);
    expect(bay.manager.volumes.list().map(({ config }) => config.name)).toEqual(["demo_data"]);
    await up(text);
    await down({ volumes: true });
    expect(bay.manager.volumes.list()).toEqual([]);
  });

  it("of one service leaves the others", async () => {
    await up(`${WEB}  other: { image: app, command: [other] }\n`);
    await down({ services: ["web"], only: ["web"] });
    expect(running()).toEqual(["demo-other-1"]);
  });
});

describe("run", () => {
  const run = (rest: object = {}) =>
    client.json<{ Id?: string; Name?: string; needsUp?: boolean }>("POST", "/bay/v1/run", {
      stack: stackOf(WEB),
      service: "web",
      override: {},
      servicePorts: false,
      ...rest,
    });

  it("creates a container for one command, which is no part of the service", async () => {
    await up(WEB);
    const { Id, Name } = await run({ command: ["tool"], start: true });
    expect(Name).toMatch(/^demo-web-run-/);
    expect(bay.kernel.running("tool")).toHaveLength(1);
    expect(kinds(await plan(WEB))).toEqual([]);
    await bay.manager.remove(Id!, { volumes: true, force: true });
  });

  it("says that the stack has to be brought up first", async () => {
    expect(await run({ command: ["tool"], ifReady: true })).toEqual({ needsUp: true });
    await up(WEB);
    expect(await run({ command: ["tool"], ifReady: true })).toMatchObject({ Name: expect.any(String) });
  });
});

describe("history", () => {
  const changed = WEB.replace("image: app", "image: app, command: [newer]");

  it("has a revision for each change, and a rollback restores one", async () => {
    await up(WEB);
    await up(WEB);
    await up(changed);
    const numbers = async () =>
      (await client.json<{ number: number }[]>("GET", "/bay/v1/stacks/demo/history")).map(
        ({ number }) => number,
      );
    expect(await numbers()).toEqual([1, 2]);
    const planned = await client.json<Plan>("POST", "/bay/v1/stacks/demo/rollback/plan", {});
    expect(kinds(planned)).toEqual(["container.replace demo-web-1"]);
    const all = await lines("/bay/v1/stacks/demo/rollback", { revision: 1 });
    expect(all.at(-1)!.error).toBeUndefined();
    expect(bay.kernel.running("serve")).toHaveLength(1);
    expect(bay.kernel.running("newer")).toHaveLength(0);
    expect(await numbers()).toEqual([1, 2, 3]);
  });

  it("without another revision says so", async () => {
    await up(WEB);
    await expect(client.json("POST", "/bay/v1/stacks/demo/rollback/plan", {})).rejects.toMatchObject({
      code: "NO_REVISION",
    });
    await expect(
      client.json("POST", "/bay/v1/stacks/demo/rollback/plan", { revision: 9 }),
    ).rejects.toMatchObject({ code: "NO_REVISION", hint: expect.stringContaining("revisions 1 to 1") });
  });

  it("keeps twenty revisions", async () => {
    for (let number = 0; number < 22; number++) await up(WEB.replace("blue", `c${number}`));
    const kept = await client.json<{ number: number }[]>("GET", "/bay/v1/stacks/demo/history");
    expect([kept.length, kept[0]!.number, kept.at(-1)!.number]).toEqual([20, 3, 22]);
  });
});

describe("the daemon's own routes", () => {
  it("list stacks, describe the daemon, and stop it", async () => {
    await up(WEB);
    expect(await client.json("GET", "/bay/v1/stacks")).toMatchObject([{ name: "demo" }]);
    expect(await client.json("GET", "/bay/v1/daemon?eventloop=1")).toMatchObject({ pid: process.pid });
    expect(bay.isStopping).toBe(false);
    await client.json("POST", "/bay/v1/daemon/stop?containers=1");
    await bay.until(() => bay.isStopping);
    expect(running()).toEqual([]);
  });

  it("reload the settings, and keep them if the file is wrong", async () => {
    const folder = mkdtempSync(join(tmpdir(), "bay-config-"));
    const before = process.env.BAY_CONFIG;
    process.env.BAY_CONFIG = folder;
    try {
      writeFileSync(join(folder, "daemon.json"), JSON.stringify({ "default-pids-limit": 77 }));
      const answer = await client.json<{ changes: unknown[] }>("POST", "/bay/v1/daemon/reload");
      expect(answer.changes).toHaveLength(1);
      expect(bay.manager.settings.defaultPidsLimit).toBe(77);
      writeFileSync(join(folder, "daemon.json"), '{"default-pids-limit": "many"}');
      await expect(client.json("POST", "/bay/v1/daemon/reload")).rejects.toThrow("daemon.json");
      expect(bay.manager.settings.defaultPidsLimit).toBe(77);
    } finally {
      if (before === undefined) delete process.env.BAY_CONFIG;
      else process.env.BAY_CONFIG = before;
      rmSync(folder, { recursive: true });
    }
  });
});

describe("the client", () => {
  it("says that bayd does not run", async () => {
    await expect(new Client(join(bay.folder, "none.sock")).json("GET", "/_ping")).rejects.toMatchObject({
      code: "NO_DAEMON",
    });
  });

  it("throws the error of an upgrade that is refused", async () => {
    await expect(client.upgrade("/containers/none/attach")).rejects.toMatchObject({
      code: "CONTAINER_NOT_FOUND",
    });
    await expect(
      (async () => {
        for await (const _ of client.lines("GET", "/no/such/route"));
      })(),
    ).rejects.toThrow();
  });
});
