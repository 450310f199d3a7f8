/** Every field that bay changes in place is changed on a live container: its process goes on, and the change is there. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LIVE_FIELDS } from "../../src/reconcile/decide/fields.ts";
import { Bay, eventually } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";

interface Inspected {
  State: { Pid: number; Health?: { Status: string } };
  Config: {
    ExposedPorts: Record<string, object>;
    StopSignal: string;
    StopTimeout: number;
    Labels: Record<string, string>;
    Healthcheck?: { Test: string[] };
  };
  HostConfig: {
    RestartPolicy: { Name: string; MaximumRetryCount: number };
    NanoCpus: number;
    CpuShares: number;
    CpusetCpus: string;
    Memory: number;
    MemoryReservation: number;
    MemorySwap: number;
    PidsLimit: number;
  };
  NetworkSettings: {
    Ports: Record<string, { HostPort: string }[] | null>;
    Networks: Record<string, { Aliases: string[] }>;
  };
}

const bay = new Bay();

/** By field: what the file says before and after, and what there is to see of it. */
const CHANGES: Record<
  string,
  [before: string, after: string, seen: (container: Inspected) => unknown, expected: unknown]
> = {
  expose: ['expose: ["80"]', 'expose: ["81"]', ({ Config }) => Object.keys(Config.ExposedPorts), ["81/tcp"]],
  ports: [
    'ports: ["18381:80"]',
    'ports: ["18382:80"]',
    ({ NetworkSettings }) => NetworkSettings.Ports["80/tcp"]?.[0]?.HostPort,
    "18382",
  ],
  links: [
    'external_links: ["other:db"]',
    'external_links: ["live-links-1:itself"]',
    () => bay.ok("exec", "-T", "links", "nslookup", "itself").includes("Name:"),
    true,
  ],
  networks: [
    "networks: [one]",
    "networks: { two: { aliases: [second] } }",
    ({ NetworkSettings }) =>
      Object.entries(NetworkSettings.Networks).map(([name, { Aliases }]) => [
        name,
        Aliases.includes("second"),
      ]),
    [["live_two", true]],
  ],
  healthcheck: [
    "healthcheck: { test: 'false' }",
    "healthcheck: { test: [CMD, 'true'], interval: 1s }",
    ({ Config }) => Config.Healthcheck?.Test,
    ["CMD", "true"],
  ],
  restart: [
    "restart: always",
    "restart: on-failure:5",
    ({ HostConfig }) => HostConfig.RestartPolicy,
    { Name: "on-failure", MaximumRetryCount: 5 },
  ],
  stop_signal: ["stop_signal: SIGTERM", "stop_signal: SIGINT", ({ Config }) => Config.StopSignal, "SIGINT"],
  stop_grace_period: [
    "stop_grace_period: 0s",
    "stop_grace_period: 1s",
    ({ Config }) => Config.StopTimeout,
    1,
  ],
  pre_stop: ["init: true", "init: true\n    pre_stop: [{ command: ['true'] }]", () => true, true],
  labels: [
    "labels: { a: one }",
    "labels: { a: two, b: three }",
    ({ Config }) => [Config.Labels.a, Config.Labels.b],
    ["two", "three"],
  ],
  depends_on: [
    "depends_on: { other: { condition: service_started, required: false } }",
    "depends_on: { other: { condition: service_healthy, required: false } }",
    ({ Config }) => Config.Labels["com.docker.compose.depends_on"],
    "other:service_healthy:false",
  ],
  cpus: ["cpus: 0.5", "cpus: 0.75", ({ HostConfig }) => HostConfig.NanoCpus, 750_000_000],
  cpu_shares: ["cpu_shares: 512", "cpu_shares: 256", ({ HostConfig }) => HostConfig.CpuShares, 256],
  cpuset: ['cpuset: "0"', 'cpuset: "0-1"', ({ HostConfig }) => HostConfig.CpusetCpus, "0-1"],
  mem_limit: ["mem_limit: 64m", "mem_limit: 96m", ({ HostConfig }) => HostConfig.Memory, 96 << 20],
  mem_reservation: [
    "mem_reservation: 16m",
    "mem_reservation: 32m",
    ({ HostConfig }) => HostConfig.MemoryReservation,
    32 << 20,
  ],
  memswap_limit: [
    "mem_limit: 64m\n    memswap_limit: 64m",
    "mem_limit: 64m\n    memswap_limit: 128m",
    ({ HostConfig }) => HostConfig.MemorySwap,
    128 << 20,
  ],
  pids_limit: ["pids_limit: 50", "pids_limit: 60", ({ HostConfig }) => HostConfig.PidsLimit, 60],
};

describe("a change in place", () => {
  let before: Record<string, string>;
  beforeAll(() => {
    before = hostState();
    bay.busybox();
  });
  afterAll(() => bay.close());

  /** A service for each field, as it is before the change or after it. */
  const write = (side: 0 | 1) => {
    const services = Object.entries(CHANGES).map(
      ([field, change]) => `  ${field}:\n    image: box\n    command: sleep 1000\n    ${change[side]}\n`,
    );
    bay.write(
      `name: live\nimages: { box: { rootfs: ../busybox } }\nservices:\n${services.join("")}networks: { one: , two: }\n`,
    );
  };
  const name = (field: string) => `live-${field}-1`;
  const startOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[21];

  it("is known of every field that can be changed so", () => {
    expect(Object.keys(CHANGES).sort()).toEqual([...LIVE_FIELDS].sort());
  });

  let now: Record<string, Inspected>;
  const processes = new Map<string, { pid: number; started: string | undefined }>();

  it("is planned for each of the fields", () => {
    write(0);
    bay.ok("up", "-d");
    for (const { Service, Pid } of bay.ps()) processes.set(Service, { pid: Pid, started: startOf(Pid) });
    write(1);
    const plan = bay.ok("plan");
    for (const field of Object.keys(CHANGES)) {
      expect(plan).toContain(`~ container ${name(field)} changes in place`);
      expect(plan).toContain(`services.${field}.${field}`);
    }
    expect(plan).toContain("0 to replace");
    bay.ok("up", "-d");
    const fields = Object.keys(CHANGES);
    const inspected = JSON.parse(bay.ok("inspect", ...fields.map(name))) as Inspected[];
    now = Object.fromEntries(fields.map((field, index) => [field, inspected[index]!]));
  });

  it.each(Object.entries(CHANGES))("of %s leaves the process as it is", (field, [, , seen, expected]) => {
    const container = now[field]!;
    expect({ pid: container.State.Pid, started: startOf(container.State.Pid) }).toEqual(processes.get(field));
    expect(seen(container)).toEqual(expected);
  });

  it("leaves nothing to change", () => {
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    bay.ok("kill");
    bay.ok("down", "-t", "0");
  });

  it("leaves nothing behind", async () => {
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
