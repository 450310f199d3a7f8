/** What bay plan sees beforehand, with and without bayd: it exits with 1, and says all of it at once. */
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";

const HEAD =
  "name: foresee\nimages: { box: { rootfs: ../busybox } }\nx-box: &box { image: box, init: true, stop_grace_period: 0s, command: sleep 1000 }\n";

describe("bay plan sees beforehand", () => {
  const bay = new Bay();
  beforeAll(() => void bay.busybox());
  afterAll(() => bay.close());

  const isNamed = (owner: RegExp, port: number) => {
    const plan = bay.run(["plan", "--detailed-exitcode"]);
    expect(plan.code, plan.err).toBe(1);
    expect(plan.out).toContain(`error: services.web.ports: port ${port}/tcp is taken by `);
    expect(plan.out).toMatch(owner);
  };

  it("a port of another program and of another stack, and a Dockerfile with errors", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
    );
    const pid = new RegExp(`\\(pid ${process.pid}\\)`);
    bay.write("FROM box\nRUNN true\n", "Dockerfile");
    bay.write(`${HEAD}services: { web: { <<: *box, ports: ["${port}:80"] }, made: { build: . } }\n`);
    isNamed(pid, port); // bayd is not running yet
    expect(bay.run(["plan"]).out).toContain("RUNN");
    bay.write("FROM box\n", "Dockerfile");
    await new Promise((resolve) => server.close(resolve));
    const free = bay.run(["plan", "--detailed-exitcode"]);
    expect(free.code, free.out).toBe(2);

    bay.write(`${HEAD}services: { web: { <<: *box, ports: ["${port}:80"] } }\n`);
    bay.ok("up", "-d");
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    bay.write(
      `${HEAD.replace("foresee", "other")}services: { web: { <<: *box, ports: ["127.0.0.1:${port}:80"] } }\n`,
    );
    const other = bay.run(["plan"]);
    expect(other.code).toBe(1);
    expect(other.out).toContain("is taken by the container foresee-web-1 of the stack foresee");
  });

  it("all missing sources, devices, containers and contents at once, and refuses missing networks and volumes", () => {
    const missing = `
services:
  bind: { <<: *box, volumes: [{ type: bind, source: ./none, target: /x, bind: { create_host_path: false } }] }
  made: { <<: *box, volumes: ["/dev/null/x:/x"] }
  device: { <<: *box, devices: ["/dev/none"] }
  secret: { <<: *box, secrets: [s] }
  bound: { <<: *box, volumes: ["b:/b"] }
  joined: { <<: *box, network_mode: "container:none" }
secrets: { s: { file: ./none } }
volumes: { b: { driver_opts: { type: none, o: bind, device: /no/such } } }
`;
    const lines = [
      `services.bind.volumes: ${bay.stackFolder}/none does not exist`,
      "services.made.volumes: /dev/null/x cannot be created: /dev/null is not a directory",
      "services.device.devices: /dev/none does not exist on this host",
      `secrets.s: the file ${bay.stackFolder}/none does not exist`,
      "volumes.b.driver_opts.device: /no/such does not exist",
      "services.joined.network_mode: the container none does not exist",
    ];
    bay.write(`${HEAD.replace("foresee", "missing")}${missing}`);
    const plan = bay.run(["plan"]);
    expect(plan.code, plan.err).toBe(1);
    for (const line of lines) expect(plan.out).toContain(`error: ${line}`);

    const external = `  net: { <<: *box, networks: [n] }\n  vol: { <<: *box, volumes: ["v:/v"] }\nnetworks: { n: { external: true, name: nonet } }\n`;
    bay.write(
      `${HEAD.replace("foresee", "missing")}${missing.replace("secrets: { s:", `${external}secrets: { s:`).replace("volumes: { b:", "volumes: { v: { external: true, name: novol }, b:")}`,
    );
    for (const command of [["plan"], ["up", "-d"]]) {
      const refused = bay.run(command);
      expect(refused.code).toBe(1);
      for (const line of [
        ...lines,
        "the external network nonet does not exist",
        "the external volume novol does not",
      ])
        expect(refused.err).toContain(line);
    }
    expect(bay.ok("ps", "-aq")).toBe("");
  });

  it("all files and commands that an image needs and this host does not have", () => {
    bay.write(
      `name: sources\nimages: { h: { host: [sh, nosuchone, nosuchtwo, /no/path, "./nofile:/x"] }, r: { rootfs: ./none }, t: { archive: ./none.tar } }\n` +
        "services: { a: { image: h, command: [sh] }, b: { image: r, command: [sh] }, c: { image: t, command: [sh] } }\n",
    );
    const plan = bay.run(["plan"]);
    expect(plan.code, plan.err).toBe(1);
    for (const line of [
      "images.h: the command nosuchone is not on this host",
      "images.h: the command nosuchtwo is not on this host",
      "images.h: /no/path is not on this host",
      `images.h: ${bay.stackFolder}/nofile is not on this host`,
      `images.r: the rootfs ${bay.stackFolder}/none does not exist`,
      `images.t: the archive ${bay.stackFolder}/none.tar does not exist`,
    ])
      expect(plan.out).toContain(line);
    expect(bay.run(["up", "-d", "a"]).err).toMatch(/nosuchone .*nosuchtwo/);
  });

  it("a stage that the Dockerfile does not have, and what the build does not grant", () => {
    bay.write("FROM box AS one\nRUN --network=host true\nFROM box AS two\nFROM one AS three\n", "Dockerfile");
    const build = (key: string, rest: string) =>
      `${key}: { image: "${key}:1", build: { context: ., ${rest} } }`;
    bay.write(
      `${HEAD}services: { ${[
        build("a", "target: nosuch"),
        build("b", "target: three"),
        build("c", "target: two"),
        build("d", "target: three, entitlements: [network.host]"),
        'e: { image: "e:1", build: { context: ., target: nosuch, dockerfile_inline: "FROM box AS single" } }',
      ].join(", ")} }\n`,
    );
    const plan = bay.run(["plan"]);
    expect(plan.code, plan.err).toBe(1);
    const problems = plan.out.split("\n").filter((line) => line.startsWith("error: "));
    expect(problems.map((line) => /services\.(\w)\./.exec(line)?.[1])).toEqual(["a", "b", "e"]);
    expect(problems[0]).toContain('has no stage "nosuch"; expected one of one, two, three');
    expect(problems[1]).toContain("RUN --network=host is not allowed for this build");
    expect(problems[2]).toContain("its only stage is single");
  });

  it("a service without a container is left alone, and a name that the file does not have is an error", () => {
    bay.write(`${HEAD}services: { web: { <<: *box }, other: { <<: *box } }\n`);
    bay.ok("up", "-d", "--remove-orphans", "web");
    for (const command of ["stop", "start", "restart", "kill", "ps", "logs", "rm"])
      expect(bay.run([command, ...(command === "rm" ? ["-f"] : []), "other"]), command).toMatchObject({
        code: 0,
      });
    for (const command of ["stop", "logs", "ps"]) {
      const { code, err } = bay.run([command, "othr"]);
      expect(code).toBe(1);
      expect(err).toContain("the stack foresee has no service othr\n  its services are: other, web");
    }
    expect(bay.ps()).toMatchObject([{ Name: "foresee-web-1", State: "running" }]);
  });

  it("a one-shot service that has done its work, which --rerun runs again", () => {
    bay.write(`${HEAD}services: { job: { image: box, command: "sh -c 'echo ran'" } }\n`);
    bay.ok("up", "-d", "--remove-orphans");
    bay.ok("wait", "job");
    expect(bay.run(["plan", "--detailed-exitcode"])).toMatchObject({
      code: 0,
      out: expect.stringContaining("note: foresee-job-1 ended with exit code 0 and is not run again"),
    });
    const lines = () => bay.ok("logs", "--no-log-prefix", "job").match(/ran/g)?.length;
    bay.ok("up", "-d");
    expect(lines()).toBe(1);
    expect(bay.run(["up", "-d", "--rerun", "nosuch"]).code).toBe(1);
    bay.ok("up", "-d", "--rerun", "job");
    bay.ok("wait", "job");
    expect(lines()).toBe(2);
  });
});
