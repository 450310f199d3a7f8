/** Commands that show containers and their output. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO, idOf, row } from "../../../support/container-rows.ts";
import { type Call, FakeBayd, frame, lines, Reply, rejection } from "../../../support/fake-bayd.ts";
import { bay } from "../../../support/run-command.ts";

let bayd: FakeBayd;
const [web, db] = [idOf("web"), idOf("db")];
const MULTIPLEXED = { "content-type": "application/vnd.docker.multiplexed-stream" };
const run = (...words: string[]) =>
  bay(["-f", join(bayd.folder, "compose.yaml"), ...words], { bayd, cwd: bayd.folder });
const rejects = async (words: string[], message: string) =>
  expect(await run(...words)).toEqual({ code: 1, stdout: "", stderr: message });

beforeEach(async () => {
  bayd = await FakeBayd.start();
  writeFileSync(join(bayd.folder, "compose.yaml"), DEMO);
  bayd.on("GET /containers/json", [
    row("web", 1, { Ports: [{ IP: "::1", PrivatePort: 80, PublicPort: 8080, Type: "tcp" }] }),
    row("db", 1, { State: "exited", Status: "Exited (3) 5 minutes ago" }),
    row("old", 1, { Command: "/x" }),
  ]);
});
afterEach(() => bayd.stop());

describe("bay ps", () => {
  const inspected = (Status: string) => ({
    Id: "",
    Name: "",
    Created: "2026-01-02T03:04:05Z",
    Image: "",
    State: { Status, Pid: 9, ExitCode: 3, StartedAt: "s", FinishedAt: "f", OOMKilled: false },
    Config: { Image: "", Labels: {} },
  });

  it("lists running containers in a table", async () => {
    const { stdout } = await run("ps");
    const [head, ...rows] = stdout.trim().split("\n");
    expect(head).toMatch(/^NAME +IMAGE +COMMAND +SERVICE +CREATED +STATUS +PORTS$/);
    expect(rows.map((line) => line.split(/ {2,}/))).toEqual([
      ["demo-old-1", "old:1", '"/x"', "old", expect.any(String), "Up 2 minutes"],
      [
        "demo-web-1",
        "web:1",
        '"/bin/serve --all --…"',
        "web",
        expect.any(String),
        "Up 2 minutes",
        "[::1]:8080->80/tcp",
      ],
    ]);
  });

  it("filters by state, service and whether the file has the service", async () => {
    const names = async (...words: string[]) => (await run("ps", "--services", ...words)).stdout.split("\n");
    expect(await names("-a")).toEqual(["db", "old", "web", ""]);
    expect(await names("--status", "exited")).toEqual(["db", ""]);
    expect(await names("--filter", "status=exited", "--filter", "status=running")).toEqual([
      "db",
      "old",
      "web",
      "",
    ]);
    expect(await names("-a", "--filter", "service=db")).toEqual(["db", ""]);
    expect(await names("-a", "--no-orphans")).toEqual(["db", "web", ""]);
    expect(await names("-a", "web")).toEqual(["web", ""]);
    expect((await run("ps", "-q", "web")).stdout).toBe(`${web}\n`);
    expect(await names("--no-trunc")).toEqual(["old", "web", ""]);
  });

  it("prints a JSON object for each container", async () => {
    bayd.on(`GET /containers/${web}/json`, inspected("running"));
    const { stdout } = await run("ps", "--format", "json", "web");
    expect(JSON.parse(stdout)).toMatchObject({
      ID: web,
      Name: "demo-web-1",
      Service: "web",
      State: "running",
      ExitCode: 3,
      Health: "",
      Publishers: [{ URL: "::1", TargetPort: 80, PublishedPort: 8080, Protocol: "tcp" }],
    });
  });

  it("prints a template, also as a table", async () => {
    bayd.on(`GET /containers/${db}/json`, inspected("exited"));
    const format = async (text: string) => (await run("ps", "-a", "--format", text, "db")).stdout;
    expect(await format("{{.Name}} {{.Pid}}")).toBe("demo-db-1 9\n");
    expect(await format("table {{.Service}}\\t{{.ExitCode}}\\t{{.Ports}}")).toBe(
      "SERVICE  EXIT CODE  PORTS\ndb       3\n",
    );
    expect(await format('{{.Label "com.docker.compose.service"}}')).toBe("db\n");
    expect(await format("{{.Project}} {{.ID}}")).toBe(`demo ${db.slice(0, 12)}\n`);
  });

  it("rejects invalid filters, states and templates", async () => {
    await rejects(
      ["ps", "--filter", "name=x"],
      "error[BAD_OPTION]: --filter name: expected status=STATE or service=NAME\n",
    );
    await rejects(
      ["ps", "--filter", "status="],
      "error[BAD_OPTION]: --filter status: expected status=VALUE\n",
    );
    await rejects(
      ["ps", "--status", "asleep"],
      "error[BAD_OPTION]: invalid state asleep\n  expected created, running, paused, restarting, exited, dead\n",
    );
    const { stderr } = await run("ps", "--format", "{{.Nothing", "--status", "dead");
    expect(stderr).toContain("error[BAD_TEMPLATE]");
  });

  it("needs no stack file with -p", async () => {
    const { stdout } = await bay(["-p", "demo", "ps", "-q", "-a"], { bayd, cwd: bayd.folder });
    expect(stdout.split("\n")).toHaveLength(4);
    expect(JSON.parse(bayd.calls[0]!.query.get("filters")!)).toEqual({
      label: ["com.docker.compose.project=demo"],
    });
  });

  it("reads the state itself while bayd does not run", async () => {
    const nowhere = { root: join(bayd.folder, "r"), run: join(bayd.folder, "r") };
    const ran = await bay(["-p", "demo", "ps", "-q"], { bayd: nowhere, cwd: bayd.folder });
    expect(ran).toEqual({ code: 0, stdout: "", stderr: "" });
  });
});

describe("bay logs", () => {
  it("shows each line with the container's name, on its own stream", async () => {
    bayd.on("GET /containers/json", [row("web"), row("db")]);
    bayd.on(`GET /containers/${web}/logs`, new Reply(200, frame(1, "one\ntwo\n"), MULTIPLEXED));
    bayd.on(`GET /containers/${db}/logs`, new Reply(200, frame(2, "failed\n"), MULTIPLEXED));
    expect(await run("logs", "-n", "5")).toEqual({
      code: 0,
      stdout: "web-1 | one\nweb-1 | two\n",
      stderr: "db-1 | failed\n",
    });
    expect(bayd.calls.at(-1)!.query.get("tail")).toBe("5");
    expect((await run("logs", "--no-log-prefix", "web")).stdout).toBe("one\ntwo\n");
  });

  it("shows the bytes of a terminal, and colours on request", async () => {
    bayd.on(`GET /containers/${web}/logs`, new Reply(200, "raw\n"));
    const coloured = await bay(["--ansi", "always", "-p", "demo", "logs", "web"], { bayd, cwd: bayd.folder });
    expect(coloured.stdout).toBe("\x1b[36mweb-1 | \x1b[0mraw\n");
    const plain = await bay(["--ansi", "always", "-p", "demo", "logs", "--no-color", "web"], {
      bayd,
      cwd: bayd.folder,
    });
    expect(plain.stdout).toBe("web-1 | raw\n");
  });

  it("follows until a time, and passes times on", async () => {
    bayd.on(`GET /containers/${web}/logs`, new Reply(200, frame(1, "x\n"), MULTIPLEXED));
    const { stdout } = await run(
      "logs",
      "-f",
      "-t",
      "--since",
      "100",
      "--until",
      "2026-01-31T12:00:00Z",
      "web",
    );
    expect(stdout).toBe("web-1 | x\n");
    const { query } = bayd.calls.at(-1)!;
    expect(["follow", "since", "until", "timestamps"].map((name) => query.get(name))).toEqual([
      "1",
      "100",
      "2026-01-31T12:00:00Z",
      "1",
    ]);
  });

  it("follows containers that start later, until bayd is gone", async () => {
    bayd.on(`GET /containers/${web}/json`, { Config: { Tty: false } });
    bayd.on(
      `GET /containers/${web}/logs`,
      new Reply(200, frame(1, "2026-01-02T03:04:05.001Z x\n"), MULTIPLEXED),
    );
    bayd.on(`GET /containers/${idOf("web", 2)}/json`, rejection(404, "CONTAINER_NOT_FOUND", "gone"));
    bayd.on(`GET /containers/${idOf("web", 2)}/logs`, rejection(500, "INTERNAL", "unreadable"));
    bayd.on("GET /events", lines({ Type: "container" }));
    let asked = 0;
    bayd.on("GET /containers/json", () => (asked++ > 2 ? [row("web"), row("web", 2)] : [row("web")]));
    const { code, stdout, stderr } = await run("logs", "-f", "web");
    expect(code).toBe(1);
    expect(stdout).toBe("web-1 | x\n");
    expect(stderr).toBe("error[LOGS]: the logs of the container demo-web-2-0 cannot be read\n");
  });

  it("ends quietly for a container that was removed in the meantime", async () => {
    bayd.on(`GET /containers/${web}/logs`, rejection(404, "CONTAINER_NOT_FOUND", "gone"));
    expect(await run("logs", "web")).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("rejects invalid numbers and times before any request for logs", async () => {
    await rejects(
      ["logs", "-n", "few"],
      "error[BAD_OPTION]: --tail expects a number of lines or all, got few\n",
    );
    await rejects(["logs", "--index", "1"], "error[BAD_OPTION]: --index expects one service\n");
    await rejects(
      ["logs", "--since", "yesterday"],
      "error[BAD_OPTION]: invalid time yesterday\n  write 10m, 2026-01-31T12:00:00Z, or seconds since 1970\n",
    );
  });
});

describe("bay port", () => {
  it("prints the address of a published port", async () => {
    expect((await run("port", "web", "80")).stdout).toBe("::1:8080\n");
    expect((await run("port", "web", "80/tcp")).stdout).toBe("::1:8080\n");
  });

  it("names the port and the protocol that is not published", async () => {
    await rejects(["port", "web", "81"], "error[NOT_PUBLISHED]: port 81/tcp of web is not published\n");
    await rejects(["port", "web", "80/udp"], "error[NOT_PUBLISHED]: port 80/udp of web is not published\n");
    await rejects(
      ["port", "--protocol", "udp", "web", "80"],
      "error[NOT_PUBLISHED]: port 80/udp of web is not published\n",
    );
  });

  it("rejects a port that is not a number", async () => {
    await rejects(
      ["port", "web", "http"],
      "error[BAD_OPTION]: invalid port http: expected PORT or PORT/PROTOCOL\n",
    );
  });
});

describe("bay top", () => {
  beforeEach(() => {
    const processes = { Titles: ["PID", "CMD"], Processes: [["1", "serve"], ["7"]] };
    for (const id of [web, idOf("old")]) bayd.on(`GET /containers/${id}/top`, processes);
  });

  it("shows the processes of running containers", async () => {
    const { stdout } = await run("top", "web", "db");
    expect(stdout).toBe("demo-web-1\nPID  CMD\n1    serve\n7\n");
  });

  it("prints JSON with --format json", async () => {
    expect(JSON.parse((await run("top", "--format", "json", "web")).stdout)).toEqual([
      { Name: "demo-web-1", PID: "1", CMD: "serve" },
      { Name: "demo-web-1", PID: "7", CMD: "" },
    ]);
  });
});

describe("bay stats", () => {
  const sample = {
    cpu_stats: { cpu_usage: { total_usage: 300 }, system_cpu_usage: 2000, online_cpus: 2 },
    precpu_stats: { cpu_usage: { total_usage: 100 }, system_cpu_usage: 1000 },
    memory_stats: { usage: 3 * 1024 ** 2, limit: 8 * 1024 ** 2, stats: { inactive_file: 1024 ** 2 } },
    pids_stats: { current: 4 },
    networks: { eth0: { rx_bytes: 1000, tx_bytes: 24 }, eth1: { rx_bytes: 24, tx_bytes: 1000 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { op: "read", value: 512 },
        { op: "write", value: 2048 },
        { op: "read", value: 512 },
      ],
    },
  };
  beforeEach(() => void bayd.on(`GET /containers/${web}/stats`, sample));

  it("computes percentages and sums", async () => {
    const { stdout } = await run("stats", "--no-stream", "--format", "json", "web");
    expect(JSON.parse(stdout)).toEqual({
      Container: "demo-web-1",
      Name: "demo-web-1",
      ID: web.slice(0, 12),
      CPUPerc: "40.00%",
      MemUsage: "2MiB / 8MiB",
      MemPerc: "25.00%",
      NetIO: "1KiB / 1KiB",
      BlockIO: "1KiB / 2KiB",
      PIDs: "4",
    });
  });

  it("prints one sample as a table without cutting IDs", async () => {
    const { stdout } = await run("stats", "--no-stream", "--no-trunc", "web");
    expect(stdout).toMatch(/^CONTAINER ID +NAME +CPU % +MEM USAGE/);
    expect(stdout).toContain(web);
  });
});

describe("bay images", () => {
  beforeEach(() => {
    bayd.on("GET /containers/json", [
      row("web", 1, { Image: "localhost:5000/web@sha256:12" }),
      row("db", 1, { Image: "localhost:5000/db" }),
    ]);
    bayd.on("GET /images/json", [{ Id: "sha256:web", RepoTags: [], Size: 2048 }]);
  });

  it("splits the names of images into repository and tag", async () => {
    expect((await run("images")).stdout).toBe(
      `${[
        "CONTAINER   REPOSITORY          TAG     IMAGE ID  SIZE",
        "demo-db-1   localhost:5000/db   latest  db        0B",
        "demo-web-1  localhost:5000/web  <none>  web       2KiB",
      ].join("\n")}\n`,
    );
    expect((await run("images", "-q", "web")).stdout).toBe("web\n");
    expect(JSON.parse((await run("images", "--format", "json", "web")).stdout)).toMatchObject([
      { ID: "web", Repository: "localhost:5000/web", Tag: "<none>", Size: 2048 },
    ]);
  });
});

describe("bay events", () => {
  const event = (service: string, Action: string) => ({
    Type: "container",
    Action,
    Actor: { ID: "c1", Attributes: { "com.docker.compose.service": service, name: service } },
    timeNano: 1_760_000_000_000_000_000,
  });

  it("prints the events of the services as text or JSON", async () => {
    bayd.on("GET /events", lines(event("web", "start"), event("db", "die")));
    expect((await run("events", "--until", "1760000001")).stdout).toBe(
      "2025-10-09T08:53:20.000Z container start web\n2025-10-09T08:53:20.000Z container die db\n",
    );
    expect(bayd.calls.at(-1)!.query.get("until")).toBe("1760000001");
    const { stdout } = await run("events", "--json", "--since", "1", "db");
    expect(JSON.parse(stdout)).toMatchObject({ service: "db", action: "die", id: "c1" });
  });

  it("prints the command of a client in one line without control characters", async () => {
    bayd.on("GET /events", lines(event("web", "exec_start: sh -c a\nb\x1b[2J")));
    expect((await run("events", "--until", "1760000001")).stdout).toBe(
      "2025-10-09T08:53:20.000Z container exec_start: sh -c a\\nb\\u{1b}[2J web\n",
    );
  });

  it("ends with an error if bayd stops", async () => {
    bayd.on("GET /events", (_call: Call, answer: { write: (text: string) => void; destroy: () => void }) => {
      answer.write(`${JSON.stringify(event("web", "start"))}\n`);
      setImmediate(() => answer.destroy());
    });
    const { code, stderr } = await run("events");
    expect(code).toBe(1);
    expect(stderr).toContain("error[DAEMON_LOST]: bayd stopped during the request");
  });
});

describe("bay inspect", () => {
  const other = row("other", 1, { Names: ["/other"] });
  beforeEach(() => {
    bayd.on("GET /containers/json", [row("web"), other]);
    bayd.on(`GET /containers/${web}/json`, { Id: web, State: { Pid: 12 } });
    bayd.on(`GET /containers/${other.Id}/json`, { Id: other.Id, State: { Pid: 13 } });
  });

  it("prints the details of services and of other containers", async () => {
    expect(JSON.parse((await run("inspect", "web", "other")).stdout)).toEqual([
      { Id: web, State: { Pid: 12 } },
      { Id: other.Id, State: { Pid: 13 } },
    ]);
    expect((await run("inspect", "-f", "{{.State.Pid}}", "web", "other")).stdout).toBe("12\n13\n");
  });

  it("works without a stack file", async () => {
    const { stdout } = await bay(["inspect", "-f", "{{.Id}}", "other"], { bayd, cwd: "/" });
    expect(stdout).toBe(`${other.Id}\n`);
  });

  it("finds a container of bay run by its name, and not by its service", async () => {
    const once = row("web", 2, { Names: ["/once"], labels: { "com.docker.compose.oneoff": "True" } });
    bayd.on("GET /containers/json", [row("web"), once]);
    bayd.on(`GET /containers/${once.Id}/json`, { Id: once.Id, State: { Pid: 14 } });
    expect((await run("inspect", "-f", "{{.State.Pid}}", "once", "web")).stdout).toBe("14\n12\n");
  });

  it("rejects a name without a container", async () => {
    expect((await run("inspect", "missing")).stderr).toContain(
      "error[UNKNOWN_SERVICE]: the stack demo has no service missing\n",
    );
    const { stderr } = await bay(["inspect", "missing"], { bayd, cwd: "/" });
    expect(stderr).toContain("error[CONTAINER_NOT_FOUND]: the container missing does not exist\n");
  });
});

describe("bay ls and bay volumes", () => {
  const stacks = [
    { name: "demo", running: 2, total: 2, files: "/a" },
    { name: "shop", running: 1, total: 3, files: "/b" },
    { name: "idle", running: 0, total: 1, files: "/c" },
  ];

  it("list stacks that run, or all", async () => {
    bayd.on("GET /bay/v1/stacks", stacks);
    expect((await run("ls")).stdout).toBe(
      "NAME  STATUS                      CONFIG FILES\ndemo  running(2)                  /a\nshop  running(1), not running(2)  /b\n",
    );
    expect((await run("ls", "-a", "-q", "--filter", "name=i", "--filter", "name=em")).stdout).toBe(
      "demo\nidle\n",
    );
    await rejects(["ls", "--filter", "state=x"], "error[BAD_OPTION]: --filter state=x: expected name=TEXT\n");
    bayd.on("GET /bay/v1/stacks", rejection(500, "INTERNAL", "it failed"));
    await rejects(["ls"], "error[INTERNAL]: it failed\n");
  });

  it("list the stack's volumes, or those of a service", async () => {
    writeFileSync(
      join(bayd.folder, "compose.yaml"),
      "name: demo\nservices:\n  web: {image: web:1, volumes: ['data:/data']}\nvolumes: {data: {}, more: {}}\n",
    );
    const volume = (Name: string, stack: string) => ({
      Name,
      Driver: "local",
      Mountpoint: `/v/${Name}`,
      Labels: { "com.docker.compose.project": stack },
    });
    bayd.on("GET /volumes", {
      Volumes: [volume("demo_more", "demo"), volume("demo_data", "demo"), volume("else", "shop")],
    });
    expect((await run("volumes", "-q")).stdout).toBe("demo_data\ndemo_more\n");
    expect((await run("volumes", "web")).stdout).toBe("DRIVER  VOLUME NAME\nlocal   demo_data\n");
    expect((await run("volumes", "--format", "{{.Name}} {{.Labels}}", "web")).stdout).toBe(
      "demo_data com.docker.compose.project=demo\n",
    );
    expect((await run("volumes", "wbe")).stderr).toContain("error[UNKNOWN_SERVICE]");
  });
});
