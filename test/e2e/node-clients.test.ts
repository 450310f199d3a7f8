/** dockerode and testcontainers of npm with bayd's socket. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import Docker from "dockerode";
import type * as Testcontainers from "testcontainers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EngineRoom } from "../support/engine-room.ts";

let room: EngineRoom;
beforeAll(async () => {
  room = await EngineRoom.open();
});
afterAll(() => room.close());

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString("utf8");
}

describe("dockerode", () => {
  let docker: Docker;
  beforeAll(() => {
    docker = new Docker({ socketPath: room.bay.socket });
  });

  it("runs a command, with its streams apart and its exit code", async () => {
    const [out, err] = [new PassThrough(), new PassThrough()];
    const command = ["sh", "-c", "echo out; echo err >&2; exit 3"];
    const [{ StatusCode }, container] = (await docker.run("box", command, [out, err] as never, {
      Tty: false,
    })) as [{ StatusCode: number }, Docker.Container];
    out.end();
    err.end();
    expect([StatusCode, await textOf(out), await textOf(err)]).toEqual([3, "out\n", "err\n"]);
    await container.remove({ v: true });
  });

  it("creates, inspects, changes, copies, commits and removes a container", async () => {
    const container = await docker.createContainer({
      Image: "box",
      name: "solo",
      Cmd: ["sleep", "1000"],
      Labels: { k: "v" },
      Env: ["A=1"],
      StopTimeout: 0,
      HostConfig: { Memory: 64 << 20, Binds: ["solo-data:/data"], CapDrop: ["ALL"] },
    });
    await container.start();
    expect(await container.inspect()).toMatchObject({ Name: "/solo", HostConfig: { Memory: 64 << 20 } });
    await container.update({ Memory: 32 << 20, MemorySwap: 64 << 20 });
    expect((await container.inspect()).HostConfig.Memory).toBe(32 << 20);
    await container.putArchive(execFileSync("tar", ["-C", room.bay.busybox(), "-c", "etc"]), {
      path: "/tmp",
    });
    expect((await textOf(await container.getArchive({ path: "/tmp/etc" }))).length).toBeGreaterThan(512);
    expect((await container.changes()) as unknown[]).toContainEqual({ Path: "/tmp/etc", Kind: 1 });
    const { Id } = (await container.commit({ repo: "committed", tag: "1", comment: "text" })) as {
      Id: string;
    };
    expect(Id).toMatch(/^sha256:/);
    const stats = await container.stats({ stream: false });
    expect(stats.memory_stats.usage).toBeGreaterThan(0);
    await container.pause();
    await container.unpause();
    await container.rename({ name: "other" });
    const waiting = container.wait();
    await container.stop({ t: 0 });
    expect((await waiting).StatusCode).toBe(137);
    await container.remove({ v: true, force: true });
    await expect(container.inspect()).rejects.toMatchObject({ statusCode: 404 });
  });

  it("attaches with input, and runs execs with a stream", async () => {
    const container = await docker.createContainer({
      Image: "box",
      Cmd: ["cat"],
      OpenStdin: true,
      StdinOnce: true,
    });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true });
    await container.start();
    const out = new PassThrough();
    container.modem.demuxStream(stream, out, out);
    stream.once("end", () => out.end());
    stream.end("typed\n");
    expect(await textOf(out)).toBe("typed\n");
    await container.remove({ force: true });
    const second = await docker.createContainer({ Image: "box", Cmd: ["sleep", "1000"], StopTimeout: 0 });
    await second.start();
    const exec = await second.exec({
      Cmd: ["sh", "-c", "cat; exit 4"],
      AttachStdin: true,
      AttachStdout: true,
    });
    const io = await exec.start({ hijack: true, stdin: true });
    const shown = new PassThrough();
    docker.modem.demuxStream(io, shown, shown);
    io.once("end", () => shown.end());
    io.end("hello");
    expect(await textOf(shown)).toBe("hello");
    expect((await exec.inspect()).ExitCode).toBe(4);
    await second.remove({ force: true });
  });

  it("creates networks and volumes, builds, tags, and follows events", async () => {
    const events = (await docker.getEvents({ filters: JSON.stringify({ type: ["network"] }) })) as Readable;
    const first = new Promise<string>((resolve) =>
      events.once("data", (part: Buffer) => resolve(String(part))),
    );
    const network = await docker.createNetwork({
      Name: "net",
      Labels: { a: "b" },
      CheckDuplicate: true,
    } as never);
    expect(JSON.parse(await first)).toMatchObject({ Type: "network", Action: "create" });
    events.destroy();
    const container = await docker.createContainer({ Image: "box", Cmd: ["sleep", "1000"], StopTimeout: 0 });
    await container.start();
    await network.connect({ Container: container.id, EndpointConfig: { Aliases: ["alias"] } });
    expect(Object.keys((await network.inspect()).Containers ?? {})).toEqual([container.id]);
    await network.disconnect({ Container: container.id, Force: true });
    await network.remove();
    await container.remove({ force: true });
    await docker.createVolume({ Name: "made", Labels: { a: "b" } });
    const { Volumes } = await docker.listVolumes({ filters: JSON.stringify({ label: ["a=b"] }) });
    expect(Volumes.map(({ Name }) => Name)).toEqual(["made"]);
    await docker.getVolume("made").remove();
    const folder = mkdtempSync(join(tmpdir(), "bay-node-client-"));
    writeFileSync(join(folder, "Dockerfile"), "FROM box\nRUN true\n");
    const build = await docker.buildImage({ context: folder, src: ["Dockerfile"] }, { t: "built" });
    await new Promise((resolve, reject) =>
      docker.modem.followProgress(build, (error, lines) => (error ? reject(error) : resolve(lines))),
    );
    rmSync(folder, { recursive: true });
    await docker.getImage("built").tag({ repo: "tagged", tag: "1" });
    expect((await docker.getImage("tagged:1").history()) as unknown[]).not.toEqual([]);
    await docker.getImage("tagged:1").remove();
    expect(await docker.df()).toMatchObject({ Containers: expect.any(Array) });
    expect((await docker.pruneContainers()).SpaceReclaimed).toBeGreaterThanOrEqual(0);
  });
});

/** Its resource reaper is an image of a public registry, so it is off. */
describe("testcontainers", () => {
  let library: typeof Testcontainers;
  beforeAll(async () => {
    vi.stubEnv("DOCKER_HOST", `unix://${room.bay.socket}`);
    vi.stubEnv("TESTCONTAINERS_RYUK_DISABLED", "true");
    library = await import("testcontainers");
  });
  afterAll(() => vi.unstubAllEnvs());

  const server = ["sh", "-c", "mkdir -p /www; echo hi > /www/index.html; echo ready; httpd -f -p 80 -h /www"];

  it("starts containers in a network, with files, ports, and names", async () => {
    const { GenericContainer, Network, Wait } = library;
    const network = await new Network().start();
    const web = await new GenericContainer("box")
      .withCommand(server)
      .withExposedPorts(80)
      .withNetwork(network)
      .withNetworkAliases("web")
      .withCopyContentToContainer([{ content: "abc", target: "/tmp/abc" }])
      .withWaitStrategy(Wait.forHttp("/", 80))
      .start();
    const answer = await fetch(`http://${web.getHost()}:${web.getMappedPort(80)}/`);
    expect(await answer.text()).toBe("hi\n");
    expect((await web.exec(["cat", "/tmp/abc"])).output).toBe("abc");
    const other = await new GenericContainer("box")
      .withCommand(["sleep", "1000"])
      .withNetwork(network)
      .start();
    expect((await other.exec(["wget", "-qO-", "http://web/"])).output).toBe("hi\n");
    const archive = await web.copyArchiveFromContainer("/tmp/abc");
    expect((await textOf(archive)).length).toBeGreaterThan(512);
    await web.restart({ timeout: 0 });
    await other.stop({ timeout: 0 });
    await web.stop({ timeout: 0 });
    await network.stop();
  });

  it("waits for ports, log lines, health, commands and ends", async () => {
    const { GenericContainer, Wait } = library;
    const box = () => new GenericContainer("box");
    const started = [
      await box().withCommand(server).withExposedPorts(80).withWaitStrategy(Wait.forListeningPorts()).start(),
      await box().withCommand(server).withWaitStrategy(Wait.forLogMessage("ready")).start(),
      await box()
        .withCommand(server)
        .withHealthCheck({ test: ["CMD-SHELL", "true"], interval: 500, timeout: 10_000, retries: 3 })
        .withWaitStrategy(Wait.forHealthCheck())
        .start(),
      await box().withCommand(server).withWaitStrategy(Wait.forSuccessfulCommand("true")).start(),
      await box().withCommand(["true"]).withWaitStrategy(Wait.forOneShotStartup()).start(),
    ];
    for (const container of started) await container.stop({ timeout: 0 });
  });

  it("builds an image of a Dockerfile", async () => {
    const folder = mkdtempSync(join(tmpdir(), "bay-testcontainers-"));
    writeFileSync(join(folder, "Dockerfile"), "FROM box\nRUN echo made > /x\n");
    const image = await library.GenericContainer.fromDockerfile(folder).build();
    const container = await image.withCommand(["sleep", "1000"]).start();
    expect((await container.exec(["cat", "/x"])).output).toBe("made\n");
    await container.stop({ timeout: 0 });
    rmSync(folder, { recursive: true });
  });
});
