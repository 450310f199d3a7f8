import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type CreateBody,
  createBody,
} from "../../../../../../src/daemon/api/engine/create/container-body.ts";
import { warningsOf } from "../../../../../../src/daemon/api/engine/create/problems.ts";
import { SERVICE, serviceDocument } from "../../../../../../src/daemon/api/engine/create/service-document.ts";
import { readDocument, type Service } from "../../../../../../src/stack/index.ts";

type HostConfig = NonNullable<CreateBody["HostConfig"]>;

/** The service of a request, after all checks. */
function serviceOf(body: object, networks = new Map([["bridge", {}]])): Service {
  const parsed = createBody.parse({ Image: "box", ...body });
  const { stack, problems } = readDocument(serviceDocument(parsed, networks, []), SERVICE);
  warningsOf(problems);
  return stack.services[SERVICE]!;
}

const ofHost = (HostConfig: object) => serviceOf({ HostConfig });

describe("a request for a container", () => {
  it.each<[string, object, Partial<Service>]>([
    ["a command", { Cmd: ["echo", "a b"] }, { command: ["echo", "a b"], entrypoint: undefined }],
    ["a command as text", { Cmd: "true" }, { command: ["true"] }],
    ["an empty command", { Cmd: [] }, { command: undefined }],
    ["an entry point", { Entrypoint: ["/run.sh"] }, { entrypoint: ["/run.sh"] }],
    ["no entry point", { Entrypoint: [""], Cmd: ["ls"] }, { entrypoint: [], command: ["ls"] }],
    ["variables", { Env: ["A=1", "B=x=y", "C="] }, { environment: { A: "1", B: "x=y", C: "" } }],
    ["a user", { User: "1000:1000", WorkingDir: "/app" }, { user: "1000:1000", workdir: "/app" }],
    ["names", { Hostname: "web", Domainname: "example.org" }, { hostname: "web", domainname: "example.org" }],
    ["a terminal", { Tty: true, OpenStdin: true }, { tty: true, stdinOpen: true }],
    [
      "how it is stopped",
      { StopSignal: "SIGINT", StopTimeout: 3 },
      { stopSignal: "SIGINT", stopGraceMs: 3000 },
    ],
    [
      "a health check",
      { Healthcheck: { Test: ["CMD", "true"], Interval: 1_500_000_000, Timeout: 2e9, Retries: 4 } },
      {
        healthcheck: {
          test: ["CMD", "true"],
          intervalMs: 1500,
          timeoutMs: 2000,
          startPeriodMs: undefined,
          startIntervalMs: undefined,
          retries: 4,
        },
      },
    ],
  ])("sets %s", (_title, body, expected) => {
    expect(serviceOf(body)).toMatchObject(expected);
  });

  it.each<[string, HostConfig | object, Partial<Service> | object]>([
    ["memory", { Memory: 64 << 20, MemorySwap: -1 }, { resources: { memory: 64 << 20, memorySwap: -1 } }],
    ["CPUs", { NanoCpus: 1_500_000_000 }, { resources: { cpus: 1.5 } }],
    ["a quota", { CpuQuota: 50_000, CpuPeriod: 100_000 }, { resources: { cpus: 0.5 } }],
    ["processes", { PidsLimit: 20 }, { resources: { pids: 20 } }],
    [
      "a restart policy",
      { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } },
      { restart: { policy: "on-failure", maxRetries: 3 } },
    ],
    [
      "capabilities",
      { CapAdd: ["NET_ADMIN"], CapDrop: ["ALL"] },
      { capAdd: ["NET_ADMIN"], capDrop: ["ALL"] },
    ],
    [
      "privileges",
      { Privileged: true, ReadonlyRootfs: true, Init: true },
      { privileged: true, readOnly: true, init: true },
    ],
    ["no new privileges", { SecurityOpt: ["no-new-privileges"] }, { noNewPrivileges: true }],
    [
      "a seccomp profile",
      { SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'] },
      { seccomp: '{"defaultAction":"SCMP_ACT_ALLOW"}' },
    ],
    [
      "limits of users",
      { Ulimits: [{ Name: "nofile", Soft: 10, Hard: 20 }] },
      { ulimits: { nofile: { soft: 10, hard: 20 } } },
    ],
    [
      "kernel settings",
      { Sysctls: { "net.ipv4.ip_forward": "1" } },
      { sysctls: { "net.ipv4.ip_forward": "1" } },
    ],
    [
      "devices",
      { Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "r" }] },
      { devices: [{ source: "/dev/null", target: "/dev/x", access: "r" }] },
    ],
    [
      "name servers",
      { Dns: ["1.1.1.1"], DnsSearch: ["a.b"], DnsOptions: ["ndots:2"] },
      { dns: ["1.1.1.1"], dnsSearch: ["a.b"], dnsOptions: ["ndots:2"] },
    ],
    ["host names", { ExtraHosts: ["a:1.2.3.4"] }, { extraHosts: ["a=1.2.3.4"] }],
    ["links", { Links: ["/db:/web/data", "cache:c"] }, { externalLinks: { data: "db", c: "cache" } }],
    [
      "a tmpfs",
      { Tmpfs: { "/run": "size=1m" } },
      { mounts: [{ type: "tmpfs", target: "/run", options: ["size=1m"] }] },
    ],
    [
      "logging",
      { LogConfig: { Type: "json-file", Config: { "max-size": "1m" } } },
      { log: { driver: "json-file", maxSize: 1 << 20 } },
    ],
    ["shared memory", { ShmSize: 1 << 20 }, { shmSize: 1 << 20 }],
    [
      "namespaces of the host",
      { PidMode: "host", IpcMode: "host", UTSMode: "host", CgroupnsMode: "host" },
      { pidMode: "host", ipcMode: "host", kernel: { utsMode: "host", cgroupMode: "host" } },
    ],
    [
      "ports",
      {
        PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }], "53/udp": [{ HostPort: "" }] },
      },
      {
        ports: [
          { hostAddress: "127.0.0.1", hostPort: 8080, containerPort: 80, protocol: "tcp" },
          { hostAddress: "", hostPort: undefined, containerPort: 53, protocol: "udp" },
        ],
      },
    ],
    [
      "a path of the host",
      { Binds: ["/srv:/data:ro"] },
      { mounts: [{ type: "bind", source: "/srv", target: "/data", readOnly: true }] },
    ],
    [
      "a volume",
      { Binds: ["data:/data"] },
      { mounts: [{ type: "volume", source: "data", target: "/data" }] },
    ],
    [
      "a mount that exists",
      { Mounts: [{ Type: "bind", Source: "/srv", Target: "/data" }] },
      { mounts: [{ type: "bind", createSource: false }] },
    ],
    [
      "a part of a volume",
      {
        Mounts: [
          { Type: "volume", Source: "v", Target: "/d", VolumeOptions: { NoCopy: true, Subpath: "a" } },
        ],
      },
      { mounts: [{ type: "volume", source: "v", noCopy: true, subpath: "a" }] },
    ],
  ])("sets %s", (_title, host, expected) => {
    expect(ofHost(host)).toMatchObject(expected);
  });

  it("connects to networks with addresses and names", () => {
    const networks = new Map([
      ["own", { IPAMConfig: { IPv4Address: "10.1.0.5" }, Aliases: ["a"], GwPriority: 2 }],
    ]);
    const { networks: all } = serviceOf({}, networks);
    expect(all).toEqual({ own: { aliases: ["a"], ipv4: "10.1.0.5", gatewayPriority: 2 } });
  });

  it("has the links of its networks, and each once", () => {
    const { externalLinks } = serviceOf({
      HostConfig: { Links: ["db:data"] },
      NetworkingConfig: { EndpointsConfig: { own: { Links: ["db:data", "app-cache-1:cache"] } } },
    });
    expect(externalLinks).toEqual({ data: "db", cache: "app-cache-1" });
  });

  it.each<[object, RegExp]>([
    [{ CapAdd: ["NOTHING"] }, /^HostConfig.CapAdd: unknown capability NOTHING$/],
    [{ Binds: ["./here:/x"] }, /Binds: \.\/here:\/x: expected an absolute path/],
    [{ Binds: ["/x:/proc/1"] }, /nothing can be mounted at \/proc\/1/],
    [{ PortBindings: { "80/sctp": [{ HostPort: "1" }] } }, /80\/sctp: the protocol must be tcp or udp/],
    [{ SecurityOpt: ["seccomp=/etc/profile.json"] }, /a profile as JSON/],
    [{ RestartPolicy: { Name: "always" }, AutoRemove: true }, /AutoRemove/],
    [{ Sysctls: { "kernel.hostname": "x" } }, /HostConfig.Sysctls/],
    [{ NanoCpus: 1e9, CpuQuota: 1000 }, /cannot both be set/],
    [{ Memory: 1000 }, /the minimum is 6m/],
    [{ LogConfig: { Type: "fluentd" } }, /HostConfig.LogConfig/],
  ])("is rejected if its HostConfig is %j", (host, message) => {
    expect(() => ofHost(host)).toThrow(message);
  });

  it("reports all problems at once", () => {
    expect(() => ofHost({ CapAdd: ["NOTHING"], OomScoreAdj: 1000, Dns: ["x"] })).toThrow(
      /HostConfig.CapAdd: .*; HostConfig.Dns: /,
    );
  });

  it.each([
    ["StorageOpt", { size: "1G" }],
    ["DeviceRequests", [{ Driver: "nvidia" }]],
    ["CpuRealtimePeriod", 1],
    ["CpusetMems", "0"],
    ["KernelMemory", 1],
    ["MaskedPaths", []],
    ["UsernsMode", "remap"],
    ["VolumeDriver", "other"],
    ["NotAField", 1],
  ])("is rejected with %s, which bay does not support", (key, value) => {
    const { error } = createBody.safeParse({ Image: "box", HostConfig: { [key]: value } });
    expect(error).toBeInstanceOf(z.ZodError);
    expect(JSON.stringify(error!.issues)).toContain(key);
  });

  it("takes what Docker's clients send without a setting", () => {
    const empty = {
      BlkioWeight: 0,
      BlkioWeightDevice: [],
      Cgroup: "",
      ConsoleSize: [0, 0],
      CpuRealtimePeriod: 0,
      CpuCount: 0,
      CpusetMems: "",
      Devices: [],
      DeviceRequests: [],
      Isolation: "",
      MemorySwappiness: -1,
      NetworkMode: "default",
      PortBindings: {},
      RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
      UsernsMode: "",
      VolumeDriver: "",
    };
    expect(ofHost(empty).restart).toEqual({ policy: "no", maxRetries: 0 });
  });
});
