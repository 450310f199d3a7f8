/** `bay config`: what the files say, in whole and in part, and where it stands. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";

describe("bay config", () => {
  const bay = new Bay();
  beforeAll(() => {
    bay.write(`services:
  web:
    image: "nginx:\${TAG:-1.25}"
    mem_limit: 64m
    ports: ["\${PORT:?say a port}:80"]
    environment: { A: "1" }
  debug: { image: x, profiles: [debug, all] }
`);
    bay.write(
      'services:\n  web:\n    mem_limit: 128m\n    environment: !override { B: "2" }\n',
      "bay.override.yaml",
    );
    bay.write("PORT=81\nOF_FILE=1\n", ".env");
  });
  afterAll(() => bay.close());

  it("explains from which file and line a value came", () => {
    expect(bay.ok("config", "--explain", "services.web.mem_limit")).toBe(
      'services.web.mem_limit: "128m"\n  from bay.override.yaml:3:16  128m\n  over bay.yaml:4:16  64m\n',
    );
    expect(bay.ok("config", "--explain", "services.web.ports.0")).toBe(
      'services.web.ports.0: "81:80"\n  from bay.yaml:5:13  "${PORT:?say a port}:80"\n',
    );
    expect(bay.ok("config", "--explain", "services.web.environment")).not.toContain("environment.A");
    expect(bay.run(["config", "--explain", "services.web.prots"]).err).toContain(
      "services.web has image, mem_limit, ports, environment",
    );
  });

  it("names profiles, variables and what they are filled in from", () => {
    expect(bay.ok("config", "--profiles")).toBe("all\ndebug\n");
    const rows = bay.ok("config", "--variables").split("\n");
    expect(rows.map((row) => row.split(/\s+/).join(" "))).toEqual([
      "NAME REQUIRED DEFAULT VALUE ALTERNATE VALUE SET",
      "PORT yes yes",
      "TAG no 1.25 no",
      "",
    ]);
    expect(bay.ok("config", "--environment").split("\n")).toContain("OF_FILE=1");
  });

  it("leaves variables as they are written", () => {
    expect(bay.ok("config", "--no-interpolate")).toContain("image: nginx:${TAG:-1.25}\n");
  });

  it("has a digest for a service, which changes with it alone", () => {
    const [web] = bay.ok("config", "--hash", "web").split("\n");
    expect(web).toMatch(/^web [0-9a-f]{64}$/);
    bay.env.COMPOSE_PROFILES = "all";
    const both = bay.ok("config", "--hash", "*").split("\n");
    expect(both).toContain(web);
    expect(both.some((line) => line.startsWith("debug "))).toBe(true);
    bay.env.TAG = "2";
    expect(bay.ok("config", "--hash", "web")).not.toContain(web);
    expect(bay.run(["config", "--hash", "wbe"]).err).toContain("did you mean web?");
  });
});
