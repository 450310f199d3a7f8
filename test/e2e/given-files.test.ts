/** Secrets and configs of services: their content, owners and modes, and what a change of them does. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";

const FILE = `name: given
images: { box: { rootfs: ../busybox } }
secrets:
  password: { file: ./password }
  token: { environment: GIVEN_TOKEN }
configs:
  settings: { content: "mode = \${GIVEN_MODE}\\n" }
  file: { file: ./config }
services:
  a:
    image: box
    command: sleep 1000
    user: "1000"
    stop_grace_period: 0s
    network_mode: none
    secrets:
      - password
      - { source: token, target: deep/token, uid: "1000", gid: "7", mode: 0400 }
    configs:
      - { source: settings, target: /etc/app/settings, mode: "0440", gid: "1000" }
      - file
  b: { image: box, command: sleep 1000, network_mode: none, stop_grace_period: 0s }
`;

describe("secrets and configs", () => {
  const bay = new Bay();
  const put = (name: string, text: string) => writeFileSync(join(bay.folder, "stack", name), text);
  const inside = (command: string) => bay.ok("exec", "-T", "a", "sh", "-c", command);
  const pids = () => Object.fromEntries(bay.ps().map(({ Service, Pid }) => [Service, Pid]));
  beforeAll(() => {
    bay.busybox();
    bay.write(FILE);
    put("password", "secret-one");
    put("config", "from a file");
    bay.env.GIVEN_TOKEN = "secret-token";
    bay.env.GIVEN_MODE = "first";
    bay.ok("up", "-d");
  });
  afterAll(() => bay.close());

  it("are files with their owners and modes, which the container cannot change", () => {
    expect(inside("cat /run/secrets/password /run/secrets/deep/token /etc/app/settings /file")).toBe(
      "secret-onesecret-tokenmode = first\nfrom a file",
    );
    expect(
      inside("stat -c '%a %u:%g' /run/secrets/password /run/secrets/deep/token /etc/app/settings /file"),
    ).toBe("444 1000:1000\n400 1000:7\n440 1000:1000\n444 1000:1000\n");
    expect(bay.run(["exec", "-T", "-u", "0", "a", "sh", "-c", "echo x > /file"]).err).toContain("Read-only");
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("are seen in the plan when their content changes, secrets without it, and replace what has them alone", () => {
    const before = pids();
    put("password", "secret-two");
    bay.env.GIVEN_MODE = "second";
    const plan = bay.ok("plan");
    expect(plan).toContain("services.a.secrets./run/secrets/password: content changed\n");
    expect(plan).toContain("services.a.configs./etc/app/settings: content changed\n");
    bay.ok("up", "-d");
    expect(inside("cat /run/secrets/password /etc/app/settings")).toBe("secret-twomode = second\n");
    expect(pids().a).not.toBe(before.a);
    expect(pids().b).toBe(before.b);
    // where a file lies does not matter
    put("moved", "secret-two");
    bay.write(FILE.replace("./password", "./moved"));
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    expect(bay.ok("run", "--rm", "-T", "a", "cat", "/run/secrets/password")).toBe("secret-two");
  });

  it("are there again after a restart and a lost /run, and are in no output and no log", () => {
    bay.ok("restart", "a");
    expect(inside("cat /run/secrets/deep/token")).toBe("secret-token");
    bay.ok("stop", "a");
    rmSync(join(bay.folder, "run", "containers"), { recursive: true });
    bay.ok("start", "a");
    expect(inside("cat /run/secrets/password")).toBe("secret-two");
    const said = [bay.ok("config"), bay.ok("plan", "--json"), bay.ok("inspect", "a"), bay.log()].join("\n");
    expect(said).not.toMatch(/secret-(one|two|token)/);
    expect(execFileSync("sh", ["-c", "ps -eo args"]).toString()).not.toMatch(/secret-(one|two|token)/);
    // config prints a file that means the same
    const written = bay.ok("config");
    bay.write(written, "again.yaml");
    expect(bay.ok("-f", "again.yaml", "config")).toBe(written);
    bay.ok("down");
    const kept = join(bay.folder, "root", "given");
    expect(existsSync(kept) ? readdirSync(kept) : []).toEqual([]);
  });

  it("say what is wrong with them", () => {
    bay.write(FILE);
    rmSync(join(bay.folder, "stack", "password"));
    const up = bay.run(["up", "-d"]);
    expect(up.err).toContain("missing content: the secret password: the file");
    expect(bay.ps()).toEqual([]);
    bay.write(`name: given
services:
  a: { image: box, secrets: [absent, { source: s, mode: "9" }], configs: [{ source: c, target: /x }], volumes: ["/x"] }
secrets:
  s: { file: ./nowhere }
  e: { external: true }
  v: { environment: GIVEN_NOWHERE }
configs: { c: { content: a, file: b } }
`);
    expect(bay.run(["config"]).err).toContain("warning: secrets.s: the file");
    const { err } = bay.run(["config"]);
    for (const word of [
      "uses the secret absent, which is not declared",
      "expected a mode such as 0440",
      "two mounts at /x",
      "bay has no external store of secrets",
      "the variable GIVEN_NOWHERE is not set",
      "set exactly one of file, environment, content",
    ])
      expect(err).toContain(word);
  });
});
