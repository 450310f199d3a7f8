/** bayd's socket as clients of Docker use it: what is not named stays, and no request ends bayd. */
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client, textOf } from "../../src/daemon/client.ts";
import { Bay, eventually } from "../support/bay.ts";
import { fuzzHttp } from "../support/http-fuzz.ts";

const LIMIT = 120_000;

describe("the Engine API", () => {
  const bay = new Bay();
  let client: Client;

  const stack = (name: string) => `
name: ${name}
images: { box: { rootfs: ../busybox } }
services:
  web: { image: box, command: sleep 100000, stop_grace_period: 0s, init: true, volumes: ["data:/data"] }
  job: { image: box, command: 'true' }
volumes: { data: {} }
`;
  const terminals = `
name: terminals
images: { box: { rootfs: ../busybox } }
services:
  plain: { image: box, command: sleep 100000, stop_grace_period: 0s, init: true, stdin_open: true }
  tty: { image: box, command: sleep 100000, stop_grace_period: 0s, init: true, tty: true }
  created: { image: box, command: sleep 100000, stop_grace_period: 0s }
  created-tty: { image: box, command: sleep 100000, stop_grace_period: 0s, tty: true }
`;
  beforeAll(() => {
    bay.busybox();
    for (const name of ["one", "two"]) {
      bay.write(stack(name));
      bay.ok("up", "-d");
    }
    client = new Client(bay.socket);
  });
  afterAll(() => bay.close());

  const get = <T>(path: string) => client.json<T>("GET", path);
  const filtered = (path: string, filters: Record<string, string[]>) =>
    `${path}${path.includes("?") ? "&" : "?"}filters=${encodeURIComponent(JSON.stringify(filters))}`;
  const docker = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync("docker", ["-H", `unix://${bay.socket}`, ...args], {
      encoding: "utf8",
      timeout: LIMIT,
    });
    return { code: status, out: stdout.trim(), err: stderr };
  };
  // without the networks that exist without being created
  const CUSTOM = encodeURIComponent('{"type":["custom"]}');
  const everything = async () => ({
    containers: (await get<{ Names: string[] }[]>("/containers/json?all=1"))
      .map(({ Names }) => Names[0])
      .sort(),
    networks: (await get<{ Name: string }[]>(`/networks?filters=${CUSTOM}`)).map(({ Name }) => Name).sort(),
    volumes: (await get<{ Volumes: { Name: string }[] }>("/volumes")).Volumes.map(({ Name }) => Name).sort(),
    images: (await get<{ RepoTags: string[] }[]>("/images/json")).flatMap(({ RepoTags }) => RepoTags).sort(),
  });
  const status = async (method: string, path: string, body?: unknown) => {
    const answer = await client.send(method, path, body);
    return { status: answer.status, text: await textOf(answer.body) };
  };
  const running = "one-web-1";
  const counts = () => get<{ pid: number; requests: number; listeners: number }>("/bay/v1/daemon");
  /** Without the logs of containers, which are opened when the first line comes. */
  const descriptors = (pid: number) =>
    readdirSync(`/proc/${pid}/fd`).filter((fd) => !targetOf(`/proc/${pid}/fd/${fd}`).includes("/logs/"))
      .length;

  /** What `docker compose -p NAME down -v` asks for and then removes. */
  const composeDown = async (project: string) => {
    const label = [`com.docker.compose.project=${project}`];
    const containers = await get<{ Id: string }[]>(
      filtered("/containers/json?all=1", { label: [...label, "com.docker.compose.oneoff=False"] }),
    );
    for (const { Id } of containers) await client.json("DELETE", `/containers/${Id}?force=1&v=1`);
    const networks = await get<{ Id: string }[]>(filtered("/networks", { label }));
    for (const { Id } of networks) await client.json("DELETE", `/networks/${Id}`);
    const { Volumes } = await get<{ Volumes: { Name: string }[] }>(filtered("/volumes", { label }));
    for (const { Name } of Volumes) await client.json("DELETE", `/volumes/${Name}`);
    return containers.length + networks.length + Volumes.length;
  };

  it("removes nothing for a project that does not exist", async () => {
    const before = await everything();
    expect(before.containers).toHaveLength(4);
    expect(await composeDown("nobody")).toBe(0);
    expect(await everything()).toEqual(before);
  });

  it("shows only what the filters of the docker command name", async () => {
    const empty = [
      ["images", "-q", "--filter", "reference=zzz"],
      ["images", "-q", "--filter", "dangling=true"],
      ["network", "ls", "-q", "--filter", "name=zzz"],
      ["volume", "ls", "-q", "--filter", "label=zzz"],
      [
        "ps",
        "-q",
        "--filter",
        "label=com.docker.compose.project=zzz",
        "--filter",
        "label=com.docker.compose.service",
      ],
      ["ps", "-q", "--filter", "publish=1"],
      ["events", "--since", "1h", "--until", "0s", "--filter", "network=zzz"],
    ];
    for (const args of empty) expect(docker(...args), args.join(" ")).toMatchObject({ code: 0, out: "" });
    expect(docker("ps", "-aqn", "1").out.split("\n")).toHaveLength(1);
    expect(docker("ps", "-q", "--filter", "name=^one-web-1$").out).toMatch(/^[0-9a-f]{12}$/);
    expect(docker("ps", "-q", "--filter", "nosuch=1")).toMatchObject({ code: 1, out: "" });
  });

  it.each([
    "/containers/json",
    "/images/json",
    "/networks",
    "/volumes",
    "/events?until=1",
    "/containers/prune",
    "/images/prune",
    "/networks/prune",
    "/volumes/prune",
    "/build/prune",
  ])("refuses a filter that %s does not have, and does nothing", async (path) => {
    const before = await everything();
    const method = path.endsWith("prune") ? "POST" : "GET";
    for (const filters of [{ nosuch: ["1"] }, { label: "x" }, { until: ["x"], label: [1] }])
      expect(
        (await status(method, filtered(path, filters as unknown as Record<string, string[]>))).status,
      ).toBe(400);
    expect(await everything()).toEqual(before);
  });

  it("prunes only what its filters name", async () => {
    const before = await everything();
    await client.json(
      "POST",
      filtered("/containers/prune", { label: ["com.docker.compose.project=nobody"] }),
    );
    await client.json("POST", filtered("/volumes/prune", { label: ["nobody"], all: ["true"] }));
    await client.json("POST", filtered("/networks/prune", { label: ["a", "b"] }));
    await client.json("POST", filtered("/images/prune", { dangling: ["true"] }));
    expect(await everything()).toEqual(before);
    await client.json(
      "POST",
      filtered("/containers/prune", {
        label: ["com.docker.compose.project=two", "com.docker.compose.service"],
      }),
    );
    expect((await everything()).containers).toEqual(["/one-job-1", "/one-web-1", "/two-web-1"]);
  });

  it("removes one stack, and nothing of the other", async () => {
    expect(await composeDown("two")).toBe(3);
    expect(await everything()).toMatchObject({
      containers: ["/one-job-1", "/one-web-1"],
      networks: ["one_default"],
      volumes: ["one_data"],
    });
  });

  it("starts an exec once, and leaves no process", async () => {
    const { Id } = await client.json<{ Id: string }>("POST", `/containers/${running}/exec`, {
      Cmd: ["true"],
    });
    expect((await status("POST", `/exec/${Id}/start`, {})).status).toBe(200);
    expect(await status("POST", `/exec/${Id}/start`, {})).toMatchObject({ status: 409 });
    expect(await status("POST", `/exec/${Id}/start`, { Detach: true })).toMatchObject({ status: 409 });
    await eventually(() => expect(execsOf(running)).toBe(0), LIMIT);
  });

  it("takes nulls, and refuses names and limits that make no sense", async () => {
    const update = { Memory: 96 << 20, MemorySwap: 128 << 20, PidsLimit: null, RestartPolicy: { Name: "" } };
    expect((await status("POST", `/containers/${running}/update`, update)).status).toBe(200);
    for (const body of [{ Memory: -5 }, { Memory: "x" }, { CpuShares: -1 }, []]) {
      const answer = await status("POST", `/containers/${running}/update`, body);
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text).message).not.toContain("{");
    }
    for (const name of ["", "a%2Fb", "..%2F..%2Fx", "x%20y"])
      expect((await status("POST", `/containers/${running}/rename?name=${name}`)).status).toBe(400);
  });

  it("tells a pull's error with a number that docker's clients can read", async () => {
    const { text } = await status("POST", "/images/create?fromImage=127.0.0.1:1/none&tag=1");
    const last = JSON.parse(text.trim().split("\n").at(-1)!);
    expect(last).toMatchObject({ error: expect.any(String), errorDetail: { code: expect.any(Number) } });
    expect(docker("pull", "127.0.0.1:1/none").err).not.toContain("unmarshal");
  });

  it("answers 501 for what it does not have, and 503 for swarms", async () => {
    expect((await status("POST", "/session", {})).status).toBe(501);
    expect((await status("GET", "/nosuch")).status).toBe(501);
    expect((await status("GET", "/services")).status).toBe(503);
  });

  it("ends an attach that asks for no stream, and a wait at its condition", async () => {
    expect((await status("POST", `/containers/${running}/attach?stream=0&logs=1&stdout=1`)).status).toBe(200);
    expect((await status("POST", `/containers/${running}/wait?condition=nosuch`)).status).toBe(400);
    expect((await status("POST", "/containers/one-job-1/wait")).text).toContain('"StatusCode":0');
    const next = await client.send("POST", "/containers/one-job-1/wait?condition=next-exit");
    const removed = await client.send("POST", "/containers/one-job-1/wait?condition=removed");
    await client.json("POST", "/containers/one-job-1/start");
    expect(await textOf(next.body)).toContain('"StatusCode":0');
    expect(removed.body.readableEnded).toBe(false);
    await client.json("DELETE", "/containers/one-job-1?force=1");
    expect(await textOf(removed.body)).toContain('"StatusCode":0');
  });

  it("keeps nothing of clients that disconnected during a stream", async () => {
    const before = await counts();
    const open = descriptors(before.pid);
    const streams = ["logs?follow=1&stdout=1", "stats", "wait?condition=next-exit", "wait?condition=removed"];
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all([
        ...streams.map((path) =>
          client.send(path.startsWith("wait") ? "POST" : "GET", `/containers/${running}/${path}`),
        ),
        client.send("GET", "/events"),
      ]);
      const attached = await client.upgrade(`/containers/${running}/attach?stream=1&stdout=1`);
      for (const { body } of answers) body.destroy();
      attached.destroy();
    }
    await isBackAt(before, open);
  });

  it("holds nothing of pipelined requests whose connection closes", async () => {
    const before = await counts();
    const open = descriptors(before.pid);
    const line = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const logs = `/containers/${running}/logs?follow=1&stdout=1`;
    for (const last of ["", "POST /exec/x/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"]) {
      const socket = connect(bay.socket);
      socket.on("error", () => {});
      socket.write(line("/events") + line(logs) + line(logs) + last);
      // the answer to the first, or the end of the connection where it cannot be imported
      await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
      socket.destroy();
    }
    await isBackAt(before, open);
  });

  /** What a client does before it is gone; each gives bytes to send, and is called with the open connection. */
  const leaving: Record<string, (socket: Socket, bytes: string) => Promise<void>> = {
    "after its request": async (socket, bytes) => {
      await new Promise((sent) => socket.write(bytes, sent));
    },
    "after the answer began": async (socket, bytes) => {
      socket.write(bytes);
      await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
    },
    "after it ended its input": async (socket, bytes) => {
      socket.end(bytes);
      await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
    },
    "after it ended its input behind the answer": async (socket, bytes) => {
      socket.write(bytes);
      await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
      await new Promise<void>((sent) => socket.end(sent));
    },
    "with a second request behind": async (socket, bytes) => {
      socket.write(bytes + bytes);
      await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
    },
  };
  const upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n";

  it.each(Object.keys(leaving))("frees everything of a client that disconnects %s", async (manner) => {
    bay.write(terminals);
    bay.ok("up", "-d", "plain", "tty");
    bay.ok("up", "--no-start");
    const before = await counts();
    const open = descriptors(before.pid);
    for (const name of ["plain", "tty", "created", "created-tty"])
      for (const query of ["stream=1&stdin=1", "stream=1&stdin=1&stdout=1&logs=1", "stream=1&stdout=1"])
        for (const header of ["", upgrade]) {
          const socket = connect(bay.socket);
          socket.on("error", () => {});
          const path = `/containers/terminals-${name}-1/attach?${query}`;
          await leaving[manner]!(
            socket,
            `POST ${path} HTTP/1.1\r\nHost: x\r\n${header}Content-Length: 0\r\n\r\n`,
          );
          socket.destroy();
        }
    await isBackAt(before, open, manner);
  });

  it("frees everything of a client that disconnects in a body that is not read", async () => {
    const before = await counts();
    const open = descriptors(before.pid);
    const lines = [
      "GET /events",
      `GET /containers/${running}/logs?follow=1&stdout=1`,
      `GET /containers/${running}/stats`,
      `POST /containers/${running}/wait?condition=next-exit`,
    ];
    for (const line of lines) {
      const socket = connect(bay.socket);
      socket.on("error", () => {});
      await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
      // more than bayd takes in before a handler reads it, so that the end of the connection waits behind it
      socket.write(`${line} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n${"x".repeat(1 << 20)}`);
      await new Promise((resolve) => socket.once("data", resolve).once("close", resolve));
      socket.destroy();
    }
    await isBackAt(before, open);
  });

  it("answers while a thousand clients are slow", async () => {
    const before = await counts();
    const open = descriptors(before.pid);
    const sockets = await Promise.all(
      Array.from({ length: 1000 }, async (_, index) => {
        const socket: Socket = connect(bay.socket);
        socket.on("error", () => {});
        await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
        socket.write(
          ["", "GET /", "POST /containers/json HTTP/1.1\r\nContent-Length: 100\r\n\r\nx"][index % 3]!,
        );
        return socket;
      }),
    );
    expect((await status("GET", "/_ping")).status).toBe(200);
    expect((await everything()).containers).toContain(`/${running}`);
    for (const socket of sockets) socket.destroy();
    await isBackAt(before, open);
  });

  it("survives thousands of broken requests", async () => {
    const before = await counts();
    const open = descriptors(before.pid);
    const seed = Number(process.env.BAY_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32));
    await fuzzHttp({ open: () => connect(bay.socket), container: running }, 3000, seed);
    expect((await counts()).pid, `seed ${seed}\n${bay.log()}`).toBe(before.pid);
    expect(bay.daemonPid()).toBe(before.pid);
    expect(bay.log(), `seed ${seed}`).not.toContain("uncaught");
    expect((await everything()).containers, `seed ${seed}`).toContain(`/${running}`);
    await eventually(() => expect(execsOf(running), `seed ${seed}`).toBe(0), LIMIT);
    expect(execFileSync("ps", ["-o", "stat=", "-p", String(before.pid)], { encoding: "utf8" })).not.toMatch(
      /^Z/,
    );
    await isBackAt(before, open, `seed ${seed}`);
  });

  /** Requests, followers and descriptors of bayd are as many as before. */
  async function isBackAt(
    before: { pid: number; requests: number; listeners: number },
    open: number,
    hint = "",
  ) {
    await eventually(async () => {
      const { requests, listeners } = await counts();
      expect(requests, `requests ${hint}`).toBeLessThanOrEqual(before.requests);
      expect(listeners, `listeners ${hint}`).toBeLessThanOrEqual(before.listeners);
      expect(descriptors(before.pid), `descriptors ${hint}`).toBeLessThanOrEqual(open);
    }, LIMIT);
  }

  /** Shims of execs in this container. */
  function execsOf(name: string): number {
    return readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid))
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`bay-exec ${name}`);
        } catch {
          return false; // it ended in between
        }
      }).length;
  }
});

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return ""; // it was closed in between
  }
}
