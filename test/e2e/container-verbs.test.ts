/** `bay container …`, `bay run IMAGE`, `bay network create` and `bay volume create`: containers of no stack, as docker has them. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/bay.ts";
import { EngineRoom } from "../support/engine-room.ts";

describe("containers without a stack", () => {
  let room: EngineRoom;
  let cwd = "";
  beforeAll(async () => {
    room = await EngineRoom.open();
    cwd = join(room.bay.folder, "empty");
    mkdirSync(cwd);
  });
  afterAll(() => room.close());

  const run = (...words: string[]) => room.bay.run(words, { cwd });
  const ok = (...words: string[]) => {
    const { code, out, err } = run(...words);
    if (code !== 0) throw new Error(`bay ${words.join(" ")} ended with ${code}\n${out}${err}`);
    return out;
  };
  const inspect = (name: string, format: string) => ok("container", "inspect", "-f", format, name).trim();

  it("are run, shown, changed, stopped and removed by name", async () => {
    ok(
      ...[
        "container",
        "run",
        "-d",
        "--name",
        "solo",
        "-p",
        "127.0.0.1::80",
        "-h",
        "host-of-solo",
        "-c",
        "512",
      ],
      ...["--label", "k=v", "--stop-timeout", "0", "box", "sh", "-c", "echo speaks; sleep 1000"],
    );
    expect(ok("container", "ls", "--format", "{{.Names}} {{.Image}} {{.State}}")).toBe("solo box running\n");
    expect(ok("container", "ls", "-q", "--filter", "label=k=w")).toBe("");
    expect(inspect("solo", "{{.HostConfig.CpuShares}} {{.Config.Hostname}}")).toBe("512 host-of-solo");
    ok("container", "update", "--memory", "64m", "--restart", "on-failure:3", "solo");
    expect(inspect("solo", "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}")).toBe(
      `${64 << 20} 3`,
    );
    expect(run("container", "update", "solo").err).toContain("no option says what to change");
    expect(ok("container", "exec", "solo", "hostname")).toBe("host-of-solo\n");
    await eventually(() => expect(ok("container", "logs", "solo")).toBe("speaks\n"));
    expect(ok("container", "port", "solo")).toMatch(/^80\/tcp -> 127\.0\.0\.1:\d+\n$/);
    expect(ok("container", "top", "solo")).toContain("sleep 1000");
    expect(ok("container", "stats", "--no-stream", "solo")).toContain("solo");
    ok("container", "exec", "solo", "touch", "/made");
    expect(ok("container", "diff", "solo")).toContain("A /made");
    ok("container", "pause", "solo");
    expect(inspect("solo", "{{.State.Status}}")).toBe("paused");
    ok("container", "unpause", "solo");
    ok("container", "rename", "solo", "other");
    ok("container", "restart", "other");
    ok("container", "stop", "-t", "0", "other");
    expect(ok("container", "wait", "other")).toMatch(/^\d+\n$/);
    ok("container", "start", "other");
    expect(run("container", "rm", "other").err).toContain("running");
    expect(ok("container", "rm", "-f", "-v", "other")).toBe("other\n");
    expect(run("container", "rm", "other")).toMatchObject({
      code: 1,
      err: expect.stringContaining("the container other does not exist"),
    });
    ok("container", "create", "--name", "made", "box", "sh", "-c", "echo out; exit 5");
    expect(run("container", "start", "-a", "made")).toMatchObject({ code: 5, out: "out\n" });
    ok("container", "prune", "-f");
    expect(ok("container", "ls", "-aq")).toBe("");
  });

  it("join and leave networks and use volumes that belong to no stack", () => {
    ok("network", "create", "--subnet", "10.214.6.0/24", "--label", "a=b", "own");
    expect(ok("volume", "create", "kept", "--label", "a=b")).toBe("kept\n");
    ok(
      "container",
      "run",
      "-d",
      "--name",
      "joined",
      "-v",
      "kept:/data",
      "--stop-timeout",
      "0",
      "box",
      "sleep",
      "1000",
    );
    ok("network", "connect", "--alias", "nick", "--ip", "10.214.6.9", "own", "joined");
    expect(ok("run", "--rm", "--network", "own", "box", "ping", "-c1", "nick")).toContain("10.214.6.9");
    ok("network", "disconnect", "own", "joined");
    expect(run("container", "run", "--rm", "--network", "own", "box", "ping", "-c1", "nick").code).not.toBe(
      0,
    );
    expect(run("network", "create", "--ingress", "x").err).toContain("swarm mode");
    ok("container", "rm", "-f", "joined");
    ok("network", "rm", "own");
    ok("volume", "rm", "kept");
  });

  it("are run by bay run if the name is not a service, with the options of docker run", () => {
    expect(
      run("run", "--rm", "--memory", "64m", "-e", "A=1", "box", "sh", "-c", "echo $A; exit 4"),
    ).toMatchObject({
      code: 4,
      out: "1\n",
    });
    expect(run("run", "--build", "box", "true").err).toContain("--build works only with a service");
    room.bay.write(
      "name: st\nservices:\n  web: { image: box, command: 'true', environment: { A: service } }\n",
    );
    expect(room.bay.ok("run", "--rm", "web", "sh", "-c", "echo $A")).toBe("service\n");
    expect(room.bay.ok("run", "--rm", "box", "sh", "-c", "echo image$A")).toBe("image\n");
    expect(room.bay.run(["run", "--memory", "64m", "web", "true"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("--memory works only with an image, and web is a service"),
    });
    expect(room.bay.run(["run", "--rm", "--pull", "never", "wbe", "true"]).err).toContain(
      "the services are: web",
    );
    // in the group container, a name is never that of a service
    expect(room.bay.run(["container", "stop", "web"]).err).toContain("the container web does not exist");
    room.bay.ok("down");
  });

  it("are in the way of a stack's name or port, which the plan and up tell", () => {
    ok(
      "container",
      "run",
      "-d",
      "--name",
      "taken-web-1",
      "-p",
      "127.0.0.1:18099:80",
      "--stop-timeout",
      "0",
      "box",
      "sleep",
      "1000",
    );
    room.bay.write(
      "name: taken\nservices:\n  web: { image: box, command: sleep 1000, stop_grace_period: 0s }\n",
    );
    const before = inspect("taken-web-1", "{{.Id}} {{.State.StartedAt}}");
    for (const words of [["plan"], ["up", "-d"]]) {
      const { code, out, err } = room.bay.run(words);
      expect([words, code]).toEqual([words, 1]);
      expect(out + err).toMatch(/taken-web-1/);
    }
    room.bay.write(
      "name: taken\nservices:\n  db: { image: box, command: sleep 1000, stop_grace_period: 0s, ports: ['127.0.0.1:18099:80'] }\n",
    );
    for (const words of [["plan"], ["up", "-d"]]) {
      const { code, out, err } = room.bay.run(words);
      expect([words, code]).toEqual([words, 1]);
      expect(out + err).toMatch(/18099.*taken-web-1/s);
    }
    room.bay.run(["down", "-v"]);
    expect(inspect("taken-web-1", "{{.Id}} {{.State.StartedAt}}")).toBe(before);
    ok("container", "rm", "-f", "taken-web-1");
  });
});
