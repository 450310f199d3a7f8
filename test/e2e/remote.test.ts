/** A bayd that is reached from elsewhere: by a real sshd, and by TCP with certificates. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, COMMAND, ended, eventually, HANGS_AFTER, type Result } from "../support/bay.ts";
import { Certificates, type Pair } from "../support/certificates.ts";
import { askFor } from "../support/engine.ts";
import { freePort, hasSshd, Sshd } from "../support/sshd.ts";

/** The host that is reached. */
const far = new Bay();
/** The computer of the user, whose own bayd must never be used. */
const near = new Bay();
const sshd = new Sshd();
const pki = new Certificates();
const made: Record<string, Pair> = {};
let tcpAddress = "";
let settings: object = {};
const hasDocker = spawnSync("docker", ["--version"]).status === 0;

const STACK = `
name: remote
services:
  web:
    image: tool
    command: [busybox, sh, -c, "echo begins; exec busybox sleep 100000"]
    stop_signal: SIGKILL
    configs: [{ source: motd, target: /motd }]
images:
  tool: { host: [/bin/busybox] }
configs:
  motd: { file: ./motd }
`;

beforeAll(async () => {
  const config = join(far.folder, "config");
  mkdirSync(config);
  far.env.BAY_CONFIG = config;
  made.ca = pki.authority("ca");
  made.other = pki.authority("other");
  made.server = pki.leaf("server", "ca", { names: "DNS:localhost,IP:127.0.0.1", usage: "serverAuth" });
  made.client = pki.leaf("client", "ca", { usage: "clientAuth" });
  made.stranger = pki.leaf("stranger", "other", { usage: "clientAuth" });
  const port = await freePort();
  tcpAddress = `tcp://localhost:${port}`;
  settings = {
    hosts: [`tcp://127.0.0.1:${port}`, `unix://${join(far.folder, "second.sock")}`],
    tlsverify: true,
    tlscacert: made.ca.certFile,
    tlscert: made.server.certFile,
    tlskey: made.server.keyFile,
  };
  writeFileSync(join(config, "daemon.json"), JSON.stringify(settings));
  far.write(STACK);
  far.ok("info");
  await sshd.start({
    BAY_ROOT: far.env.BAY_ROOT!,
    BAY_RUN: far.env.BAY_RUN!,
    DOCKER_HOST: `unix://${far.socket}`,
  });
  near.write(STACK).write("from the near side\n", "motd");
  for (const name of ["BAY_HOST", "BAY_CONTEXT", "DOCKER_HOST", "DOCKER_CONTEXT"]) delete near.env[name];
  near.env.XDG_CONFIG_HOME = join(near.folder, "xdg");
  near.env.PATH = `${sshd.near}:${process.env.PATH}`;
});
afterAll(() => {
  far.close();
  near.close();
  sshd.stop();
  pki.remove();
});

const tls = ({ certFile, keyFile }: Pair, ca = made.ca!) => [
  "--tlsverify",
  "--tlscacert",
  ca.certFile,
  "--tlscert",
  certFile,
  "--tlskey",
  keyFile,
];

const WAYS: [title: string, options: () => string[]][] = [
  ["ssh", () => ["-H", sshd.address]],
  ["TCP with TLS", () => ["-H", tcpAddress, ...tls(made.client!)]],
];

/** Processes of `bay dial-stdio` on the far side. */
function dials(): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      return words.includes("dial-stdio") && environment.includes(`BAY_RUN=${far.env.BAY_RUN}`);
    } catch {
      return false;
    }
  });
}

/** Waits until only the request that asks is open at bayd, and no process of a connection is left. */
const untilAllEnded = () =>
  eventually(async () => {
    expect(dials()).toEqual([]);
    expect((await askFor<{ requests: number }>(far, "GET", "/bay/v1/daemon"))?.requests).toBe(1);
  });

describe.skipIf(!hasSshd).each(WAYS)("a bayd by %s", (_title, options) => {
  const run = (args: string[], input = ""): Result => near.run([...options(), ...args], { input });
  const ok = (args: string[], input = ""): string => {
    const { code, out, err } = run(args, input);
    if (code !== 0) throw new Error(`${args.join(" ")}: ${code}\n${out}${err}\n${far.log()}`);
    return out;
  };

  it("is planned for and changed, with the files of this computer", () => {
    expect(run(["plan", "--detailed-exitcode"]).code).toBe(2);
    ok(["up", "-d"]);
    expect(run(["plan", "--detailed-exitcode"]).code).toBe(0);
    expect(far.ps()).toMatchObject([{ Name: "remote-web-1", State: "running" }]);
    expect(ok(["exec", "-T", "web", "busybox", "cat", "/motd"])).toBe("from the near side\n");
  });

  it("is shown: ps, ls, config, images, top, inspect, info", () => {
    expect(ok(["ps", "--format", "{{.Name}}"])).toBe("remote-web-1\n");
    expect(ok(["ls", "-q"])).toBe("remote\n");
    expect(ok(["config", "--services"])).toBe("web\n");
    expect(ok(["images"])).toContain("tool");
    expect(ok(["top"])).toContain("sleep");
    expect(ok(["inspect", "-f", "{{.State.Running}}", "web"])).toBe("true\n");
    expect(ok(["info"])).toContain("bayd");
    expect(ok(["stats", "--no-stream"])).toContain("remote-web-1");
    expect(ok(["daemon", "status"])).toContain(String(far.daemonPid()));
  });

  it("passes input, its end, output and the exit code of commands", async () => {
    const input = "line\n".repeat(200_000);
    expect(ok(["exec", "-T", "web", "busybox", "md5sum"], input)).toBe(
      execFileSync("md5sum", { input, encoding: "utf8" }),
    );
    expect(run(["exec", "-T", "web", "busybox", "sh", "-c", "exit 7"]).code).toBe(7);
    const { code, out, err } = run(
      ["run", "--rm", "-T", "web", "busybox", "sh", "-c", "cat; echo bad >&2; exit 3"],
      "x",
    );
    expect({ code, out, err: err.includes("bad") }).toEqual({ code: 3, out: "x", err: true });
    await untilAllEnded();
  });

  it("takes and gives files", async () => {
    const [there, back] = [join(near.folder, "there"), join(near.folder, "back")];
    writeFileSync(there, "data".repeat(100_000));
    ok(["cp", there, "web:/copied"]);
    ok(["cp", "web:/copied", back]);
    expect(readFileSync(back, "utf8")).toBe("data".repeat(100_000));
    const archive = join(near.folder, "tool.tar");
    ok(["image", "save", "-o", archive, "tool"]);
    expect(ok(["image", "load", "-i", archive])).toContain("loaded image");
    ok(["image", "import", archive, "imported"]);
    ok(["image", "rm", "imported"]);
    await untilAllEnded();
  });

  it("ends what follows when the command ends, also when it is killed", async () => {
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const child = near.start([...options(), "logs", "-f"]);
      await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
      child.kill(signal);
      await ended(child);
      await untilAllEnded();
    }
  });

  it("follows events and logs while they come", async () => {
    const child = near.start([...options(), "events", "--json"]);
    let text = "";
    child.stdout.on("data", (part) => (text += part));
    await eventually(async () => {
      far.ok("restart", "-t", "0", "web");
      expect(text).toContain('"action":"start"');
    });
    child.kill();
    await ended(child);
    await untilAllEnded();
  });

  it("refuses what needs this computer, by name", () => {
    near.write("FROM scratch\n", "Dockerfile");
    near.write("services: { web: { build: . } }", "build.yaml");
    const folder = join(near.folder, "stack");
    for (const args of [
      ["-f", "build.yaml", "up", "-d"],
      ["-f", "build.yaml", "build"],
      ["image", "build", "."],
    ]) {
      const { code, err } = run(args);
      expect([code, err]).toEqual([1, expect.stringContaining("LOCAL_ONLY")]);
      expect(err).toContain(folder);
    }
    near.write("services: { web: { build: ., image: tool, command: [busybox] } }", "build.yaml");
    expect(run(["-f", "build.yaml", "plan", "--no-build"]).code).toBe(0);
    for (const args of [["watch"], ["doctor"], ["daemon", "stop"], ["daemon", "run"], ["daemon", "install"]])
      expect(run(args).err).toContain("LOCAL_ONLY");
  });

  it("stops the containers of `up` after Ctrl-C in the terminal, over the same connection", async () => {
    const child = spawn(process.execPath, [COMMAND, ...options(), "up", "--force-recreate"], {
      cwd: join(near.folder, "stack"),
      env: near.env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
    // a terminal signals all processes of the group
    process.kill(-child.pid!, "SIGINT");
    expect(await ended(child)).toMatchObject({
      code: 130,
      err: expect.stringContaining("remote-web-1 exited"),
    });
    expect(far.ps()).toMatchObject([{ State: "exited" }]);
    await untilAllEnded();
  });

  it("is cleared, and nothing of this computer was touched", async () => {
    ok(["down", "-t", "0"]);
    expect(far.ps()).toEqual([]);
    await untilAllEnded();
    expect(existsSync(near.env.BAY_ROOT!) || existsSync(near.env.BAY_RUN!)).toBe(false);
  });
});

describe.skipIf(!hasSshd)("ssh", () => {
  it("that fails is reported with its exit status, its words and the address", () => {
    sshd.trust("stranger");
    const { code, err } = near.run(["-H", sshd.address, "ps", "-a"]);
    sshd.trust("host");
    expect(code).toBe(1);
    expect(err).toContain("HOST_UNREACHABLE");
    expect(err).toContain(`${sshd.address}: ssh ended with exit status 255: `);
    expect(err).toContain("Host key verification failed");
  });

  it("reports what the far side says, and never looks at this computer instead", () => {
    for (const command of ["plan", "ps", "ls", "history", "up"]) {
      const { code, err } = near.run(["-H", `${sshd.address}/run/absent.sock`, command]);
      expect([command, code]).toEqual([command, 1]);
      expect(err).toContain("no bayd is listening on unix:///run/absent.sock");
    }
    expect(existsSync(near.env.BAY_ROOT!)).toBe(false);
  });

  it("uses the aliases of ssh_config, and names what is missing on the far side", () => {
    expect(near.ok("-H", "ssh://alias", "ls", "-q")).toBe("");
    const far = join(sshd.folder, "far", "bay");
    const text = readFileSync(far, "utf8");
    writeFileSync(far, "#!/bin/sh\nexec absent-command\n");
    expect(near.run(["-H", "ssh://alias", "ls"]).err).toContain("exit status 127");
    writeFileSync(far, text);
  });

  it.each([
    "ssh://-oProxyCommand=touch%20/x",
    "ssh://-oProxyCommand=x",
    "ssh://root@-x",
    "ssh://-l@h",
  ])("is not run for the host %s", (address) =>
    expect(near.run(["-H", address, "ls"]).err).toContain("BAD_HOST"));
});

describe("bay dial-stdio", () => {
  const dial = () =>
    spawn(process.execPath, [COMMAND, "dial-stdio"], { env: far.env, stdio: ["pipe", "pipe", "inherit"] });

  it("ends each direction by itself", async () => {
    const child = dial();
    let text = "";
    child.stdout.on("data", (part) => (text += part));
    child.stdin.end("GET /version HTTP/1.0\r\n\r\n");
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
    expect(text).toContain('"ApiVersion"');
  });

  it("ends when the other side is gone, although nothing is sent", async () => {
    const child = dial();
    child.stdin.write("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
    child.stdin.end();
    child.stdout.destroy();
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
    await untilAllEnded();
  });
});

describe("TCP with TLS", () => {
  it("refuses clients and servers by name", () => {
    const refused = (...args: string[]) => near.run(["-H", tcpAddress, ...args, "ls"]).err;
    expect(refused("--tlsverify", "--tlscacert", made.ca!.certFile)).toContain(
      "requires a client certificate",
    );
    expect(refused(...tls(made.stranger!))).toContain('"stranger" is signed by an unknown authority');
    expect(refused(...tls(made.client!, made.other!))).toContain(
      "the certificate of the server is signed by an unknown",
    );
    expect(refused("--tlsverify", "--tlscacert", "/absent")).toContain("NO_FILE");
    expect(near.run(["-H", tcpAddress, "ls"]).err).toMatch(/HOST_UNREACHABLE|DAEMON_LOST|NO_ACCESS/);
  });

  it("reads Docker's variables and folder", () => {
    const folder = join(near.folder, "certificates");
    mkdirSync(folder);
    for (const [name, file] of [
      ["ca.pem", made.ca!.certFile],
      ["cert.pem", made.client!.certFile],
      ["key.pem", made.client!.keyFile],
    ] as const)
      writeFileSync(join(folder, name), readFileSync(file));
    Object.assign(near.env, { DOCKER_HOST: tcpAddress, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder });
    try {
      expect(near.ok("ls", "-q")).toBe("");
    } finally {
      for (const name of ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"]) delete near.env[name];
    }
  });

  it("reads certificates again, and keeps the earlier ones if they cannot be used", () => {
    const file = join(far.env.BAY_CONFIG!, "daemon.json");
    writeFileSync(file, JSON.stringify({ ...settings, tlscacert: made.other!.certFile }));
    expect(far.ok("daemon", "reload")).toContain("tlscacert");
    near.ok("-H", tcpAddress, ...tls(made.stranger!), "ls");
    expect(near.run(["-H", tcpAddress, ...tls(made.client!), "ls"]).err).toContain("unknown authority");
    writeFileSync(file, JSON.stringify({ ...settings, tlskey: "/absent" }));
    expect(far.run(["daemon", "reload"]).err).toContain("tlskey: /absent does not exist");
    near.ok("-H", tcpAddress, ...tls(made.stranger!), "ls");
    writeFileSync(file, JSON.stringify({ ...settings, hosts: [] }));
    far.ok("daemon", "reload");
    expect(near.run(["-H", tcpAddress, ...tls(made.client!), "ls"]).err).toContain(
      "the connection was refused",
    );
    writeFileSync(file, JSON.stringify(settings));
    far.ok("daemon", "reload");
    near.ok("-H", tcpAddress, ...tls(made.client!), "ls");
  });

  it("has other sockets beside bayd's own", () => {
    expect(near.ok("-H", `unix://${join(far.folder, "second.sock")}`, "ls", "-q")).toBe("");
  });
});

describe("contexts", () => {
  it("name bayds, and are used until another one is", () => {
    near.ok("context", "create", "tls", "--host", tcpAddress, ...tls(made.client!));
    near.ok("context", "create", "wrong", "--host", tcpAddress, ...tls(made.stranger!));
    expect(near.ok("-c", "tls", "info")).toContain("bayd");
    expect(near.run(["--context", "wrong", "info"]).err).toContain("unknown authority");
    near.ok("context", "use", "tls");
    expect(near.ok("context", "show")).toBe("tls\n");
    expect(near.ok("info")).toContain("bayd");
    expect(near.ok("context", "inspect")).not.toContain("PRIVATE KEY");
    expect(near.ok("context", "ls", "-q")).toBe("default\ntls\nwrong\n");
    expect(near.run(["-c", "default", "daemon", "status"])).toMatchObject({ code: 3 });
    near.ok("context", "rm", "-f", "tls", "wrong");
    expect(near.run(["daemon", "status"])).toMatchObject({ code: 3, out: "bayd is not running\n" });
  });

  it("are not needed beside Docker: its variables do not change plain commands", () => {
    near.env.DOCKER_HOST = "unix:///var/run/docker.sock";
    near.env.DOCKER_CONTEXT = "desktop-linux";
    try {
      expect(near.run(["daemon", "status"])).toMatchObject({
        code: 3,
        out: "bayd is not running\n",
        err: "",
      });
      expect(near.run(["context", "ls"]).err).toContain("bay does not use it");
    } finally {
      delete near.env.DOCKER_HOST;
      delete near.env.DOCKER_CONTEXT;
    }
  });
});

describe.skipIf(!hasDocker)("docker's own client", () => {
  const docker = (env: NodeJS.ProcessEnv, ...args: string[]) =>
    spawnSync("docker", args, {
      env: { ...near.env, HOME: near.folder, ...env },
      encoding: "utf8",
      timeout: HANGS_AFTER,
      input: "typed\n",
    });

  beforeAll(() => {
    far.write("from the far side\n", "motd");
    far.ok("up", "-d");
  });

  it.each([
    ["tcp", () => [{ DOCKER_HOST: tcpAddress }, ...tls(made.client!)] as const],
    ["ssh", () => [{ DOCKER_HOST: sshd.address }] as const],
  ])("works by %s", async (kind, how) => {
    if (kind === "ssh" && !hasSshd) return;
    const [env, ...options] = how();
    const ps = docker(env, ...options, "ps", "--format", "{{.Names}}");
    expect([ps.stdout, ps.status]).toEqual(["remote-web-1\n", 0]);
    const exec = docker(env, ...options, "exec", "-i", "remote-web-1", "busybox", "cat");
    expect([exec.stdout, exec.status]).toEqual(["typed\n", 0]);
    expect(docker(env, ...options, "logs", "remote-web-1").stdout).toContain("begins");
  });

  it("is refused without a certificate, with the reason", () => {
    const options = ["--tlsverify", "--tlscacert", made.ca!.certFile];
    expect(docker({ DOCKER_HOST: tcpAddress }, ...options, "ps").stderr).toContain(
      "requires a client certificate",
    );
  });
});
