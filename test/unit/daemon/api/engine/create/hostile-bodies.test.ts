/**
 * What no container may have, at every place where a request can ask for it: `POST /containers/create`, and the same service in a
 * stack file. Nothing is created.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBody } from "../../../../../../src/daemon/api/engine/create/container-body.ts";
import { SERVICE, serviceDocument } from "../../../../../../src/daemon/api/engine/create/service-document.ts";
import { problemsOf } from "../../../../../support/stack.ts";
import { loadBay, UnitBay, unloadBay } from "../../../../../support/unit-bay.ts";

let bay: UnitBay;
// one for all, as nothing is created in it
beforeAll(async () => {
  await loadBay();
  bay = await UnitBay.start();
  await bay.addImage("app", {});
});
afterAll(async () => {
  await bay.stop();
  await unloadBay();
});

/** Paths of the kernel, and ways to write them. */
const KERNEL_PATHS = [
  "/proc",
  "/proc/1/attr",
  "/proc/sys/kernel",
  "/proc/self/fd",
  "/sys",
  "/sys/kernel",
  "//proc//sys",
  "/x/../proc/1",
  "/proc/./kcore",
  "/dev/../proc/1",
  "/proc/",
];
const targets: [string, (target: string) => object][] = [
  ["Binds", (target) => ({ HostConfig: { Binds: [`/tmp:${target}`] } })],
  ["Binds of a volume", (target) => ({ HostConfig: { Binds: [`data:${target}`] } })],
  ["Volumes", (target) => ({ Volumes: { [target]: {} } })],
  ["Tmpfs", (target) => ({ HostConfig: { Tmpfs: { [target]: "" } } })],
  ...(["bind", "volume", "tmpfs", "image"] as const).map((type): (typeof targets)[number] => [
    `a mount of type ${type}`,
    (Target) => {
      const source = type === "bind" ? "/tmp" : type === "image" ? "app" : "data";
      return {
        HostConfig: { Mounts: [{ Type: type, Target, ...(type === "tmpfs" ? {} : { Source: source }) }] },
      };
    },
  ]),
  ...["rwm", "rw"].map((access): (typeof targets)[number] => [
    `a device with ${access}`,
    (path) => ({
      HostConfig: {
        Devices: [{ PathOnHost: "/dev/null", PathInContainer: path, CgroupPermissions: access }],
      },
    }),
  ]),
];

/** Texts with a line of their own, or with an end that only the kernel sees. */
const BROKEN = ["a\n127.0.0.1 evil", "a\u0000b"];
const words = [
  "Hostname",
  "Domainname",
  "WorkingDir",
  "StopSignal",
  "MacAddress",
  ...["Dns", "DnsSearch", "DnsOptions", "ExtraHosts", "Links", "CapAdd", "VolumesFrom", "DeviceCgroupRules"],
  ...["Binds", "SecurityOpt", "CgroupParent", "NetworkMode", "IpcMode", "PidMode"],
];
const LISTS = /^(Dns.*|ExtraHosts|Links|CapAdd|VolumesFrom|DeviceCgroupRules|Binds|SecurityOpt)$/;
const IN_HOST = /^(CgroupParent|.*Mode)$/;

const others: [string, object][] = [
  ...["../../x", "/..", "a/../../..", ".", "jobs/.."].map((parent): [string, object] => [
    `the control group ${parent}`,
    { HostConfig: { CgroupParent: parent } },
  ]),
  ...["../..", "/etc", "a/../../..", "/proc/self/fd/3"].flatMap((path): [string, object][] => [
    [
      `the part ${path} of a volume`,
      {
        HostConfig: {
          Mounts: [{ Type: "volume", Source: "data", Target: "/v", VolumeOptions: { Subpath: path } }],
        },
      },
    ],
    [
      `the part ${path} of an image`,
      {
        HostConfig: {
          Mounts: [{ Type: "image", Source: "app", Target: "/v", ImageOptions: { Subpath: path } }],
        },
      },
    ],
  ]),
  ...[
    ["kernel.core_pattern", "|/x"],
    ["net/../kernel/core_pattern", "x"],
    ["net..kernel.core_pattern", "x"],
    ["kernel.domainname", "x"],
    ["kernel.shm_rmid_forced", "1\nx"],
  ].map(([name, value]): [string, object] => [
    `the parameter ${name}`,
    { HostConfig: { Sysctls: { [name!]: value } } },
  ]),
  [
    "a parameter of the host's network",
    { HostConfig: { NetworkMode: "host", Sysctls: { "net.core.somaxconn": "1" } } },
  ],
  [
    "a parameter of the host's shared memory",
    { HostConfig: { IpcMode: "host", Sysctls: { "kernel.shmmax": "1" } } },
  ],
  ["a name for the host", { Hostname: "evil", HostConfig: { UTSMode: "host" } }],
  ["a domain for the host", { Domainname: "evil", HostConfig: { UTSMode: "host" } }],
  ...["x 1:1 r", "c -1:0 r", "c 4096:0 r", "c 1:1048576 r", "c 99999999999:0 r"].map(
    (rule): [string, object] => [`the device rule ${rule}`, { HostConfig: { DeviceCgroupRules: [rule] } }],
  ),
  ["the namespace of a path", { HostConfig: { NetworkMode: "ns:/proc/1/ns/net" } }],
  ["shared memory of a path", { HostConfig: { IpcMode: "/proc/1/ns/ipc" } }],
  ["processes of a path", { HostConfig: { PidMode: "ns:/proc/1/ns/pid" } }],
  ["a log at a path", { HostConfig: { LogConfig: { Type: "json-file", Config: { path: "/etc/passwd" } } } }],
  ["an option of tmpfs", { HostConfig: { Tmpfs: { "/t": "size=1m,mpol=bind:0" } } }],
];

const all: [string, object][] = [
  ...targets.flatMap(([place, make]) =>
    KERNEL_PATHS.map((path): [string, object] => [`${place} at ${path}`, make(path)]),
  ),
  ...words.flatMap((key) =>
    BROKEN.map((text): [string, object] => {
      const value = LISTS.test(key) ? [text] : text;
      return [
        `${key} with ${JSON.stringify(text)}`,
        LISTS.test(key) || IN_HOST.test(key) ? { HostConfig: { [key]: value } } : { [key]: value },
      ];
    }),
  ),
  ...others,
];

describe("a request for a container", () => {
  it.each(all)("is refused with %s", async (_, body) => {
    const { status, body: answer } = await bay.ask("POST", "/containers/create", { Image: "app", ...body });
    expect([status, answer]).toEqual([400, expect.objectContaining({ code: "BAD_REQUEST" })]);
    expect(bay.manager.list()).toEqual([]);
    expect(bay.manager.volumes.list()).toEqual([]);
  });
});

/** Words that a stack file has no place for, or whose other end only bayd knows. */
const OF_THE_API = /^(VolumesFrom|NetworkMode|IpcMode|PidMode|Binds|SecurityOpt) with|of a path$/;

describe("a stack file", () => {
  it.each(all.filter(([name]) => !OF_THE_API.test(name)))("is refused with %s", (_, body) => {
    const document = serviceDocument(createBody.parse({ Image: "app", ...body }), new Map(), []);
    const { services, volumes } = document;
    const text = JSON.stringify({ services: { [SERVICE]: services[SERVICE] }, volumes });
    expect(problemsOf(text)).toMatch(/problems? in the stack file/);
  });
});

describe("a request for a volume", () => {
  it.each([
    ["a name with a path", { Name: "../x" }],
    ["a name with NUL", { Name: "a\u0000b" }],
    ["an option of mount(8) as type", { Name: "v", DriverOpts: { type: "-x", device: "/x" } }],
    ["an option that does not exist", { Name: "v", DriverOpts: { nosuch: "x" } }],
    ["NUL in an option", { Name: "v", DriverOpts: { type: "tmpfs", device: "tmpfs", o: "size=1m\u0000" } }],
    ["NUL in a label", { Name: "v", Labels: { "a\u0000": "b" } }],
    ["a plugin", { Name: "v", Driver: "../plugin" }],
  ])("is refused with %s", async (_, body) => {
    expect((await bay.ask("POST", "/volumes/create", body)).status).toBe(400);
    expect(bay.manager.volumes.list()).toEqual([]);
  });
});

describe("a request for a network", () => {
  it.each([
    ["a driver that is a path", { Name: "n", Driver: "../../bin/sh" }],
    ["a name that is a path", { Name: "../n" }],
    ["NUL in its name", { Name: "a\u0000b" }],
    ["a name for its link with a path", { Name: "n", Options: { "com.docker.network.bridge.name": "../x" } }],
    ["an option that does not exist", { Name: "n", Options: { nosuch: "x" } }],
    ["a subnet that is none", { Name: "n", IPAM: { Config: [{ Subnet: "10.0.0.0/8; drop" }] } }],
  ])("is refused with %s", async (_, body) => {
    const before = bay.manager.networks.list().length;
    expect((await bay.ask("POST", "/networks/create", body)).status).toBe(400);
    expect(bay.manager.networks.list().length).toBe(before);
  });

  it.each([
    ["an alias with a line of its own", { Aliases: ["a\nb"] }],
    ["an address that is none", { IPAMConfig: { IPv4Address: "10.0.0.1\n" } }],
    ["a name of its interface with a path", { DriverOpts: { "com.docker.network.endpoint.ifname": "../x" } }],
  ])("of a container is refused with %s", async (_, EndpointConfig) => {
    await bay.ask("POST", "/networks/create", { Name: "joined" });
    const { body } = await bay.ask("POST", "/containers/create?name=joins", { Image: "app" });
    const answer = await bay.ask("POST", "/networks/joined/connect", { Container: "joins", EndpointConfig });
    expect(answer.status).toBe(400);
    await bay.ask("DELETE", `/containers/${(body as { Id: string }).Id}`);
    await bay.ask("DELETE", "/networks/joined");
  });
});
