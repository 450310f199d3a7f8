/** The docker CLI and docker compose of Debian 13 act only on what they name. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { DockerClients, dockerClients } from "../support/docker-clients.ts";

const stack = (name: string) => `name: ${name}
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: box
    init: true
    command: sh -c 'echo ${name} speaks; sleep 1000'
    stop_grace_period: 0s
    networks: [side]
    volumes: ["data:/data"]
  db: { image: box, command: sleep 1000, stop_grace_period: 0s }
networks: { side: { labels: { owner: ${name} } } }
volumes: { data: { labels: { owner: ${name} } } }
`;

/** Containers with names of their own. */
const SINGLE = `name: single
images: { box: { rootfs: ../busybox } }
services:
  red: { image: box, container_name: single-red, command: sleep 1000, stop_grace_period: 0s, labels: { color: red } }
  blue: { image: box, container_name: single-blue, command: sleep 1000, stop_grace_period: 0s, labels: { color: blue } }
`;

const found = dockerClients();

describe.skipIf("missing" in found)(
  `docker and docker compose of Debian 13${"missing" in found ? ` (not available: ${found.missing})` : ""}`,
  () => {
    const bay = new Bay();
    const folder = "folder" in found ? found.folder : "";
    const empty = mkdtempSync(join(tmpdir(), "bay-empty-"));
    let docker: DockerClients;

    beforeAll(() => {
      bay.busybox();
      docker = new DockerClients(folder, empty, bay.socket);
    });
    afterAll(() => {
      bay.close();
      rmSync(empty, { recursive: true, force: true });
    });

    beforeEach(() => {
      for (const name of ["left", "right"]) {
        bay.write(stack(name)).ok("up", "-d");
      }
      bay.write(SINGLE).ok("up", "-d");
    });

    const names = (...words: string[]) =>
      docker
        .ok("ps", "-a", "--format", "{{.Names}}", ...words)
        .split("\n")
        .filter(Boolean)
        .sort();
    const listed = () => ({
      containers: docker
        .ok("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}")
        .split("\n")
        .sort(),
      images: docker
        .ok("images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}")
        .split("\n")
        .sort(),
      networks: docker.ok("network", "ls", "-q", "--no-trunc").split("\n").sort(),
      volumes: docker.ok("volume", "ls", "-q").split("\n").sort(),
    });
    const of = (project: string) => names("--filter", `label=com.docker.compose.project=${project}`);
    const idsOf = (project: string) => docker.ok("compose", "-p", project, "ps", "-aq").split("\n").sort();

    it("compose down of an unknown project removes nothing", () => {
      const before = listed();
      const { err } = docker.run("compose", "-p", "nobody", "down", "-v");
      expect(err).toMatch(/No resource found to remove for project "nobody"/);
      for (const words of [["ps", "-aq"], ["top"], ["logs"]])
        expect(docker.run("compose", "-p", "nobody", ...words).out).toBe("");
      for (const words of [["restart"], ["stop"], ["kill"], ["rm", "-fsv"], ["pause"]])
        docker.run("compose", "-p", "nobody", ...words);
      expect(listed()).toEqual(before);
    });

    it("compose acts only on its project", async () => {
      const other = idsOf("right");
      const projects = JSON.parse(docker.ok("compose", "ls", "-a", "--format", "json")) as { Name: string }[];
      expect(projects.map(({ Name }) => Name).sort()).toEqual(["left", "right", "single"]);
      expect(of("left")).toEqual(["left-db-1", "left-web-1"]);
      expect(idsOf("left")).not.toEqual(other);
      expect(docker.ok("compose", "-p", "left", "exec", "-T", "web", "hostname")).toBe(
        docker.ok("exec", "left-web-1", "hostname"),
      );
      await eventually(() => {
        const logs = docker.ok("compose", "-p", "left", "logs");
        expect(logs).toContain("left speaks");
        expect(logs).not.toContain("right speaks");
      });
      expect(docker.ok("compose", "-p", "left", "top")).not.toContain("right-");
      const started = (name: string) => docker.ok("inspect", "-f", "{{.State.StartedAt}}", name);
      const [left, right, single] = ["left-web-1", "right-web-1", "single-red"].map(started);
      docker.ok("compose", "-p", "left", "restart", "-t", "0");
      expect(started("left-web-1")).not.toBe(left);
      expect([started("right-web-1"), started("single-red")]).toEqual([right, single]);
      docker.ok("compose", "-p", "left", "down", "-v", "-t", "0");
      expect(names()).toEqual(["right-db-1", "right-web-1", "single-blue", "single-red"]);
      expect(idsOf("right")).toEqual(other);
      expect(docker.ok("volume", "ls", "-q")).toBe("right_data\n");
      expect(docker.ok("network", "ls", "--format", "{{.Name}}")).not.toContain("left_");
      expect(docker.ok("network", "ls", "--format", "{{.Name}}")).toContain("right_side");
    });

    it("rmi of dangling images leaves all images with a name", () => {
      const before = listed();
      const dangling = docker.ok("images", "-qf", "dangling=true").split("\n").filter(Boolean);
      expect(dangling).toEqual([]);
      expect(docker.run("rmi", "-f", ...dangling).code).toBe(1);
      expect(listed()).toEqual(before);
    });

    it("prune removes only what the filters name", () => {
      docker.ok("stop", "-t", "0", "single-red", "single-blue", "left-db-1");
      const before = listed();
      const nothing = [
        ["system", "prune", "-f", "--filter", "label=color=green"],
        ["system", "prune", "-af", "--filter", "label=color=green"],
        ["system", "prune", "-f", "--filter", "label=color=red", "--filter", "label=owner=left"],
        ["container", "prune", "-f", "--filter", "label=color=green"],
        ["container", "prune", "-f", "--filter", "until=24h"],
        ["image", "prune", "-af", "--filter", "label=color=red"],
        ["network", "prune", "-f", "--filter", "label=owner=none"],
        ["volume", "prune", "-af", "--filter", "label=owner=none"],
        ["builder", "prune", "-af", "--filter", "label=color=red"],
      ];
      for (const words of nothing) {
        docker.ok(...words);
        expect([words, listed()]).toEqual([words, before]);
      }
      docker.ok("system", "prune", "-f", "--filter", "label=color=red");
      expect(names()).toEqual(["left-db-1", "left-web-1", "right-db-1", "right-web-1", "single-blue"]);
      docker.ok("container", "prune", "-f", "--filter", "label=color");
      expect(names()).toEqual(["left-db-1", "left-web-1", "right-db-1", "right-web-1"]);
      docker.ok("compose", "-p", "left", "down", "-t", "0");
      docker.ok("compose", "-p", "right", "down", "-t", "0");
      docker.ok("volume", "prune", "-af", "--filter", "label=owner=left");
      expect(docker.ok("volume", "ls", "-q")).toBe("right_data\n");
    });

    it("an unknown filter is an error, and removes nothing", () => {
      docker.ok("stop", "-t", "0", "single-red");
      const before = listed();
      for (const words of [
        ["container", "prune", "-f"],
        ["image", "prune", "-af"],
        ["network", "prune", "-f"],
        ["volume", "prune", "-f"],
        ["builder", "prune", "-f"],
        ["ps"],
      ]) {
        const { code, err } = docker.run(...words, "--filter", "nosuch=1");
        expect([words, code, err]).toEqual([words, 1, expect.stringMatching(/invalid filter 'nosuch'/)]);
      }
      expect(listed()).toEqual(before);
    });

    it("run gives the output, the exit code and the input of a command, and removes its container", () => {
      const before = listed();
      const lines = docker.ok("run", "--rm", "box", "seq", "5000").split("\n");
      expect([lines.length, lines.at(-2)]).toEqual([5001, "5000"]);
      expect(docker.run("run", "--rm", "box", "sh", "-c", "echo out; echo err >&2; exit 3")).toEqual({
        code: 3,
        out: "out\n",
        err: "err\n",
      });
      expect(docker.ok("run", "--rm", "-i", "box", "cat")).toBe("");
      // more than one file of the log holds, of a container that is removed at its end
      const long = ["sh", "-c", "seq 4000000 | tail -c 30000000"];
      expect(docker.ok("run", "--rm", "box", ...long).length).toBe(30_000_000);
      expect(bay.ok("run", "--rm", "-T", "red", ...long).length).toBe(30_000_000);
      expect(bay.ok("container", "run", "--rm", "box", ...long).length).toBe(30_000_000);
      expect(bay.run(["container", "run", "--rm", "box", "sh", "-c", "echo out; exit 3"])).toMatchObject({
        code: 3,
        out: "out\n",
      });
      expect(docker.run("run", "--rm", "box", "no-such-command").code).toBe(127);
      expect(docker.run("run", "--rm", "--gpus", "all", "box", "true").err).toContain("DeviceRequests");
      expect(docker.run("run", "--rm", "--network", "nothing", "box", "true").err).toContain(
        "network nothing not found",
      );
      expect(listed()).toEqual(before);
    });

    it("every destructive command removes only what it names, beside two stacks and three single containers", () => {
      docker.ok("compose", "-p", "single", "down", "-t", "0");
      for (const name of ["one", "two", "three"]) {
        docker.ok("network", "create", "--label", `of=${name}`, `net-${name}`);
        docker.ok(
          ...["run", "-d", "--init", "--name", name, "-l", `of=${name}`, "--network", `net-${name}`],
          ...["-v", `data-${name}:/data`, "box", "sleep", "1000"],
        );
      }
      docker.ok("tag", "box", "named:1");
      const all = () => ({
        containers: names(),
        networks: docker.ok("network", "ls", "--format", "{{.Name}}").split("\n").filter(Boolean).sort(),
        volumes: docker.ok("volume", "ls", "-q").split("\n").filter(Boolean).sort(),
        images: docker
          .ok("images", "--format", "{{.Repository}}:{{.Tag}}")
          .split("\n")
          .filter(Boolean)
          .sort(),
      });
      type Kind = keyof ReturnType<typeof all>;
      /** Runs a command, and expects that exactly the named objects are gone. */
      const goes = (command: string, gone: Partial<Record<Kind, string[]>>) => {
        const before = all();
        docker.run(...command.split(" "));
        const without = (kind: Kind) => before[kind].filter((name) => !gone[kind]?.includes(name));
        expect([command, all()]).toEqual([
          command,
          {
            containers: without("containers"),
            networks: without("networks"),
            volumes: without("volumes"),
            images: without("images"),
          },
        ]);
      };
      goes("kill one", {});
      goes("container prune -f --filter label=of=one", { containers: ["one"] });
      goes("network rm net-one net-two", { networks: ["net-one"] }); // two uses the other
      goes("volume rm data-one data-two", { volumes: ["data-one"] });
      goes("rm two", {}); // it runs
      goes("rm -fv two", { containers: ["two"] });
      goes("network prune -f --filter label=of=two", { networks: ["net-two"] });
      goes("volume prune -f", {}); // it has a name
      goes("volume prune -af --filter label=of=two", {});
      goes("volume rm data-two", { volumes: ["data-two"] });
      goes("rmi named:1", { images: ["named:1"] });
      goes("rmi box", {}); // containers use it
      goes("image prune -f", {});
      goes("builder prune -af", {});
      goes("system prune -f --volumes --filter label=of=nothing", {});
      goes("compose -p single down -v --remove-orphans", {});
      goes("compose -p left stop -t 0", {});
      goes("compose -p left rm -fsv", { containers: ["left-db-1", "left-web-1"] });
      goes("compose -p right down -v -t 0", {
        containers: ["right-db-1", "right-web-1"],
        networks: ["right_default", "right_side"],
        volumes: ["right_data"],
      });
      goes("stop -t 0 three", {});
      goes("rm three", { containers: ["three"] });
      docker.ok("network", "rm", "net-three");
      docker.ok("volume", "rm", "data-three");
    });

    it("build uses the classic route by itself, since the plugin buildx is not installed", () => {
      const context = join(empty, "context");
      mkdirSync(context, { recursive: true });
      writeFileSync(join(context, "Dockerfile"), "FROM box\nRUN echo made > /x\n");
      const { code, err } = docker.run("build", "-t", "built", context);
      expect([code, err]).toEqual([0, expect.stringContaining("DEPRECATED: The legacy builder")]);
      expect(docker.ok("run", "--rm", "built", "cat", "/x")).toBe("made\n");
      docker.ok("rmi", "built");
    });

    it("run creates a container that no stack changes or removes", async () => {
      docker.ok("network", "create", "--subnet", "10.211.4.0/24", "own");
      docker.ok(
        ...[
          "run",
          "-d",
          "--name",
          "solo",
          "--network",
          "own",
          "--ip",
          "10.211.4.9",
          "--network-alias",
          "other",
        ],
        ...["-v", "solo-data:/data", "-e", "A=1", "--memory", "64m", "--cap-drop", "ALL", "--read-only"],
        ...["--tmpfs", "/run", "--hostname", "host-of-solo", "--restart", "always", "-l", "k=v"],
        ...["--stop-timeout", "0", "--init", "box", "sleep", "1000"],
      );
      expect(docker.ok("run", "--rm", "--network", "own", "box", "ping", "-c1", "other")).toContain(
        "10.211.4.9",
      );
      const [solo] = JSON.parse(docker.ok("inspect", "solo"));
      expect(solo).toMatchObject({
        State: { Running: true },
        HostConfig: {
          Memory: 64 << 20,
          NetworkMode: "own",
          ReadonlyRootfs: true,
          RestartPolicy: { Name: "always" },
        },
        Config: { Hostname: "host-of-solo", Labels: { k: "v" } },
        NetworkSettings: { Networks: { own: { IPAddress: "10.211.4.9" } } },
      });
      // the default network, with no names but links
      docker.ok("network", "connect", "bridge", "solo");
      expect(docker.run("run", "--rm", "box", "ping", "-c1", "solo").code).not.toBe(0);
      expect(docker.ok("run", "--rm", "--link", "solo:linked", "box", "ping", "-c1", "linked")).toContain(
        "1 packets received",
      );
      docker.ok("network", "disconnect", "own", "solo");
      expect(docker.ok("exec", "solo", "ip", "-o", "-4", "addr")).not.toContain("10.211.4.9");
      // neither a stack's plan nor bayd's end changes it
      bay.ok("up", "-d", "--remove-orphans");
      bay.ok("-p", "left", "down", "-v", "--remove-orphans");
      process.kill(bay.daemonPid(), "SIGKILL");
      await eventually(() =>
        expect(docker.ok("inspect", "-f", "{{.State.Pid}}", "solo").trim()).toBe(String(solo.State.Pid)),
      );
      expect(bay.run(["down", "-v"]).code).toBe(0);
      expect(names()).toEqual(["right-db-1", "right-web-1", "solo"]);
      docker.ok("rm", "-f", "solo");
      docker.ok("network", "rm", "own");
      docker.ok("volume", "rm", "solo-data");
      expect(docker.ok("network", "ls", "--format", "{{.Name}}").split("\n").filter(Boolean).sort()).toEqual([
        "bridge",
        "host",
        "none",
        "right_default",
        "right_side",
      ]);
    });

    it("compose starts a project of its own file, keeps it without changes, and removes it", async () => {
      const before = listed();
      const own = new DockerClients(folder, mkdtempSync(join(tmpdir(), "bay-compose-")), bay.socket);
      writeFileSync(
        join(own.cwd, "compose.yaml"),
        `services:
  web:
    image: box
    command: sh -c 'echo speaks; sleep 1000'
    volumes: ["data:/data"]
    stop_grace_period: 0s
    depends_on: { db: { condition: service_healthy } }
  db:
    image: box
    command: sleep 1000
    stop_grace_period: 0s
    healthcheck: { test: ["CMD", "true"], interval: 1s }
volumes: { data: {} }
`,
      );
      const compose = (...words: string[]) => own.ok("compose", "-p", "own", ...words);
      compose("up", "-d");
      const ids = compose("ps", "-q");
      compose("up", "-d");
      expect(compose("ps", "-q")).toBe(ids);
      expect(compose("exec", "-T", "web", "ping", "-c1", "db")).toContain("1 packets received");
      await eventually(() => expect(compose("logs", "--no-log-prefix", "web")).toContain("speaks\n"));
      expect(compose("run", "--rm", "-T", "db", "echo", "once")).toBe("once\n");
      compose("up", "-d", "--scale", "db=2");
      expect(of("own")).toEqual(["own-db-1", "own-db-2", "own-web-1"]);
      compose("down", "-v");
      rmSync(own.cwd, { recursive: true, force: true });
      expect(listed()).toEqual(before);
    });
  },
);
