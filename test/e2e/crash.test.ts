/** bayd is killed at random moments: everything converges, nothing leaks, no line of output is lost or doubled. */
import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, COMMAND, eventually, HANGS_AFTER, type PsRow, sleep } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";
import { isLong, sampleOf } from "../support/long.ts";

/** `npm run test:long` makes more. */
const ROUNDS = Number(process.env.BAY_CRASH_ROUNDS ?? 3);

/** Runs bay without blocking, and again where bayd stopped under it. */
async function persist(bay: Bay, args: string[]): Promise<void> {
  const deadline = Date.now() + HANGS_AFTER;
  for (;;) {
    const child = spawn(process.execPath, [COMMAND, ...args], {
      cwd: join(bay.folder, "stack"),
      env: bay.env,
    });
    let text = "";
    child.stderr.on("data", (bytes) => {
      text += bytes;
    });
    const code = await new Promise<number | null>((done) => child.on("close", done));
    if (code === 0) return;
    const isLost = /bayd stopped|not running|hang up|ECONNRESET/.test(text);
    if (!isLost || Date.now() > deadline)
      throw new Error(`bay ${args.join(" ")} ended with ${code}: ${text}\n${bay.log()}`);
    await sleep(100);
  }
}

function kill(bay: Bay): void {
  try {
    process.kill(bay.daemonPid(), "SIGKILL");
  } catch {
    // it is between two lives
  }
}

describe("kill -9 of bayd", () => {
  // two at once: most of the time is waiting, and they must not meet
  const bays = [new Bay(), new Bay()];
  let before: Record<string, string>;
  const stack = (mode: string, index: number) => `
name: crash
images: { box: { rootfs: ../busybox } }
x-common: &common { image: box, command: sleep 1000, stop_grace_period: 0s, environment: { MODE: "${mode}" } }
services:
  a: { <<: *common, ports: ["1818${index}:80"], volumes: ["data:/data"] }
  b: { <<: *common, depends_on: [a], networks: [default, other] }
  c: { <<: *common, mem_limit: ${mode === "one" ? "32m" : "64m"}, environment: {} }
  d: { <<: *common, network_mode: none }
  e: { <<: *common, scale: ${mode === "one" ? 1 : 2} }
networks:
  default: { ipam: { config: [{ subnet: 10.${80 + index}.0.0/16 }] } }
  other: { ipam: { config: [{ subnet: 10.${90 + index}.0.0/16 }] } }
volumes: { data: }
`;
  beforeAll(() => {
    before = hostState();
    for (const bay of bays) bay.busybox();
  });
  afterAll(() => {
    for (const bay of bays) bay.close();
  });

  async function oneRound(bay: Bay, index: number): Promise<void> {
    for (const [mode, args] of [
      ["one", ["up", "-d"]],
      ["two", ["up", "-d"]],
      ["two", ["down", "-v", "-t", "0"]],
    ] as const) {
      bay.write(stack(mode, index));
      const done = persist(bay, [...args]);
      await sleep(Math.random() * 500);
      kill(bay);
      await done;
      // not by a call that waits: the other bay goes on meanwhile
      if (args[0] === "up")
        expect(await bay.call(["plan", "--detailed-exitcode"])).toMatchObject({ code: 0 });
      else expect((await bay.call(["ps", "-a", "--format", "json"])).out).toBe("");
    }
  }

  it(`converges over ${ROUNDS} rounds of up, change and down`, async () => {
    let left = ROUNDS;
    await Promise.all(
      bays.map(async (bay, index) => {
        while (left-- > 0) await oneRound(bay, index);
      }),
    );
    for (const bay of bays) bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});

describe("a shim that is slow to note the end", () => {
  const bay = new Bay();
  afterAll(() => bay.close());

  it("is waited for: the container has its own exit code, and not that of a kill", async () => {
    bay.busybox();
    bay.write(
      "name: slow\nimages: { box: { rootfs: ../busybox } }\nservices: { a: { image: box, command: [sh, -c, 'read line; exit 7'], stdin_open: true } }\n",
    );
    bay.ok("up", "-d");
    const [{ Pid }] = bay.ps() as [PsRow];
    const status = (pid: number) => readFileSync(`/proc/${pid}/status`, "utf8");
    const shim = Number(/^PPid:\s+(\d+)/m.exec(status(Pid))![1]);
    process.kill(shim, "SIGSTOP");
    try {
      writeFileSync(`/proc/${Pid}/fd/0`, "go\n");
      await eventually(() => expect(status(Pid)).toContain("Z (zombie)"));
      await sleep(2500); // bayd looks after its containers in between
    } finally {
      process.kill(shim, "SIGCONT");
    }
    await eventually(() => expect(bay.ps()[0]).toMatchObject({ State: "exited", ExitCode: 7 }));
  });
});

describe("a stop of bayd", () => {
  const bay = new Bay();
  afterAll(() => bay.close());

  it("also ends one that is just being brought back", async () => {
    const before = hostState();
    bay.busybox();
    bay.write(
      "name: s\nimages: { box: { rootfs: ../busybox } }\nservices: { a: { image: box, command: sleep 9 } }\n",
    );
    // the keeper waits 200 ms, and bayd listens some 150 ms later
    for (const pause of sampleOf([60, 120, 150, 180, 210, 240], 2)) {
      bay.ok("create");
      bay.ok("down");
      kill(bay);
      await sleep(pause);
      bay.ok("daemon", "stop");
      // without a keeper nothing starts another one
      await eventually(() => expect(hostState().processes).toBe(before.processes));
    }
    await eventually(() => expect(hostState()).toEqual(before));
  });
});

describe("output at full speed", () => {
  const [lineCount, kills] = isLong ? [3_000_000, 20] : [400_000, 4];
  const bay = new Bay();
  beforeAll(() => {
    bay.busybox();
    bay.write(`
name: lines
images: { box: { rootfs: ../busybox } }
services:
  count: { image: box, command: "awk 'BEGIN { for (i = 1; i <= ${lineCount}; i++) print i }'", stop_grace_period: 0s }
`);
  });
  afterAll(() => bay.close());

  it(`has every line once, in order, after ${kills} kills`, async () => {
    bay.ok("up", "-d");
    for (let count = 0; count < kills; count++) {
      await sleep(50 + Math.random() * 150);
      kill(bay);
    }
    await eventually(() => expect(bay.ps()[0]).toMatchObject({ State: "exited", ExitCode: 0 }));
    const lines = bay.ok("logs", "--no-log-prefix", "count").trimEnd().split("\n");
    expect(lines.length).toBe(lineCount);
    const wrong = lines.findIndex((line, index) => line !== String(index + 1));
    expect(wrong).toBe(-1);
    bay.ok("down", "-v");
    rmSync(join(bay.folder, "busybox"), { recursive: true });
  });
});
