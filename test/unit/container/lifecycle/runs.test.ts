/** The life of containers over a recording kernel: start, end, restart policy, stop, kill, pause. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BayError } from "../../../../src/core/errors.ts";
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

const startError = (message: string, exitCode: number) => () =>
  new modules.door.StartError(message, exitCode);

describe("a start", () => {
  it("launches the image's command, records the process, and publishes the event", async () => {
    const record = await bay.running();
    const [process] = bay.kernel.running("serve");
    expect(record.state).toMatchObject({ status: "running", pid: process!.pid, shimPid: process!.shimPid });
    expect(process!.process.env).toContain("PATH=/bin");
    expect(bay.actions()).toEqual(["create", "start"]);
    expect(bay.kernel.cgroups.paths()).toContain(`/bay-${bay.roots.tag}/${record.id.slice(0, 16)}`);
  });

  it("does nothing if the container runs already", async () => {
    const record = await bay.running();
    await bay.manager.start(record.id);
    expect(bay.kernel.calls).toEqual(["launch serve"]);
  });

  it("that fails reports the reason, keeps the exit code, and leaves nothing", async () => {
    bay.kernel.refuse("serve", startError("the command serve does not exist in the container", 127));
    const record = await bay.create();
    await expect(bay.manager.start(record.id)).rejects.toMatchObject({
      code: "START_FAILED",
      message: expect.stringContaining("does not exist in the container"),
    });
    expect(record.state).toMatchObject({ status: "created", exitCode: 127, pid: 0 });
    expect(record.state.error).toContain("does not exist");
    expect(bay.kernel.cgroups.paths()).not.toContain(`/bay-${bay.roots.tag}/${record.id.slice(0, 16)}`);
    bay.kernel.allow("serve");
    await bay.manager.start(record.id);
    expect(record.state).toMatchObject({ status: "running", error: "" });
  });

  it("fails if the kernel refuses a limit, and the next one works", async () => {
    const record = await bay.create();
    bay.kernel.cgroups.refusal = () => new BayError("CGROUP_LIMIT", "the kernel refused mem_limit = 1");
    await expect(bay.manager.start(record.id)).rejects.toMatchObject({ code: "CGROUP_LIMIT" });
    expect(record.state).toMatchObject({ status: "created", exitCode: 128 });
    bay.kernel.cgroups.refusal = undefined;
    await bay.manager.start(record.id);
    expect(record.state.status).toBe("running");
  });

  it.each([
    ["networkMode", "container:other", "NETWORK_OWNER"],
    ["pidMode", "container:other", "PID_OWNER"],
    ["ipcMode", "container:other", "IPC_OWNER"],
  ])("with %s of a container that does not run fails", async (key, value, code) => {
    const record = await bay.create("image: app", { [key]: value });
    await expect(bay.manager.start(record.id)).rejects.toMatchObject({ code });
  });

  it("joins the namespaces of another container", async () => {
    const owner = await bay.running("image: app", { name: "owner" });
    const shared = "container:owner" as const;
    await bay.running("image: app\ncommand: [beside]", {
      name: "beside",
      networkMode: shared,
      pidMode: shared,
      ipcMode: shared,
    });
    const [process] = bay.kernel.running("beside");
    const { namespaces } = (process!.request as { spec: import("../../../../src/linux/index.ts").Spec }).spec
      .linux;
    const pathOf = (type: string) => namespaces.find((each) => each.type === type)?.path;
    expect(pathOf("network")).toBe(`/proc/${owner.state.pid}/ns/net`);
    expect(pathOf("pid")).toBe(`/proc/${owner.state.pid}/ns/pid`);
    expect(pathOf("ipc")).toBe(`/proc/${owner.state.pid}/ns/ipc`);
  });

  it("collects the output of the command", async () => {
    bay.kernel.command("serve", (process) => {
      process.print("one\n");
      process.print("two\n", "stderr");
      process.exit(0);
    });
    const record = await bay.running();
    await bay.until(() => record.state.status === "exited");
    const directory = modules.container.logDirectory(bay.manager, record.id);
    const lines = [...new modules.container.LogReader(directory).read(true)];
    expect(lines.map(({ stream, bytes }) => [stream, bytes.toString()])).toEqual(
      expect.arrayContaining([
        [0, "one\n"],
        [1, "two\n"],
      ]),
    );
  });
});

describe("a start that waits for the files of a watch", () => {
  /** `begun` gets the signal that ends the wait. */
  const waiting = async (begun: (signal: AbortSignal) => void = () => {}) => {
    bay.manager.beforeStart = () => (signal) => {
      begun(signal);
      return new Promise<void>(() => {});
    };
    const record = await bay.create();
    const started = bay.manager.start(record.id);
    started.catch(() => {});
    await bay.until(() => bay.manager.waitingForFiles.has(record.id));
    return { record, started };
  };

  it.each<[string, (id: string) => unknown]>([
    ["stop", (id) => bay.manager.stop(id)],
    ["stop without a grace period", (id) => bay.manager.stop(id, 0)],
    ["SIGKILL", (id) => bay.manager.kill(id, 9)],
    ["removal", (id) => bay.manager.remove(id, { volumes: true })],
    ["forced removal", (id) => bay.manager.remove(id, { volumes: true, force: true })],
    ["shutdown of the host", () => bay.manager.shutDown(undefined, () => {})],
  ])("is interrupted by a %s", async (verb, end) => {
    let signal: AbortSignal | undefined;
    const { record, started } = await waiting((given) => {
      signal = given;
    });
    await end(record.id);
    await expect(started).rejects.toMatchObject({
      code: "START_FAILED",
      message: expect.stringContaining("it was stopped while it waited for the files"),
    });
    expect(signal?.aborted).toBe(true);
    expect(bay.kernel.running("serve")).toEqual([]);
    expect(bay.manager.waitingForFiles.has(record.id)).toBe(false);
    if (verb.includes("removal")) expect(bay.manager.find(record.id)).toBeUndefined();
    else expect(record.state).toMatchObject({ status: "created", exitCode: 137, pid: 0 });
    // its turn has ended
    await bay.manager.fileTurns.run(record.id, async () => {});
  });

  it("ends when its process is killed", async () => {
    const { record, started } = await waiting();
    bay.kernel.running("serve")[0]!.die(9);
    await expect(started).rejects.toThrow();
    expect(record.state.status).toBe("created");
  });

  it("continues without the files after the longest time", async () => {
    Object.assign(bay.manager.waitingForFiles, { longest: 1 });
    const warnings: string[] = [];
    bay.manager.on("warning", (text: string) => warnings.push(text));
    bay.manager.beforeStart = () => () => new Promise<void>(() => {});
    const record = await bay.running();
    expect(record.state.status).toBe("running");
    expect(warnings).toContainEqual(expect.stringContaining("did not send all files in time"));
  });

  it("leaves no turn if the question to the sessions fails", async () => {
    bay.manager.beforeStart = () => {
      throw new Error("no sessions");
    };
    const record = await bay.create();
    await expect(bay.manager.start(record.id)).rejects.toThrow("no sessions");
    bay.manager.beforeStart = undefined;
    await bay.manager.start(record.id);
    expect(record.state.status).toBe("running");
  });

  it("keeps its volumes in use", async () => {
    bay.manager.beforeStart = () => () => new Promise<void>(() => {});
    const record = await bay.create("image: app\nvolumes: [/data]");
    const started = bay.manager.start(record.id);
    started.catch(() => {});
    await bay.until(() => bay.manager.waitingForFiles.has(record.id));
    const volume = record.anonymousVolumes[0]!;
    const { Readable } = await import("node:stream");
    const restored = modules.container.restoreVolume(
      bay.manager,
      volume,
      { force: false, devices: false },
      Readable.from([]),
      () => true,
    );
    await expect(restored).rejects.toMatchObject({ code: "VOLUME_IN_USE" });
    await bay.manager.stop(record.id);
  });
});

describe("an end", () => {
  it("is recorded with the exit code, and removes the cgroup and the program", async () => {
    const record = await bay.running();
    const end = bay.manager.waitForEnd(record.id);
    bay.kernel.running("serve")[0]!.exit(3);
    expect(await end).toBe(3);
    expect(record.state).toMatchObject({ status: "exited", exitCode: 3, pid: 0, shimPid: 0 });
    expect(bay.actions()).toEqual(["create", "start", "die"]);
    const run = join(bay.roots.run, "containers", record.id.slice(0, 16));
    expect(existsSync(join(run, "program"))).toBe(false);
    expect(await bay.manager.waitForEnd(record.id)).toBe(3);
  });

  it("by a signal has the code 128 and the signal's number", async () => {
    const record = await bay.running();
    bay.kernel.running("serve")[0]!.die(11);
    await bay.until(() => record.state.status === "exited");
    expect(record.state).toMatchObject({ exitCode: 139, signal: 11, oomKilled: false });
  });

  it("for want of memory is recorded and published", async () => {
    const record = await bay.running();
    bay.kernel.cgroups.oomKill(bay.manager.cgroupOf(record.id).path);
    bay.kernel.running("serve")[0]!.die(9);
    await bay.until(() => record.state.status === "exited");
    expect(record.state).toMatchObject({ exitCode: 137, oomKilled: true });
    expect(bay.actions()).toEqual(["create", "start", "oom", "die"]);
  });

  it("of a process whose shim was killed is found by the pass, with the code of SIGKILL", async () => {
    const record = await bay.running();
    const [process] = bay.kernel.running("serve");
    bay.kernel.loseShim(process!);
    process!.exit(0);
    expect(record.state.status).toBe("running");
    await bay.manager.observe(true);
    expect(record.state).toMatchObject({ status: "exited", exitCode: 137 });
  });

  it("comes while the start has not been recorded yet", async () => {
    bay.kernel.command("serve", (process) => process.exit(7));
    const record = await bay.running();
    await bay.until(() => record.state.status === "exited");
    expect(record.state.exitCode).toBe(7);
  });

  it("of a container with autoRemove removes it", async () => {
    const record = await bay.running("image: app", { autoRemove: true });
    bay.kernel.running("serve")[0]!.exit(0);
    await bay.until(() => bay.manager.find(record.id) === undefined);
    expect(existsSync(modules.container.containerDirectory(bay.manager, record.id))).toBe(false);
    expect(bay.actions()).toContain("destroy");
  });
});

describe("the restart policy", () => {
  it("always starts a container again after a success", async () => {
    const record = await bay.running("image: app\nrestart: always");
    const [first] = bay.kernel.running("serve");
    first!.exit(0);
    await bay.until(() => bay.kernel.running("serve").length > 0 && record.state.status === "running");
    expect(record.state.pid).not.toBe(first!.pid);
    expect(record.state.restartCount).toBe(1);
  });

  it("on-failure leaves a success alone, and gives up after the last attempt", async () => {
    const record = await bay.create("image: app\nrestart: on-failure:2");
    bay.kernel.command("serve", (process) => process.exit(1));
    await bay.manager.start(record.id);
    await bay.until(() => record.state.status === "exited" && record.state.restartCount === 2);
    expect(bay.kernel.calls.filter((call) => call === "launch serve")).toHaveLength(3);
    bay.kernel.command("serve", (process) => process.exit(0));
    await bay.manager.start(record.id);
    await bay.until(() => record.state.status === "exited");
    expect(record.state).toMatchObject({ restartCount: 0, exitCode: 0 });
  });

  it("tries again if a restart itself fails", async () => {
    const record = await bay.running("image: app\nrestart: always");
    bay.kernel.refuse("serve", startError("mount /proc: EPERM", 125));
    bay.kernel.running("serve")[0]!.exit(1);
    await bay.until(() => record.state.restartCount >= 2);
    expect(record.state).toMatchObject({ status: "restarting" });
    bay.kernel.allow("serve");
    await bay.until(() => record.state.status === "running");
  });

  it("never starts a container that a user stopped", async () => {
    const record = await bay.running("image: app\nrestart: always");
    await bay.manager.stop(record.id);
    expect(record.state).toMatchObject({ status: "exited", wanted: "stopped" });
    await bay.manager.observe(true);
    expect(bay.kernel.running("serve")).toEqual([]);
  });

  it("is cancelled by a stop while the container waits for its restart", async () => {
    const record = await bay.running("image: app\nrestart: always");
    bay.kernel.refuse("serve", startError("no", 125));
    bay.kernel.running("serve")[0]!.exit(1);
    await bay.until(() => record.state.status === "restarting");
    await bay.manager.stop(record.id);
    expect(record.state).toMatchObject({ status: "exited", wanted: "stopped" });
  });
});

describe("a stop", () => {
  it("sends SIGTERM, and waits for the end", async () => {
    const record = await bay.running();
    const [process] = bay.kernel.running("serve");
    process!.handlers.set(15, () => process!.exit(0));
    await bay.manager.stop(record.id);
    expect(process!.received).toEqual([15]);
    expect(record.state).toMatchObject({ status: "exited", exitCode: 0 });
    expect(bay.actions()).toEqual(["create", "start", "kill", "die", "stop"]);
  });

  it("sends the container's own signal, or that of the request", async () => {
    const record = await bay.running("image: app\nstop_signal: SIGQUIT");
    const [first] = bay.kernel.running("serve");
    await bay.manager.stop(record.id);
    expect(first!.received).toEqual([3]);
    await bay.manager.start(record.id);
    const [second] = bay.kernel.running("serve");
    await bay.manager.stop(record.id, 5000, 2);
    expect(second!.received).toEqual([2]);
  });

  it("kills what does not end within the grace period", async () => {
    const record = await bay.running();
    const [process] = bay.kernel.running("serve");
    process!.handlers.set(15, () => {});
    await bay.manager.stop(record.id, 1);
    expect(process!.received).toEqual([15, 9]);
    expect(record.state.exitCode).toBe(137);
  });

  it("without a grace period does not wait for a slower one", async () => {
    const record = await bay.running();
    bay.kernel.running("serve")[0]!.handlers.set(15, () => {});
    const slow = bay.manager.stop(record.id, 3_600_000);
    await bay.until(() => bay.actions().includes("kill"));
    await bay.manager.stop(record.id, 0);
    await slow;
    expect(record.state.status).toBe("exited");
  });

  it("thaws a paused container", async () => {
    const record = await bay.running();
    await bay.manager.pause(record.id, true);
    await bay.manager.stop(record.id);
    expect(record.state.status).toBe("exited");
  });

  it("of all containers at a shutdown keeps those in restart that should come back", async () => {
    const kept = await bay.running("image: app\nrestart: always", { name: "kept" });
    const once = await bay.running("image: app", { name: "once" });
    const failures: unknown[] = [];
    const stopped = await bay.manager.shutDown(1000, (error) => failures.push(error));
    expect(stopped.sort()).toEqual(["kept", "once"]);
    expect(failures).toEqual([]);
    expect([kept.state.status, once.state.status]).toEqual(["restarting", "exited"]);
  });
});

describe("a kill", () => {
  it("with the stop signal counts as a stop by the user", async () => {
    const record = await bay.running("image: app\nrestart: always");
    bay.manager.kill(record.id, 9);
    await bay.until(() => record.state.status === "exited");
    expect(record.state.wanted).toBe("stopped");
  });

  it("with another signal does not", async () => {
    const record = await bay.running();
    const [process] = bay.kernel.running("serve");
    process!.handlers.set(1, () => {});
    bay.manager.kill(record.id, 1);
    expect(process!.received).toEqual([1]);
    expect(record.state).toMatchObject({ status: "running", wanted: "running" });
  });

  it("of a container that does not run is refused", async () => {
    const record = await bay.create();
    expect(() => bay.manager.kill(record.id, 9)).toThrow(expect.objectContaining({ code: "NOT_RUNNING" }));
  });

  it("with SIGKILL ends a paused container", async () => {
    const record = await bay.running();
    await bay.manager.pause(record.id, true);
    bay.manager.kill(record.id, 9);
    await bay.until(() => record.state.status === "exited");
    expect(record.state.exitCode).toBe(137);
  });
});

describe("a restart by a user", () => {
  it("stops and starts, and is announced while it lasts", async () => {
    const record = await bay.running();
    const [before] = bay.kernel.running("serve");
    let isBetween = false;
    before!.handlers.set(15, () => {
      isBetween = bay.manager.isBetweenStopAndStart(record.id);
      before!.exit(0);
    });
    await bay.manager.restart(record.id);
    expect(isBetween).toBe(true);
    expect(bay.manager.isBetweenStopAndStart(record.id)).toBe(false);
    expect(bay.kernel.running("serve")[0]!.pid).not.toBe(before!.pid);
    expect(bay.actions().at(-1)).toBe("restart");
  });
});

describe("a removal", () => {
  it("of a running container is refused, unless it is forced", async () => {
    const record = await bay.running();
    await expect(bay.manager.remove(record.id, { volumes: true })).rejects.toMatchObject({
      code: "IS_RUNNING",
    });
    await bay.manager.remove(record.id, { volumes: true, force: true });
    expect(bay.manager.find(record.id)).toBeUndefined();
    expect(bay.kernel.running("serve")).toEqual([]);
  });
});

describe("files of a container", () => {
  it("name its host and its addresses", async () => {
    const record = await bay.running("image: app\nhostname: box\nextra_hosts: ['db:10.1.2.3']");
    const etc = join(modules.container.containerDirectory(bay.manager, record.id), "etc");
    expect(readFileSync(join(etc, "hostname"), "utf8")).toBe("box\n");
    expect(readFileSync(join(etc, "hosts"), "utf8")).toContain("10.1.2.3\tdb");
  });
});

describe("volumes_from", () => {
  const from = (container: string) => ({ volumesFrom: [{ container, readOnly: true }] });

  it("mounts the anonymous volumes of another container, unless the path has a mount", async () => {
    const owner = await bay.create("image: app\nvolumes: [/data, /other]", { name: "owner" });
    const user = await bay.create("image: app\nvolumes: ['/etc:/other']", {
      name: "user",
      ...from("owner"),
    });
    const volumeAt = (path: string) => owner.config.mounts.find(({ target }) => target === path);
    expect(user.config.mounts.find(({ target }) => target === "/data")).toMatchObject({
      source: (volumeAt("/data") as { source: string }).source,
      readOnly: true,
      from: "owner",
    });
    expect(user.config.mounts.filter(({ target }) => target === "/other")).toHaveLength(1);
    expect(user.anonymousVolumes).toEqual([]);
  });

  it("of a container that does not exist is refused, and leaves nothing", async () => {
    await expect(bay.create("image: app", from("none"))).rejects.toMatchObject({ code: "VOLUMES_FROM" });
    expect(bay.manager.list()).toEqual([]);
  });
});
