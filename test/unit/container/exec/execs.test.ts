/** Commands in running containers: their streams, ends, refusals, health probes and hooks, over a recording kernel. */
import { existsSync, rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Exec, ExecConfig } from "../../../../src/container/exec/exec.ts";
import { execProgramFile } from "../../../../src/container/exec/left-execs.ts";
import type { ContainerRecord } from "../../../../src/container/index.ts";
import { loadBay, UnitBay, unloadBay } from "../../../support/unit-bay.ts";

let bay: UnitBay;
let modules: Awaited<ReturnType<typeof loadBay>>;
beforeAll(async () => {
  modules = await loadBay();
});
afterAll(unloadBay);
beforeEach(async () => {
  bay = await UnitBay.start();
});
afterEach(() => bay.stop());

const CONFIG: ExecConfig = {
  args: ["tool"],
  env: [],
  user: undefined,
  workdir: undefined,
  tty: false,
  attachStdin: false,
  privileged: false,
  consoleSize: undefined,
};

function makeExec(record: ContainerRecord, rest: Partial<ExecConfig> = {}): Exec {
  const exec = new modules.container.Exec(bay.manager, record, { ...CONFIG, ...rest }, "client");
  bay.manager.execs.track(exec);
  return exec;
}

async function run(record: ContainerRecord, rest: Partial<ExecConfig> = {}) {
  const exec = makeExec(record, rest);
  const output: [number, string][] = [];
  exec.on("output", (stream: number, bytes: Buffer) => output.push([stream, bytes.toString()]));
  const ended = new Promise<number>((resolve) => exec.once("end", resolve));
  await exec.start();
  return { exec, output, exitCode: await ended };
}

describe("an exec", () => {
  it("passes on both streams and the exit code, and leaves no cgroup and no program", async () => {
    bay.kernel.command("tool", (process) => {
      process.print("out\n");
      process.print("err\n", "stderr");
      process.exit(4);
    });
    const record = await bay.running();
    const { exec, output, exitCode } = await run(record);
    expect(exitCode).toBe(4);
    expect(output.sort()).toEqual([
      [1, "out\n"],
      [2, "err\n"],
    ]);
    expect(exec).toMatchObject({ running: false, exitCode: 4, isActive: false });
    expect(existsSync(execProgramFile(bay.manager, exec.id.slice(0, 16)))).toBe(false);
    await bay.until(() => bay.manager.cgroupOf(record.id).groupsBelow().length === 0);
  });

  it("has the container's environment and its own, where a name without a value is removed", async () => {
    bay.kernel.command("tool", (process) => process.exit(0));
    const record = await bay.running("image: app\nenvironment: { KEPT: '1', CHANGED: old, GONE: x }");
    const env: string[] = [];
    bay.kernel.command("tool", (process) => {
      env.push(...process.process.env);
      process.exit(0);
    });
    await run(record, { env: ["CHANGED=new", "GONE"], workdir: "/srv" });
    expect(env).toEqual(expect.arrayContaining(["KEPT=1", "CHANGED=new"]));
    expect(env.some((entry) => entry.startsWith("GONE"))).toBe(false);
    expect(env).not.toContain("CHANGED=old");
  });

  it("reads the client's input to its end", async () => {
    const record = await bay.running();
    const exec = makeExec(record, { attachStdin: true });
    const ended = new Promise<number>((resolve) => exec.once("end", resolve));
    await exec.start();
    const process = await bay.kernel.next("tool");
    exec.write(Buffer.from("hello"));
    await bay.until(() => process.input === "hello");
    exec.endInput();
    await bay.until(() => process.isInputOver);
    process.exit(0);
    expect(await ended).toBe(0);
  });

  it("with a privileged command has all capabilities and no seccomp filter", async () => {
    bay.kernel.command("tool", (process) => process.exit(0));
    const record = await bay.running();
    await run(record);
    await run(record, { privileged: true });
    const [plain, privileged] = [...bay.kernel.processes.values()].filter(({ args }) => args[0] === "tool");
    const boundsOf = (each: typeof plain) => each!.process.capabilities?.bounding ?? [];
    expect(boundsOf(privileged)).toContain("CAP_SYS_ADMIN");
    expect(boundsOf(plain)).not.toContain("CAP_SYS_ADMIN");
    expect((privileged!.request as { seccomp?: unknown }).seccomp).toBeUndefined();
    expect((plain!.request as { seccomp?: unknown }).seccomp).toBeDefined();
  });

  it("that cannot be executed has the exit code of the kernel's answer, and leaves no cgroup", async () => {
    const record = await bay.running();
    bay.kernel.refuse("tool", () => new modules.door.StartError("the command tool does not exist", 127));
    const exec = makeExec(record);
    await expect(exec.start()).rejects.toMatchObject({ code: "START_FAILED", exitCode: 127 });
    expect(exec.isActive).toBe(false);
    await bay.until(() => bay.manager.cgroupOf(record.id).groupsBelow().length === 0);
  });

  it("runs only once", async () => {
    bay.kernel.command("tool", (process) => process.exit(0));
    const record = await bay.running();
    const { exec } = await run(record);
    await expect(exec.start()).rejects.toMatchObject({ code: "EXEC_STARTED" });
  });

  it("of a container that has ended is refused", async () => {
    const record = await bay.running();
    const exec = makeExec(record);
    await bay.manager.stop(record.id);
    await expect(exec.start()).rejects.toMatchObject({ code: "NOT_RUNNING" });
  });

  it("ends with its container", async () => {
    const record = await bay.running();
    const exec = makeExec(record);
    const ended = new Promise<number>((resolve) => exec.once("end", resolve));
    await exec.start();
    await bay.manager.stop(record.id);
    expect(await ended).toBe(137);
  });

  it("whose shim was killed ends with the code of SIGKILL", async () => {
    const record = await bay.running();
    const exec = makeExec(record);
    const ended = new Promise<number>((resolve) => exec.once("end", resolve));
    await exec.start();
    const process = await bay.kernel.next("tool");
    bay.kernel.loseShim(process);
    process.exit(0);
    expect(await ended).toBe(137);
  });
});

describe("the end of an exec", () => {
  it("is reported even if another program has removed the files of bayd", async () => {
    const record = await bay.running();
    const exec = makeExec(record);
    const ended = new Promise<number>((resolve) => exec.once("end", resolve));
    await exec.start();
    const process = await bay.kernel.next("tool");
    const file = execProgramFile(bay.manager, exec.id.slice(0, 16));
    process.handlers.set(1, () => {
      process.exit(0);
      rmSync(file);
    });
    modules.door.signalProcess(process.pid, process.pid, 1);
    expect(await ended).toBe(137);
  });
});

describe("execs that an earlier bayd started", () => {
  it("of a client continue, and their end removes what is left", async () => {
    const record = await bay.running();
    await makeExec(record).start();
    const process = await bay.kernel.next("tool");
    await bay.restart();
    expect(process.isAlive).toBe(true);
    process.exit(0);
    const cgroup = bay.manager.cgroupOf(record.id);
    await bay.until(() => cgroup.groupsBelow().length === 0);
  });

  it("of bayd itself are ended", async () => {
    const record = await bay.running(
      "image: app\nhealthcheck: { test: [CMD, probe], interval: 1ms, timeout: 1h }",
    );
    const probe = await bay.kernel.next("probe");
    await bay.restart();
    await bay.until(() => !probe.isAlive);
    expect(bay.manager.get(record.id).state.status).toBe("running");
  });
});

describe("a health check", () => {
  const CHECK = "image: app\nhealthcheck: { test: [CMD, probe], interval: 1ms, timeout: 1h, retries: 2 }";

  it("makes a container healthy by its first success", async () => {
    bay.kernel.command("probe", (process) => {
      process.print("fine\n");
      process.exit(0);
    });
    const record = await bay.running(CHECK);
    expect(bay.manager.health(record.id)).toBe("starting");
    await bay.until(() => bay.manager.health(record.id) === "healthy");
    expect(bay.manager.sessions.health(record.id)!.log[0]).toMatchObject({ exitCode: 0, output: "fine\n" });
    expect(bay.actions()).toContain("health_status: healthy");
  });

  it("makes it unhealthy after its failures in a row, and healthy again by one success", async () => {
    let code = 1;
    bay.kernel.command("probe", (process) => process.exit(code));
    const record = await bay.running(CHECK);
    await bay.until(() => bay.manager.health(record.id) === "unhealthy");
    expect(bay.manager.sessions.health(record.id)!.failingStreak).toBeGreaterThanOrEqual(2);
    code = 0;
    await bay.until(() => bay.manager.health(record.id) === "healthy");
    expect(bay.manager.sessions.health(record.id)!.failingStreak).toBe(0);
  });

  it("keeps the last five results", async () => {
    let count = 0;
    bay.kernel.command("probe", (process) => {
      count += 1;
      process.exit(0);
    });
    const record = await bay.running(CHECK);
    await bay.until(() => count > 7);
    expect(bay.manager.sessions.health(record.id)!.log.length).toBe(5);
  });

  it("whose probe takes too long is killed and fails", async () => {
    const record = await bay.running(CHECK.replace("1h", "1ms"));
    await bay.until(() => bay.manager.health(record.id) === "unhealthy");
    expect(bay.manager.sessions.health(record.id)!.log.at(-1)).toMatchObject({
      exitCode: -1,
      output: "it took longer than 1 ms",
    });
  });

  it("does not run while the container is paused, and ends with it", async () => {
    let count = 0;
    bay.kernel.command("probe", (process) => {
      count += 1;
      process.exit(0);
    });
    const record = await bay.running(CHECK);
    await bay.until(() => count > 0);
    await bay.manager.pause(record.id, true);
    expect(bay.manager.health(record.id)).toBe("none");
    await bay.manager.pause(record.id, false);
    await bay.until(() => bay.manager.health(record.id) === "healthy");
    await bay.manager.stop(record.id);
    expect(bay.manager.health(record.id)).toBe("none");
  });

  it("is hurried by a client that waits, and failures of early probes do not count", async () => {
    let code = 1;
    let count = 0;
    bay.kernel.command("probe", (process) => {
      count += 1;
      process.exit(code);
    });
    const record = await bay.running(
      "image: app\nhealthcheck: { test: [CMD-SHELL, probe], interval: 1h, retries: 1 }",
    );
    bay.kernel.command("/bin/sh", (process) => {
      count += 1;
      process.exit(code);
    });
    bay.manager.sessions.health(record.id)!.hurry();
    await bay.until(() => count >= 2);
    expect(bay.manager.health(record.id)).toBe("starting");
    code = 0;
    await bay.until(() => bay.manager.health(record.id) === "healthy");
    expect(bay.kernel.calls).toContain("exec /bin/sh -c probe");
  });
});

describe("hooks", () => {
  const hooked = (line: string) => `image: app\n${line}`;

  it("run after the start, one after the other, as their user", async () => {
    for (const name of ["first", "second"]) bay.kernel.command(name, (process) => process.exit(0));
    await bay.running(
      hooked("post_start: [{ command: [first], user: '7:8' }, { command: [second], environment: { A: b } }]"),
    );
    expect(bay.kernel.calls).toEqual(expect.arrayContaining(["launch serve", "exec first", "exec second"]));
    const [first, second] = ["first", "second"].map(
      (name) => [...bay.kernel.processes.values()].find(({ args }) => args[0] === name)!,
    );
    expect(first!.process.user).toMatchObject({ uid: 7, gid: 8 });
    expect(second!.process.env).toContain("A=b");
  });

  it("that fail after the start are reported with their output, and the container runs on", async () => {
    bay.kernel.command("first", (process) => {
      process.print("no database\n");
      process.exit(2);
    });
    const record = await bay.create(hooked("post_start: [{ command: [first] }, { command: [second] }]"));
    await expect(bay.manager.start(record.id)).rejects.toMatchObject({
      code: "HOOK_FAILED",
      message: expect.stringMatching(/post_start hook first ended with exit code 2\n {2}no database/),
    });
    expect(record.state.status).toBe("running");
    expect(record.state.error).toContain("no database");
    expect(bay.kernel.calls).not.toContain("exec second");
  });

  it("of a container that is paused meanwhile do not keep the client waiting", async () => {
    const record = await bay.create(hooked("post_start: [{ command: [first] }]"));
    const start = bay.manager.start(record.id);
    await bay.kernel.next("first");
    const paused = bay.manager.pause(record.id, true);
    await expect(start).rejects.toMatchObject({ code: "CONTAINER_PAUSED" });
    await paused;
    await bay.manager.pause(record.id, false);
  });

  it("run before the stop, and their failure does not prevent it", async () => {
    bay.kernel.command("last", (process) => process.exit(1));
    const record = await bay.running(hooked("pre_stop: [{ command: [last] }]"));
    await bay.manager.stop(record.id);
    expect(bay.kernel.calls).toContain("exec last");
    expect(record.state.status).toBe("exited");
    expect(bay.warnings).toEqual([expect.stringContaining("the pre_stop hook last ended with exit code 1")]);
  });

  it("run again after a restart by the policy", async () => {
    let count = 0;
    bay.kernel.command("first", (process) => {
      count += 1;
      process.exit(0);
    });
    await bay.running(hooked("restart: always\npost_start: [{ command: [first] }]"));
    bay.kernel.running("serve")[0]!.exit(0);
    await bay.until(() => count === 2);
  });
});

describe("a container's input", () => {
  it("reaches the command, and ends with its only client", async () => {
    const record = await bay.create("image: app\nstdin_open: true", { stdinOnce: true });
    expect(bay.manager.sessions.writeInput(record, Buffer.from("early "))).toBe(true);
    await bay.manager.start(record.id);
    const process = await bay.kernel.next("serve");
    bay.manager.sessions.writeInput(record, Buffer.from("late"));
    await bay.until(() => process.input === "early late");
    expect(bay.manager.sessions.inputWaiting(record.id)).toBe(0);
    bay.manager.sessions.endInput(record);
  });

  it("does not exist without stdin_open", async () => {
    const record = await bay.running();
    expect(bay.manager.sessions.writeInput(record, Buffer.from("x"))).toBe(false);
  });
});
