/** The Engine API end to end in one process: the real server and manager, over a recording kernel. */
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadBay, OWN_USER, UnitBay, unloadBay } from "../../../../support/unit-bay.ts";

let bay: UnitBay;
beforeAll(() => loadBay());
afterAll(unloadBay);
beforeEach(async () => {
  bay = await UnitBay.start();
});
afterEach(() => bay.stop());

const NETWORK = {
  name: "net",
  stack: undefined,
  key: "net",
  driver: "bridge" as const,
  internal: false,
  subnet: "10.77.0.0/24",
  gateway: undefined,
  mtu: undefined,
  labels: { tier: "front" },
};
const json = (filters: object) => encodeURIComponent(JSON.stringify(filters));
const frames = (bytes: Buffer): [number, string][] => {
  const all: [number, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at + 4);
    all.push([bytes[at]!, bytes.toString("utf8", at + 8, at + 8 + size)]);
    at += 8 + size;
  }
  return all;
};

describe("the server", () => {
  it("answers a ping with the version of the API", async () => {
    const { status, headers, body } = await bay.ask("GET", "/_ping");
    expect([status, body, headers.ostype]).toEqual([200, "OK", "linux"]);
    expect(await bay.ask("HEAD", "/_ping")).toMatchObject({ status: 200 });
    expect((await bay.ask("GET", "/v1.41/version")).body).toMatchObject({
      Os: "linux",
      Platform: { Name: "bay" },
    });
  });

  it("describes the host and its containers", async () => {
    await bay.running();
    await bay.create("image: app", { name: "other" });
    expect((await bay.ask("GET", "/info")).body).toMatchObject({
      Containers: 2,
      ContainersRunning: 1,
      ContainersStopped: 1,
      Images: 1,
      DockerRootDir: bay.roots.root,
      CgroupVersion: "2",
    });
  });

  it.each([
    ["GET", "/no/such/route", 501],
    ["GET", "/v1.99/info", 400],
    ["GET", "/info?unknown=1", 400],
    ["GET", "/containers/json?all=perhaps", 400],
    ["POST", "/containers/none/start", 404],
    ["GET", "/images/none/json", 404],
    ["GET", "/networks/absent", 404],
    ["GET", "/volumes/none", 404],
    ["POST", "/exec/none/start", 404],
    ["GET", "/exec/none/json", 404],
    ["POST", "/containers/none/attach", 404],
  ])("answers %s %s with %i and a message", async (method, path, status) => {
    const answer = await bay.ask(method, path);
    expect(answer.status).toBe(status);
    expect(answer.body.message).not.toBe("");
  });

  it("rejects a body that is not JSON, and one of a wrong shape, with the place of the fault", async () => {
    const record = await bay.running();
    expect(await bay.ask("POST", `/containers/${record.id}/exec`, "{")).toMatchObject({ status: 400 });
    const wrong = await bay.ask("POST", `/containers/${record.id}/exec`, { Cmd: "ls" });
    expect(wrong).toMatchObject({ status: 400, body: { message: expect.stringContaining("Cmd") } });
  });

  it("closes a connection whose request is not HTTP", async () => {
    const socket = connect(await bay.serve());
    socket.write("\u0000\u0001\r\n\r\n");
    const text = await new Promise<string>((resolve) => {
      let all = "";
      socket.on("data", (part) => {
        all += String(part);
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(all));
    });
    expect(text).toMatch(/^HTTP\/1\.1 400/);
  });
});

describe("containers", () => {
  it("are listed with their state, and filtered", async () => {
    const running = await bay.running("image: app\nlabels: { tier: front }");
    const stopped = await bay.create("image: app", { name: "other" });
    const ids = async (query: string) =>
      (await bay.ask("GET", `/containers/json${query}`)).body.map(({ Id }: { Id: string }) => Id);
    expect(await ids("")).toEqual([running.id]);
    expect((await ids("?all=1")).sort()).toEqual([running.id, stopped.id].sort());
    expect(await ids(`?filters=${json({ status: ["created"] })}`)).toEqual([stopped.id]);
    expect(await ids(`?all=1&filters=${json({ label: ["tier=front"] })}`)).toEqual([running.id]);
    expect(await ids(`?all=1&filters=${json({ name: ["oth"] })}`)).toEqual([stopped.id]);
    expect(await ids(`?all=1&filters=${json({ ancestor: ["app"] })}`)).toHaveLength(2);
    expect(await ids(`?all=1&filters=${json({ ancestor: ["none"] })}`)).toEqual([]);
    expect(await ids("?limit=1")).toHaveLength(1);
    const [row] = (await bay.ask("GET", "/containers/json?size=1")).body;
    expect(row).toMatchObject({
      Names: ["/demo-web-1"],
      Image: "app",
      Command: "serve",
      State: "running",
      Status: expect.stringMatching(/^Up /),
      SizeRw: expect.any(Number),
    });
  });

  it("are inspected with their config, state, networks and mounts", async () => {
    await bay.manager.networks.create(NETWORK);
    const record = await bay.running(
      "image: app\nuser: '" +
        OWN_USER +
        "'\nmem_limit: 64m\nports: ['127.0.0.1::80']\nvolumes: [/data]\ntmpfs: [/tmp]",
      {
        networkMode: "bridge",
        networks: [{ network: "net", aliases: ["web"], ipv4: "10.77.0.9" }],
      },
    );
    const { status, body } = await bay.ask("GET", "/containers/demo-web-1/json?size=1");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      Id: record.id,
      Name: "/demo-web-1",
      State: { Status: "running", Running: true, Pid: record.state.pid },
      HostConfig: { Memory: 64 << 20 },
      SizeRootFs: expect.any(Number),
    });
    expect(body.NetworkSettings.Networks.net).toMatchObject({
      IPAddress: "10.77.0.9",
      IPPrefixLen: 24,
      Gateway: "10.77.0.1",
      Aliases: expect.arrayContaining(["web"]),
    });
    const [port] = body.NetworkSettings.Ports["80/tcp"];
    expect(port).toMatchObject({
      HostIp: "127.0.0.1",
      HostPort: String(record.state.boundPorts[0]!.hostPort),
    });
    expect(body.Mounts.map(({ Type }: { Type: string }) => Type).sort()).toEqual(["tmpfs", "volume"]);
  });

  it("start, stop, pause, kill and are removed by the API", async () => {
    const { id, state } = await bay.create();
    const post = async (verb: string) => (await bay.ask("POST", `/containers/${id}/${verb}`)).status;
    expect(await post("start")).toBe(204);
    expect(await post("start")).toBe(304);
    expect(await post("pause")).toBe(204);
    expect(state.status).toBe("paused");
    expect(await post("exec")).toBe(409);
    expect(await post("unpause")).toBe(204);
    expect(await post("restart")).toBe(204);
    expect((await bay.ask("DELETE", `/containers/${id}`)).status).toBe(409);
    expect(await post("stop")).toBe(204);
    expect(await post("stop")).toBe(304);
    expect(await post("kill")).toBe(409);
    expect(await post("start")).toBe(204);
    expect(await post("kill")).toBe(204);
    await bay.until(() => state.status === "exited");
    expect((await bay.ask("DELETE", `/containers/${id}?v=1`)).status).toBe(204);
    expect((await bay.ask("GET", `/containers/${id}/json`)).status).toBe(404);
  });

  it("change their limits and their restart policy while they run", async () => {
    const { id } = await bay.running();
    const update = (body: object) => bay.ask("POST", `/containers/${id}/update`, body);
    expect(
      await update({ Memory: 32 << 20, PidsLimit: 50, RestartPolicy: { Name: "always" } }),
    ).toMatchObject({
      status: 200,
      body: { Warnings: [] },
    });
    expect(bay.manager.cgroupOf(id).read()).toMatchObject({
      memory: { limit: 32 << 20 },
      pids: { limit: 50 },
    });
    expect(bay.manager.get(id).config.restart.policy).toBe("always");
    for (const wrong of [
      { Memory: 1 },
      { Memory: 32 << 20, MemorySwap: 1 << 20 },
      { NanoCpus: 1e9, CpuQuota: 1000 },
      { CpuPeriod: 1000 },
      { NanoCpus: 1e15 },
      { MemoryReservation: 64 << 20 },
      { RestartPolicy: { Name: "always", MaximumRetryCount: 3 } },
      { CpusetCpus: "x" },
      { Ulimits: [1] },
    ])
      expect(await update(wrong)).toMatchObject({ status: 400 });
    expect(bay.manager.cgroupOf(id).read().memory?.limit).toBe(32 << 20);
  });

  it("show their usage once, from the cgroup", async () => {
    const { id } = await bay.running();
    const { path } = bay.manager.cgroupOf(id);
    bay.kernel.cgroups.stats.set(path, { memoryBytes: 1234, cpuNanoseconds: 77, readBytes: 5 });
    const { status, body } = await bay.ask("GET", `/containers/${id}/stats?stream=0&one-shot=1`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      name: "/demo-web-1",
      pids_stats: { current: 1 },
      cpu_stats: { cpu_usage: { total_usage: 77 } },
      memory_stats: { usage: 1234 },
    });
  });

  it("list their processes only while they run", async () => {
    const { id } = await bay.running();
    const { status, body } = await bay.ask("GET", `/containers/${id}/top`);
    expect([status, body.Titles.at(-1)]).toEqual([200, "CMD"]);
    // the processes of the double are none of the host's
    expect(body.Processes).toEqual([]);
    expect((await bay.ask("GET", `/containers/${id}/top?ps_args=-o%20pid,args`)).body.Titles).toContain(
      "PID",
    );
    expect((await bay.ask("GET", `/containers/${id}/top?ps_args=-o%20args`)).status).toBe(400);
    await bay.manager.stop(id);
    expect((await bay.ask("GET", `/containers/${id}/top`)).status).toBe(409);
  });

  it.each([
    ["not-running", "exit"],
    ["next-exit", "exit"],
    ["removed", "remove"],
  ])("are waited for with the condition %s", async (condition, how) => {
    const { id } = await bay.running();
    const waiting = bay.ask("POST", `/containers/${id}/wait?condition=${condition}`);
    await bay.until(() => bay.manager.listenerCount(`end:${id}`) > 0);
    if (how === "exit") bay.kernel.running("serve")[0]!.exit(5);
    else await bay.manager.remove(id, { volumes: false, force: true });
    expect((await waiting).body).toEqual({ StatusCode: how === "exit" ? 5 : 143 });
    expect(bay.manager.listenerCount(`end:${id}`)).toBe(0);
  });

  it("that do not run need no waiting", async () => {
    const { id } = await bay.create();
    expect((await bay.ask("POST", `/containers/${id}/wait`)).body).toEqual({ StatusCode: 0 });
  });
});

describe("logs", () => {
  async function printed() {
    bay.kernel.command("serve", (process) => {
      process.print("one\ntwo\n");
      process.print("bad\n", "stderr");
      process.exit(0);
    });
    const record = await bay.running();
    await bay.until(() => record.state.status === "exited");
    return record.id;
  }
  const logs = async (id: string, query: string) =>
    frames((await bay.ask("GET", `/containers/${id}/logs?${query}`)).bytes);

  it("have the chosen streams, in frames", async () => {
    const id = await printed();
    expect((await logs(id, "stdout=1")).map(([, text]) => text).join("")).toBe("one\ntwo\n");
    expect(await logs(id, "stderr=1")).toEqual([[2, "bad\n"]]);
    expect((await bay.ask("GET", `/containers/${id}/logs`)).status).toBe(400);
  });

  it("begin at the last lines, and have times if the client wants them", async () => {
    const id = await printed();
    expect(await logs(id, "stdout=1&tail=1")).toEqual([[1, "two\n"]]);
    expect(await logs(id, "stdout=1&tail=0")).toEqual([]);
    expect(await logs(id, "stdout=1&until=1")).toEqual([]);
    const [[, line]] = (await logs(id, "stderr=1&timestamps=1")) as [[number, string]];
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z bad\n$/);
  });

  it("are followed to the end of the container", async () => {
    const record = await bay.running();
    const following = bay.ask("GET", `/containers/${record.id}/logs?stdout=1&follow=1`);
    const process = await bay.kernel.next("serve");
    process.print("first\n");
    await bay.until(() => bay.manager.logs.listenerCount(`grew:${record.id}`) > 0);
    process.print("last\n");
    process.exit(0);
    expect(
      frames((await following).bytes)
        .map(([, text]) => text)
        .join(""),
    ).toBe("first\nlast\n");
    expect(bay.manager.logs.listenerCount(`grew:${record.id}`)).toBe(0);
  });
});

/** The bytes after the head of an answer whose connection was taken over. */
async function raw(
  path: string,
  body: object | undefined,
  during: (write: (text: string) => void, end: () => void) => void,
) {
  const socket = connect({ path: await bay.serve(), allowHalfOpen: true });
  const text = body === undefined ? "" : JSON.stringify(body);
  const answer = new Promise<Buffer>((resolve) => {
    const parts: Buffer[] = [];
    socket.on("data", (part: Buffer) => parts.push(part));
    socket.on("end", () => socket.end());
    socket.on("close", () => resolve(Buffer.concat(parts)));
  });
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: bay\r\nContent-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  );
  during(
    (given) => socket.write(given),
    () => socket.end(),
  );
  const bytes = await answer;
  const at = bytes.indexOf("\r\n\r\n");
  return { head: bytes.toString("latin1", 0, at), bytes: bytes.subarray(at + 4) };
}

describe("an exec by the API", () => {
  const make = async (id: string, rest: object = {}) =>
    (await bay.ask("POST", `/containers/${id}/exec`, { Cmd: ["tool"], ...rest })).body.Id as string;

  it("passes input and output over the connection that it takes over", async () => {
    const { id } = await bay.running();
    bay.kernel.command("tool", async (process) => {
      await bay.until(() => process.isInputOver);
      process.print(`got ${process.input}`);
      process.print("note", "stderr");
      process.exit(6);
    });
    const exec = await make(id, { AttachStdin: true });
    const { head, bytes } = await raw(`/exec/${exec}/start`, { Detach: false }, (write, end) => {
      write("hello");
      end();
    });
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    expect(frames(bytes).sort()).toEqual([
      [1, "got hello"],
      [2, "note"],
    ]);
    expect((await bay.ask("GET", `/exec/${exec}/json`)).body).toMatchObject({
      Running: false,
      ExitCode: 6,
      ContainerID: id,
      ProcessConfig: { entrypoint: "tool" },
    });
    expect((await bay.ask("POST", `/exec/${exec}/start`, {})).status).toBe(409);
  });

  it("that is detached answers at once", async () => {
    const { id } = await bay.running();
    const exec = await make(id);
    expect((await bay.ask("POST", `/exec/${exec}/start`, { Detach: true })).status).toBe(200);
    expect((await bay.ask("GET", `/exec/${exec}/json`)).body).toMatchObject({
      Running: true,
      ExitCode: null,
    });
    expect((await bay.ask("POST", `/exec/${exec}/resize?h=10&w=20`)).status).toBe(200);
  });

  it("that cannot be executed says so in the stream", async () => {
    const { id } = await bay.running();
    bay.kernel.refuse("tool", () =>
      Object.assign(new Error("the command tool does not exist"), { exitCode: 127 }),
    );
    const exec = await make(id);
    const { bytes } = await raw(`/exec/${exec}/start`, {}, () => {});
    expect(frames(bytes)).toEqual([[2, "the command tool does not exist\r\n"]]);
    expect((await bay.ask("GET", `/exec/${exec}/json`)).body.ExitCode).toBe(127);
  });

  it("with a NUL character in it is rejected", async () => {
    const { id } = await bay.running();
    expect(await bay.ask("POST", `/containers/${id}/exec`, { Cmd: ["a\0b"] })).toMatchObject({ status: 400 });
  });
});

describe("attach", () => {
  it("shows what the container writes from now on, and ends with it", async () => {
    const record = await bay.create();
    bay.kernel.command("serve", (process) => {
      process.print("hello\n");
      process.exit(0);
    });
    const attached = raw(`/containers/${record.id}/attach?stream=1&stdout=1&stderr=1`, undefined, () => {});
    await bay.until(() => bay.manager.listenerCount(`end:${record.id}`) > 0);
    await bay.manager.start(record.id);
    const { head, bytes } = await attached;
    expect(head).toMatch(/^HTTP\/1\.1 101 /);
    expect(frames(bytes)).toEqual([[1, "hello\n"]]);
  });

  it("writes the client's input to the container", async () => {
    const record = await bay.running("image: app\nstdin_open: true", { stdinOnce: true });
    const process = await bay.kernel.next("serve");
    const attached = raw(
      `/containers/${record.id}/attach?stream=1&stdin=1&stdout=1`,
      undefined,
      (write, end) => {
        write("typed");
        end();
      },
    );
    await bay.until(() => process.input === "typed");
    process.exit(0);
    await attached;
    expect(record.state.wanted).toBe("running");
  });
});

describe("events", () => {
  it("of the past are listed, and filtered", async () => {
    const { id } = await bay.running();
    await bay.manager.stop(id);
    const until = Math.ceil(Date.now() / 1000) + 1;
    const { body } = await bay.ask(
      "GET",
      `/events?since=1&until=${until - 1}&filters=${json({ type: ["container"] })}`,
    );
    expect([body].flat().map(({ Action }: { Action: string }) => Action)).toContain("die");
  });

  it("are followed until the client goes", async () => {
    const record = await bay.create();
    const socket = connect(await bay.serve());
    socket.write("GET /events HTTP/1.1\r\nHost: bay\r\n\r\n");
    let text = "";
    socket.on("data", (part) => {
      text += String(part);
    });
    await bay.until(() => bay.manager.events.listenerCount("event") > 0);
    await bay.manager.start(record.id);
    await bay.until(() => text.includes('"Action":"start"'));
    socket.destroy();
    await bay.until(() => bay.manager.events.listenerCount("event") === 0);
  });
});

describe("images", () => {
  it("are listed, inspected, tagged and removed", async () => {
    const { id } = await bay.addImage("other", { Labels: { tier: "back" } });
    const names = async (query = "") =>
      (await bay.ask("GET", `/images/json${query}`)).body
        .flatMap(({ RepoTags }: { RepoTags: string[] }) => RepoTags)
        .sort();
    expect(await names()).toEqual(["app:latest", "other:latest"]);
    expect(await names(`?filters=${json({ label: ["tier=back"] })}`)).toEqual(["other:latest"]);
    expect(await names(`?filters=${json({ reference: ["app*"] })}`)).toEqual(["app:latest"]);
    expect((await bay.ask("GET", "/images/other/json")).body).toMatchObject({
      Id: id,
      Os: "linux",
      Config: { Cmd: ["serve"] },
    });
    expect((await bay.ask("GET", "/images/other/history")).body).toMatchObject([
      { Id: id, CreatedBy: "layer 2" },
    ]);
    expect((await bay.ask("POST", "/images/other/tag?repo=third&tag=v1")).status).toBe(201);
    expect((await bay.ask("POST", "/images/other/tag")).status).toBe(400);
    expect(await names()).toEqual(["app:latest", "other:latest", "third:v1"]);
    expect((await bay.ask("DELETE", "/images/third:v1")).body).toEqual([{ Untagged: "third:v1" }]);
    expect((await bay.ask("DELETE", "/images/other")).body).toEqual([
      { Untagged: "other:latest" },
      { Deleted: id },
    ]);
    expect(await names()).toEqual(["app:latest"]);
  });

  it("that a container uses are kept, unless the removal is forced", async () => {
    await bay.create();
    expect(await bay.ask("DELETE", "/images/app")).toMatchObject({
      status: 409,
      body: { code: "IMAGE_IN_USE" },
    });
    expect(
      (await bay.ask("POST", `/images/prune?filters=${json({ dangling: ["false"] })}`)).body.ImagesDeleted,
    ).toEqual([]);
    expect((await bay.ask("DELETE", "/images/app?force=1")).status).toBe(200);
    expect(bay.manager.images.records.tagsOf(bay.manager.list()[0]!.config.imageId)).toEqual([]);
  });

  it("without users are pruned", async () => {
    await bay.addImage("old");
    const { body } = await bay.ask("POST", `/images/prune?filters=${json({ dangling: ["false"] })}`);
    expect(body.ImagesDeleted.map(({ Untagged }: { Untagged: string }) => Untagged).sort()).toEqual([
      "app:latest",
      "old:latest",
    ]);
  });

  it("are verified by their digests", async () => {
    expect((await bay.ask("GET", "/bay/v1/images/verify")).body).toMatchObject({ damaged: [] });
  });
});

describe("networks", () => {
  it("are listed, inspected with their containers, and removed when unused", async () => {
    const network = await bay.manager.networks.create(NETWORK);
    const record = await bay.running("image: app", {
      networkMode: "bridge",
      networks: [{ network: "net", aliases: [], ipv4: undefined }],
    });
    const list = async (filters: object) =>
      (await bay.ask("GET", `/networks?filters=${json(filters)}`)).body.map(
        ({ Name }: { Name: string }) => Name,
      );
    expect(await list({ label: ["tier=front"] })).toEqual(["net"]);
    expect(await list({ name: ["absent"] })).toEqual([]);
    expect(await list({ dangling: ["true"] })).toEqual([]);
    for (const name of ["net", network.id, network.id.slice(0, 12)])
      expect((await bay.ask("GET", `/networks/${name}`)).body).toMatchObject({
        Name: "net",
        IPAM: { Config: [{ Subnet: "10.77.0.0/24", Gateway: "10.77.0.1" }] },
        Containers: {
          [record.id]: { Name: "demo-web-1", IPv4Address: expect.stringMatching(/^10\.77\.0\.\d+\/24$/) },
        },
      });
    expect((await bay.ask("POST", "/networks/prune")).body.NetworksDeleted ?? []).toEqual([]);
    await bay.manager.remove(record.id, { volumes: true, force: true });
    expect((await bay.ask("POST", "/networks/prune")).body.NetworksDeleted).toEqual(["net"]);
  });
});

describe("volumes", () => {
  const volume = (name: string) => ({
    name,
    stack: undefined,
    key: undefined,
    anonymous: false,
    labels: { kept: "no" },
  });

  it("are listed, inspected, and pruned when unused", async () => {
    bay.manager.volumes.create(volume("data"));
    bay.manager.volumes.create(volume("free"));
    await bay.create("image: app", {
      mounts: [{ type: "volume", source: "data", target: "/data", readOnly: false, noCopy: true }],
    });
    const list = async (filters: object) =>
      (await bay.ask("GET", `/volumes?filters=${json(filters)}`)).body.Volumes.map(
        ({ Name }: { Name: string }) => Name,
      ).sort();
    expect(await list({})).toEqual(["data", "free"]);
    expect(await list({ dangling: ["true"] })).toEqual(["free"]);
    expect((await bay.ask("GET", "/volumes/data")).body).toMatchObject({
      Name: "data",
      Mountpoint: bay.manager.volumes.path("data"),
      Labels: { kept: "no" },
    });
    expect((await bay.ask("DELETE", "/volumes/data")).status).toBe(409);
    const { body } = await bay.ask("POST", `/volumes/prune?filters=${json({ all: ["true"] })}`);
    expect(body.VolumesDeleted).toEqual(["free"]);
  });
});

describe("disk usage", () => {
  it("counts images, containers, volumes and the build cache, or only what is asked for", async () => {
    await bay.running();
    bay.manager.volumes.create({
      name: "data",
      stack: undefined,
      key: undefined,
      anonymous: false,
      labels: {},
    });
    const { body } = await bay.ask("GET", "/system/df");
    expect(body.Images).toMatchObject([{ RepoTags: ["app:latest"], Containers: 1 }]);
    expect(body.Containers).toMatchObject([{ Names: ["/demo-web-1"], State: "running" }]);
    expect(body.Volumes.map(({ Name }: { Name: string }) => Name)).toEqual(["data"]);
    const only = (await bay.ask("GET", "/system/df?type=volume")).body;
    expect([only.Images, only.Containers, only.Volumes.length]).toEqual([[], [], 1]);
  });

  it("is freed by pruning containers that have ended", async () => {
    const running = await bay.running();
    const ended = await bay.running("image: app", { name: "ended" });
    await bay.manager.stop(ended.id);
    const { body } = await bay.ask("POST", "/containers/prune");
    expect(body.ContainersDeleted).toEqual([ended.id]);
    expect(bay.manager.list().map(({ id }) => id)).toEqual([running.id]);
    expect((await bay.ask("POST", "/build/prune?all=1")).body).toMatchObject({ CachesDeleted: [] });
  });
});
