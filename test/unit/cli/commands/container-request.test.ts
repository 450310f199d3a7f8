import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { containerRequest } from "../../../../src/cli/commands/containers/container-request.ts";
import { createBody } from "../../../../src/daemon/api/engine/create/container-body.ts";

type Options = Partial<Parameters<typeof containerRequest>[2]>;

/** The request as bayd parses it: absent fields are left out, as in JSON. */
const request = async (options: Options, command: string[] = []) => {
  const body = await containerRequest("box", command, { pull: "missing", ...options }, false);
  return createBody.parse(JSON.parse(JSON.stringify(body)));
};
const host = async (options: Options) => (await request(options)).HostConfig!;

describe("the options of bay container run", () => {
  it.each<[Options, object]>([
    [
      { publish: ["8080:80", "127.0.0.1::53/udp"] },
      {
        PortBindings: {
          "80/tcp": [{ HostIp: "", HostPort: "8080" }],
          "53/udp": [{ HostIp: "127.0.0.1", HostPort: "" }],
        },
      },
    ],
    [{ volume: ["./a:/a:ro", "data:/d", "/x:/y"] }, { Binds: [`${resolve("a")}:/a:ro`, "data:/d", "/x:/y"] }],
    [
      { mount: ["type=bind,src=/s,dst=/t,readonly", "type=tmpfs,target=/r,tmpfs-size=1m,tmpfs-mode=1777"] },
      {
        Mounts: [
          { Type: "bind", Source: "/s", Target: "/t", ReadOnly: true },
          { Type: "tmpfs", Target: "/r", TmpfsOptions: { SizeBytes: 1 << 20, Mode: 0o1777 } },
        ],
      },
    ],
    [{ tmpfs: ["/run:size=1m", "/tmp"] }, { Tmpfs: { "/run": "size=1m", "/tmp": "" } }],
    [
      { memory: "64m", memorySwap: "-1", cpus: "1.5", pidsLimit: "-1" },
      { Memory: 64 << 20, MemorySwap: -1, NanoCpus: 1.5e9, PidsLimit: -1 },
    ],
    [{ restart: "on-failure:3" }, { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } }],
    [
      { ulimit: ["nofile=1:2", "core=-1"] },
      {
        Ulimits: [
          { Name: "nofile", Soft: 1, Hard: 2 },
          { Name: "core", Soft: -1, Hard: -1 },
        ],
      },
    ],
    [
      { device: ["/dev/a", "/dev/a:/dev/b:r", "/dev/a:rw"] },
      {
        Devices: [
          { PathOnHost: "/dev/a", PathInContainer: "/dev/a", CgroupPermissions: "rwm" },
          { PathOnHost: "/dev/a", PathInContainer: "/dev/b", CgroupPermissions: "r" },
          { PathOnHost: "/dev/a", PathInContainer: "/dev/a", CgroupPermissions: "rw" },
        ],
      },
    ],
    [{ logOpt: ["max-size=1m"] }, { LogConfig: { Type: "json-file", Config: { "max-size": "1m" } } }],
  ])("%j", async (options, expected) => {
    expect(await host(options)).toMatchObject(expected);
  });

  it("name the networks, with settings of the first one", async () => {
    const one = await request({ network: ["own"], networkAlias: ["db"], ip: "10.0.0.9" });
    expect(one.HostConfig!.NetworkMode).toBe("own");
    expect(one.NetworkingConfig!.EndpointsConfig).toEqual({
      own: { Aliases: ["db"], IPAMConfig: { IPv4Address: "10.0.0.9" } },
    });
    const two = await request({ network: ["name=a,alias=x,ip=10.0.0.2", "b"] });
    expect(two.NetworkingConfig!.EndpointsConfig).toEqual({
      a: { Aliases: ["x"], IPAMConfig: { IPv4Address: "10.0.0.2" } },
      b: {},
    });
    expect((await request({ network: ["host"] })).NetworkingConfig!.EndpointsConfig).toEqual({});
  });

  it("read variables from files as docker run does", async () => {
    const folder = mkdtempSync(join(tmpdir(), "bay-env-"));
    try {
      const file = join(folder, "env");
      writeFileSync(file, '# a comment\nA=1\n\nB="quoted" # text\nBAY_ABSENT_VARIABLE\n');
      expect((await request({ envFile: [file], env: ["C=3"] })).Env).toEqual([
        "A=1",
        'B="quoted" # text',
        "C=3",
      ]);
      await expect(request({ envFile: [join(folder, "absent")] })).rejects.toThrow(/does not exist/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each<[Options, RegExp]>([
    [{ memory: "much" }, /--memory: expected a size/],
    [{ cpus: "x" }, /--cpus: expected a number/],
    [{ publish: ["a:b"] }, /--publish: invalid port/],
    [{ mount: ["type=bind,source=/x"] }, /--mount: expected a target/],
    [{ mount: ["target=/x,color=red"] }, /unknown key "color"/],
    [{ network: ["name=a,color=red"] }, /unknown key "color"/],
    [{ ulimit: ["nofile"] }, /--ulimit: expected NAME=SOFT/],
    [{ restart: "often" }, /--restart: expected no, always/],
    [{ label: ["=x"] }, /--label: expected NAME=VALUE/],
    [{ healthInterval: "10" }, /--health-interval: expected a duration/],
    [{ securityOpt: ["seccomp=/absent/profile.json"] }, /does not exist/],
  ])("are rejected: %j", async (options, message) => {
    await expect(request(options)).rejects.toThrow(message);
  });
});
