import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SshAddress } from "../../../../src/core/host-address.ts";
import { farCommand, sshArguments } from "../../../../src/daemon/transport/ssh.ts";
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
    expect(sshArguments(to())).toEqual(["-T", "-o", "ConnectTimeout=30", "--", "server", "bay dial-stdio"]);
    expect(sshArguments(to({ user: "root", port: 2222 })).slice(3)).toEqual([
      "-l",
      "root",
      "-p",
      "2222",
      "--",
      "server",
      "bay dial-stdio",
    ]);
  });

  it("carry any path of a socket as one word of the far shell", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 40 }).filter((text) => !/[\0-\x1f]/.test(text)),
        (text) => {
          const command = farCommand(to({ path: `/${text}` })).replace(/^bay /, "printf '%s\\n' ");
          const words = execFileSync("/bin/sh", ["-c", command], { encoding: "utf8" }).split("\n");
          expect(words).toEqual(["-H", `unix:///${text}`, "dial-stdio", ""]);
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
