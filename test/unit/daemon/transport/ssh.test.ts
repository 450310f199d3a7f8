import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { SshAddress } from "../../../../src/core/host-address.ts";
import { Client } from "../../../../src/daemon/client.ts";
import { farCommand, SshTransport, sshArguments } from "../../../../src/daemon/transport/ssh.ts";
import { sshProblem } from "../../../../src/daemon/transport/ssh-problems.ts";

const to = (more: Partial<SshAddress> = {}): SshAddress => ({
  kind: "ssh",
  user: undefined,
  host: "server",
  port: undefined,
  path: undefined,
  ...more,
});

describe("the arguments of ssh", () => {
  it("end with the host and one command, after --", () => {
    expect(sshArguments(to())).toEqual([
      "-T",
      "-o",
      "ConnectTimeout=30",
      "--",
      "server",
      "bay dial-stdio --announce",
    ]);
    expect(sshArguments(to({ user: "root", port: 2222 })).slice(3)).toEqual([
      "-l",
      "root",
      "-p",
      "2222",
      "--",
      "server",
      "bay dial-stdio --announce",
    ]);
  });

  it("carry any path of a socket as one word of the far shell", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !/[\0-\x1f]/.test(text)),
        (text) => {
          const command = farCommand(to({ path: `/${text}` })).replace(/^bay /, "printf '%s\\n' ");
          const words = execFileSync("/bin/sh", ["-c", command], { encoding: "utf8" }).split("\n");
          expect(words).toEqual(["-H", `unix:///${text}`, "dial-stdio", "--announce", ""]);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("the end of ssh", () => {
  const problem = (code: number | null, text: string, isCut = false) =>
    sshProblem("ssh://server", { code, signal: null, text, isCut });

  it.each([
    [255, "ssh: connect to host server port 22: Connection refused\r\n", "check the address"],
    [255, "root@server: Permission denied (publickey).", "ssh-add"],
    [255, "Host key verification failed.", "compare the fingerprint"],
    [
      255,
      "@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@\nHost key verification failed.",
      "find out why",
    ],
    [255, "something new", "ssh -v"],
    [127, "bash: line 1: bay: command not found", "install bay"],
    [1, "error[NO_DAEMON]: bayd is not running", "bay daemon status"],
  ])("with status %i and %j says both, and what to do", (code, text, hint) => {
    const error = problem(code, text);
    expect(error.code).toBe("HOST_UNREACHABLE");
    expect(error.message).toContain(`ssh://server: ssh ended with exit status ${code}: `);
    expect(error.message).toContain(text.trim().split("\n").at(-1)!);
    expect(error.hint).toContain(hint);
  });

  it("in the middle of a request is a lost connection", () => {
    expect(problem(255, "", true)).toMatchObject({ code: "DAEMON_LOST" });
    expect(
      sshProblem("ssh://server", { code: null, signal: "SIGKILL", text: "", isCut: true }).message,
    ).toContain("ssh was ended by SIGKILL");
  });

  it("passes no control sequence of the far side to the terminal, and no more than some lines", () => {
    const { message } = problem(1, `${"\x1b]0;title\x07\x1b[31mred\x1b[0m\x9b1mline\n".repeat(1000)}`);
    expect(message).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
    expect(message.length).toBeLessThan(1200);
  });
});

describe("connections by ssh", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-ssh-"));
  const { PATH } = process.env;
  let server: Server;
  /** Logins that have not ended, and the most of them at once. */
  const logins = { now: 0, most: 0 };

  beforeAll(async () => {
    // an `ssh` that asks for its login by one connection, and joins its streams with a server by another
    writeFileSync(
      join(folder, "ssh"),
      `#!${process.execPath}
const net = require("net");
const login = net.connect("${folder}/login", () => login.write("x"));
login.once("data", () => {
  login.end();
  const socket = net.connect({ path: "${folder}/server", allowHalfOpen: true }, () => {
    if (process.argv.at(-1).includes("--announce")) process.stderr.write("bay dial-stdio: connected\\n");
    process.stdin.pipe(socket);
    socket.pipe(process.stdout);
  });
  socket.on("end", () => process.exit(0));
});
`,
      { mode: 0o755 },
    );
    process.env.PATH = `${folder}:${PATH}`;
    const gate = createNetServer((socket) => {
      logins.now += 1;
      logins.most = Math.max(logins.most, logins.now);
      socket.on("error", () => {}).on("close", () => (logins.now -= 1));
      socket.once("data", () => setImmediate(() => socket.write("y")));
    });
    await new Promise<void>((resolve) => gate.listen(join(folder, "login"), resolve));
    gate.unref();
    server = createServer((request, response) => {
      if (request.url === "/wait") return; // answered by the test
      request.pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(join(folder, "server"), resolve));
  });
  afterAll(() => {
    process.env.PATH = PATH;
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  it("are shared by many short requests, and log in some at a time", async () => {
    const client = new Client(new SshTransport(to()));
    await Promise.all(Array.from({ length: 40 }, () => client.text("GET", "/")));
    expect(logins.most).toBeLessThanOrEqual(4);
  });

  it("of requests that wait do not keep others waiting", async () => {
    const client = new Client(new SshTransport(to()));
    const waiting: ServerResponse[] = [];
    server.on("request", ({ url }, response) => url === "/wait" && waiting.push(response));
    logins.most = 0;
    const all = Array.from({ length: 12 }, () => client.json("POST", "/wait"));
    await vi.waitFor(() => expect(waiting).toHaveLength(12), { timeout: 120_000 });
    expect(await client.text("GET", "/")).toBe("");
    for (const response of waiting) response.end("{}");
    await Promise.all(all);
    expect(logins.most).toBeLessThanOrEqual(5);
  });
});
