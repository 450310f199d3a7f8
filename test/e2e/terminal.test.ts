/** The client's terminal: full-screen programs look as they do without bay, and its mode is restored. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, COMMAND, eventually } from "../support/bay.ts";

const has = (program: string) => {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
};

describe.skipIf(!has("tmux"))("a terminal", () => {
  const bay = new Bay();
  const socket = join(bay.folder, "tmux");
  const [columns, rows] = [91, 27];
  const tmux = (...args: string[]) =>
    execFileSync("tmux", ["-f", "/dev/null", "-S", socket, ...args], {
      encoding: "utf8",
      env: { ...bay.env, TERM: "screen", LC_ALL: "C.UTF-8" },
      cwd: join(bay.folder, "stack"),
    });
  /** A window of its own that runs a shell command; what it shows stays when that ends. */
  const open = (name: string, command: string) => {
    tmux(
      "new-session",
      "-d",
      "-s",
      name,
      "-x",
      String(columns),
      "-y",
      String(rows),
      `${command}; sleep 1000000`,
    );
    tmux("set-option", "-t", name, "status", "off");
  };
  const screen = (name: string) => tmux("capture-pane", "-p", "-e", "-t", name);
  const send = (name: string, ...keys: string[]) => tmux("send-keys", "-t", name, ...keys);
  const command = `${process.execPath} ${COMMAND}`;
  /** Says when the terminal is its own: what is typed before is echoed by the client's. */
  const cat = "sh -c 'echo ready; exec cat'";
  const isReady = (name: string) => eventually(() => expect(screen(name)).toContain("ready"));
  const clientOf = () => clientsOf(bay.folder).find((pid) => argumentsOf(pid).includes("echo ready"))!;
  const programs = ["less", "vim", "htop"].filter(has);
  const text = Array.from({ length: 200 }, (_, index) => `line ${index}\tof äöü ${"x".repeat(index)}`).join(
    "\n",
  );

  beforeAll(() => {
    bay.write(text, "text");
    bay.write(`name: screens
images: { tools: { host: [sh, sleep, stty, cat, ${programs.join(", ")}] } }
services:
  a:
    image: tools
    init: true
    command: sleep 1000000
    environment: { TERM: screen, LC_ALL: C.UTF-8, HOME: /tmp }
    volumes: ["./text:/tmp/text", "/lib/terminfo:/lib/terminfo:ro", "/usr/lib/locale:/usr/lib/locale:ro"]
`);
    bay.ok("up", "-d");
    open("keep", "sleep 1000000");
  });
  afterAll(() => {
    tmux("kill-server");
    bay.close();
  });

  const cases = [
    { program: "less", args: "less text", keys: ["Space", "Down", "/line 150", "Enter"] },
    {
      program: "vim",
      args: "vim -u NONE -N -n text",
      keys: ["15G", "3dd", "ihello", "Enter", "ä", "Escape", ":set nu", "Enter"],
    },
  ].filter(({ program }) => programs.includes(program));

  for (const how of ["exec -it", "run --rm --no-deps"])
    it.each(cases)(`of bay ${how} shows what $program shows in a plain one`, async ({
      program,
      args,
      keys,
    }) => {
      const [plain, inside] = [`plain-${program}-${how.slice(0, 3)}`, `bay-${program}-${how.slice(0, 3)}`];
      bay.write(text, "text");
      open(plain, `cd ${join(bay.folder, "stack")} && HOME=/tmp TERM=screen LC_ALL=C.UTF-8 ${args}`);
      open(inside, `${command} ${how} -w /tmp a ${args}`);
      const areAlike = (part: string) =>
        eventually(() => {
          expect(screen(plain)).toContain(part);
          expect(screen(inside)).toBe(screen(plain));
        });
      await areAlike("line 3");
      for (const key of keys) {
        send(plain, key);
        send(inside, key);
      }
      await areAlike(program === "less" ? "line 15" : "hello");
      for (const name of [plain, inside]) tmux("resize-window", "-t", name, "-x", "60", "-y", "20");
      await eventually(() => expect(screen(inside)).toBe(screen(plain)));
      for (const name of [plain, inside]) tmux("kill-session", "-t", name);
    });

  it.each(cases)("of bay attach shows what $program shows in a plain one", async ({
    program,
    args,
    keys,
  }) => {
    const [plain, inside] = [`plain-${program}-attach`, `bay-${program}-attach`];
    bay.write(text, "text");
    bay.write(
      `name: attached
images: { tools: { host: [sh, sleep, stty, cat, ${programs.join(", ")}] } }
services:
  a:
    image: tools
    tty: true
    stdin_open: true
    stop_grace_period: 0s
    command: ${args}
    working_dir: /tmp
    environment: { TERM: screen, LC_ALL: C.UTF-8, HOME: /tmp }
    volumes: ["./text:/tmp/text", "/lib/terminfo:/lib/terminfo:ro", "/usr/lib/locale:/usr/lib/locale:ro"]
`,
      "attached.yaml",
    );
    bay.ok("-f", "attached.yaml", "up", "-d");
    open(plain, `cd ${join(bay.folder, "stack")} && HOME=/tmp TERM=screen LC_ALL=C.UTF-8 ${args}`);
    open(inside, `${command} -f attached.yaml attach a`);
    const areAlike = (part: string) =>
      eventually(() => {
        expect(screen(plain)).toContain(part);
        expect(screen(inside)).toBe(screen(plain));
      });
    // less shows another prompt after the change of size that attach makes
    await eventually(() => {
      for (const name of [plain, inside]) expect(screen(name)).toContain("line 3");
    });
    for (const key of keys) {
      send(plain, key);
      send(inside, key);
    }
    await areAlike(program === "less" ? "line 15" : "hello");
    for (const name of [plain, inside]) tmux("resize-window", "-t", name, "-x", "60", "-y", "20");
    await areAlike("");
    for (const name of [plain, inside]) tmux("kill-session", "-t", name);
    bay.ok("-f", "attached.yaml", "down", "-t", "0");
  });

  it("has its size from the start, with exec and with run", async () => {
    for (const [index, how] of ["exec", "run --rm --no-deps"].entries()) {
      open(`size${index}`, `${command} ${how} a stty size; echo ended`);
      await eventually(() => expect(screen(`size${index}`)).toContain("ended"));
      expect(screen(`size${index}`)).toContain(`${rows} ${columns}`);
    }
  });

  it("is left by the detach keys", async () => {
    open("detach", `${command} exec --detach-keys ctrl-a,d a ${cat}; echo left`);
    await isReady("detach");
    send("detach", "hello", "Enter");
    await eventually(() => expect(screen("detach").match(/hello/g)).toHaveLength(2));
    send("detach", "C-a", "d");
    await eventually(() => expect(screen("detach")).toContain("left"));
  });

  it.each(["SIGTERM", "SIGHUP", "SIGQUIT"] as const)("has its mode again after %s", async (signal) => {
    const name = `mode-${signal}`;
    const modes = join(bay.folder, `stty-${signal}`);
    const shell = `stty -g > ${modes}; ${command} exec a ${cat}; echo code $?; stty -g >> ${modes}; echo written`;
    open(name, shell);
    await isReady(name);
    send(name, "begun", "Enter");
    await eventually(() => expect(screen(name).match(/begun/g)).toHaveLength(2));
    process.kill(clientOf(), signal);
    await eventually(() => expect(screen(name)).toContain("written"));
    const [before, after] = readFileSync(modes, "utf8").trim().split("\n");
    expect(after).toBe(before);
  });

  it("has its mode while the client is stopped, and is raw again afterwards", async () => {
    open("stopped", `${command} exec a ${cat}`);
    await isReady("stopped");
    send("stopped", "begun", "Enter");
    await eventually(() => expect(screen("stopped").match(/begun/g)).toHaveLength(2));
    const terminal = tmux("display-message", "-p", "-t", "stopped", "#{pane_tty}").trim();
    const mode = () => execFileSync("stty", ["-a", "-F", terminal], { encoding: "utf8" });
    expect(mode()).toMatch(/-opost/);
    const client = clientOf();
    process.kill(client, "SIGTSTP");
    await eventually(() => expect(mode()).not.toMatch(/-opost/));
    process.kill(client, "SIGCONT");
    await eventually(() => expect(mode()).toMatch(/-opost/));
    send("stopped", "again", "Enter");
    await eventually(() => expect(screen("stopped").match(/again/g)).toHaveLength(2));
  });
});

const argumentsOf = (pid: number) =>
  readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();

/** Commands of bay with the roots of a test. */
function clientsOf(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const isClient = argumentsOf(pid).startsWith(process.execPath) && argumentsOf(pid).includes(COMMAND);
        return isClient && readFileSync(`/proc/${pid}/environ`, "latin1").includes(folder);
      } catch {
        return false; // it ended
      }
    });
}
