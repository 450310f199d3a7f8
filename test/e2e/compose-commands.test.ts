/** Commands and flags that docker compose has, as its users know them. */
import { writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Bay, jsonLines } from "../support/bay.ts";

const STACK = `name: usual
images: { box: { rootfs: ../busybox } }
services:
  a: { image: box, command: sleep 1000, stop_grace_period: 0s, labels: { owner: Ann }, volumes: ["own:/own"] }
  b: { image: box, command: sleep 1000, stop_grace_period: 0s, depends_on: [a], networks: [side] }
  off: { image: box, command: sleep 1000, profiles: [later] }
networks: { side: }
volumes: { own: }
`;

describe("the commands of docker compose", () => {
  const bay = new Bay();
  beforeAll(() => void bay.busybox());
  afterAll(() => bay.close());
  afterEach(() => void bay.run(["down", "-v", "--remove-orphans", "-t", "0"]));
  const names = () => bay.ps().map(({ Name }) => Name);

  it("do nothing for a service without a container, and list the services for one that does not exist", () => {
    bay.write(STACK).ok("up", "-d");
    for (const command of [
      ["stop"],
      ["start"],
      ["restart"],
      ["kill"],
      ["pause"],
      ["unpause"],
      ["rm", "-f"],
      ["ps"],
      ["logs"],
      ["top"],
      ["images"],
      ["wait"],
    ]) {
      const { code, out, err } = bay.run([...command, "off"]);
      expect([command, code, out.split("\n").length <= 2, err]).toEqual([command, 0, true, ""]);
      for (const global of [[], ["-p", "usual"]])
        expect(bay.run([...global, ...command, "nosuch"])).toMatchObject({
          code: 1,
          err: expect.stringMatching(/no service nosuch\n {2}its services are: a, b, off\n/),
        });
    }
    expect(bay.ps().map(({ State }) => State)).toEqual(["running", "running"]);
  });

  it("ps prints an object a line, and templates", () => {
    bay.write(STACK).ok("up", "-d");
    const rows = jsonLines<Record<string, unknown>>(bay.ok("ps", "--format", "json"));
    expect(rows).toMatchObject([
      {
        Name: "usual-a-1",
        Image: "box",
        Command: "sleep 1000",
        Project: "usual",
        Service: "a",
        State: "running",
        Health: "",
        ExitCode: 0,
        Publishers: [],
      },
      { Name: "usual-b-1" },
    ]);
    expect(bay.ok("ps", "--format", "table {{.Names}}\\t{{.State | upper}}", "a")).toBe(
      "NAMES      STATE\nusual-a-1  RUNNING\n",
    );
    expect(bay.ok("ps", "--format", '{{.Label "owner"}}', "a")).toBe("Ann\n");
    expect(bay.run(["ps", "--format", "{{.Nmae}}"]).err).toContain("the column .Nmae does not exist");
    bay.ok("stop", "a");
    expect(bay.ok("ps", "-q", "--status", "exited").trim().split("\n")).toHaveLength(1);
    expect(bay.run(["ps", "--status", "nosuch"]).err).toContain("invalid state nosuch");
    bay.write(STACK.replace(/ {2}b:.*\n/, ""));
    expect(bay.ok("ps", "-a", "--no-orphans", "--format", "{{.Service}}")).toBe("a\n");
    expect(bay.ok("inspect", "--format", "{{.State.Status}}", "a")).toBe("exited\n");
    expect(JSON.parse(bay.ok("ls", "-a", "--filter", "name=usu", "--format", "json"))).toMatchObject([
      { Name: "usual" },
    ]);
    expect(bay.ok("volumes", "-q")).toBe("usual_own\n");
  });

  it("down removes only the named services, with what only they have", () => {
    bay.write(STACK).ok("up", "-d");
    expect(bay.ok("down", "--dry-run", "b")).toContain("- container usual-b-1");
    expect(names()).toEqual(["usual-a-1", "usual-b-1"]);
    bay.ok("down", "b");
    expect(names()).toEqual(["usual-a-1"]);
    expect(bay.ok("network", "ls", "-q")).not.toContain("usual_side");
    bay.ok("up", "-d");
    bay.ok("down", "-v", "b");
    expect(bay.ok("volumes", "-q")).toBe("usual_own\n"); // a has it
    bay.ok("down", "-v", "a");
    expect(bay.ok("volumes", "-q")).toBe("");
    expect(bay.run(["down", "nosuch"]).code).toBe(1);
  });

  it("--dry-run says what would be done, and does nothing", () => {
    bay.write(STACK).ok("up", "-d");
    for (const command of [["stop"], ["restart"], ["kill"], ["rm", "-s", "-f"], ["pause"]])
      expect(bay.run(["--dry-run", ...command]).err).toContain("container usual-a-1 would be");
    expect(bay.ok("--dry-run", "scale", "b=3")).toContain("+ container usual-b-3");
    expect(bay.run(["exec", "--dry-run", "a", "true"]).err).toContain("bay exec has no --dry-run");
    expect(bay.ps().map(({ State }) => State)).toEqual(["running", "running"]);
  });

  it("up and scale are versions of the history, and --always-recreate-deps replaces dependencies", () => {
    bay.write(STACK).ok("up", "-d");
    const what = () =>
      (JSON.parse(bay.ok("history", "--format", "json")) as { what: string }[]).map((row) => row.what);
    const first = what().length;
    bay.ok("scale", "b=2");
    expect(names()).toEqual(["usual-a-1", "usual-b-1", "usual-b-2"]);
    expect(what()[0]).toContain("services.b.");
    const ids = () => Object.fromEntries(bay.ps().map(({ Name, ID }) => [Name, ID]));
    const before = ids();
    bay.ok("up", "-d", "--scale", "b=2", "--force-recreate", "a");
    expect(ids()["usual-b-1"]).toBe(before["usual-b-1"]);
    expect(ids()["usual-a-1"]).not.toBe(before["usual-a-1"]);
    expect(what()[0]).toBe("recreated: a");
    const between = ids();
    bay.ok("up", "-d", "--scale", "b=2", "--always-recreate-deps", "b");
    expect(ids()["usual-a-1"]).not.toBe(between["usual-a-1"]);
    expect(what().length).toBe(first + 3);
    bay.ok("rollback", String(1));
    expect(names()).toEqual(["usual-a-1", "usual-b-1"]);
  });

  it("up stops all when one container fails, and goes on when one ends well", () => {
    bay.write(`name: usual
images: { box: { rootfs: ../busybox } }
services:
  a: { image: box, command: sleep 1000, stop_grace_period: 0s }
  well: { image: box, command: "echo done" }
  fails: { image: box, command: "sh -c 'sleep 1; exit 3'", depends_on: { well: { condition: service_completed_successfully } } }
`);
    const { code, out } = bay.run([
      "up",
      "--abort-on-container-failure",
      "--no-attach",
      "well",
      "--no-color",
    ]);
    expect(code).toBe(3);
    expect(out).not.toContain("done");
    expect(bay.ps().every(({ State }) => State === "exited")).toBe(true);
    expect(bay.run(["up", "-d", "--abort-on-container-failure"]).err).toContain("cannot be used with");
    expect(bay.run(["up", "--menu"]).err).toContain("--menu is not supported: ");
  });

  it("run takes capabilities, labels, env files and the service's names", () => {
    bay.write(STACK).ok("up", "-d");
    writeFileSync(`${bay.folder}/stack/more.env`, "ONE=1\nTWO=from file\n");
    const flags = ["run", "--rm", "-T", "-q", "--env-from-file", "more.env", "-e", "TWO=2"];
    expect(bay.ok(...flags, "a", "sh", "-c", "echo $ONE $TWO")).toBe("1 2\n");
    const caps = (...more: string[]) =>
      BigInt(
        `0x${bay
          .ok(...flags, ...more, "a", "sh", "-c", "grep CapEff /proc/self/status")
          .split(":")[1]!
          .trim()}`,
      );
    expect(caps("--cap-add", "NET_ADMIN") & (1n << 12n)).not.toBe(0n);
    expect(caps("--cap-drop", "ALL")).toBe(0n);
    expect(bay.run([...flags, "--cap-add", "NOSUCH", "a", "true"]).err).toContain("NOSUCH does not exist");
    bay.ok("run", "-d", "--name", "kept", "-l", "x=y", "a", "sleep", "1000");
    expect(bay.ok("inspect", "--format", '{{index .Config.Labels "x"}}', "kept")).toBe("y\n");
  });

  it("cp follows links, start waits, and export and commit take a service", () => {
    bay.write(STACK).ok("up", "-d");
    bay.ok("exec", "-T", "a", "sh", "-c", "echo told > /tmp/real; ln -s real /tmp/link");
    bay.ok("cp", "-L", "a:/tmp/link", "copied");
    bay.ok("cp", "copied", "b:/tmp/");
    expect(bay.ok("exec", "--no-TTY", "b", "cat", "/tmp/copied")).toBe("told\n");
    bay.ok("stop");
    bay.ok("start", "--wait");
    expect(bay.ps().map(({ State }) => State)).toEqual(["running", "running"]);
    bay.ok("export", "-o", "all.tar", "a");
    expect(bay.ok("commit", "a", "usual/made:1")).toMatch(/^sha256:/);
    expect(bay.ok("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")).toContain("usual/made:1\n");
    bay.ok("image", "rm", "usual/made:1");
  });

  it("config shows the files as they are written, and locks images", () => {
    bay.write(STACK);
    expect(bay.ok("config", "--no-normalize")).toContain("own:/own");
    expect(bay.ok("convert", "--services")).toBe("a\nb\n");
    expect(bay.ok("config", "--lock-image-digests")).toBe(
      "services:\n  a:\n    image: box\n  b:\n    image: box\n",
    );
    expect(bay.run(["--ansi", "nosuch", "ps"]).code).not.toBe(0);
  });
});
