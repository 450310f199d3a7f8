/** `up --wait`: what it waits for, and what it says where it waits in vain. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";

describe("up --wait", () => {
  const bay = new Bay();
  let before: Record<string, string>;
  beforeAll(() => {
    before = hostState();
    bay.busybox();
  });
  afterAll(() => bay.close());

  const up = (services: string, ...args: string[]) => {
    bay.write(
      `name: wait\nimages: { box: { rootfs: ../busybox } }\nx-box: &box { image: box, stop_grace_period: 0s }\nservices:\n${services}`,
    );
    const result = bay.run(["up", "--wait", ...args]);
    return { ...result, rows: bay.ps(), down: bay.ok("down", "-t", "0") };
  };

  it("succeeds when all are healthy, and init containers have ended with 0", () => {
    const { code, err, rows } = up(`
  setup: { <<: *box, command: 'true' }
  web:
    <<: *box
    command: sh -c 'sleep 0.3; touch /ready; sleep 100'
    healthcheck: { test: test -e /ready, interval: 20s }
    depends_on: { setup: { condition: service_completed_successfully } }
`);
    expect(code, err).toBe(0);
    expect(rows.find(({ Service }) => Service === "web")).toMatchObject({ Health: "healthy" });
    expect(rows.find(({ Service }) => Service === "setup")).toMatchObject({ State: "exited", ExitCode: 0 });
  });

  it("says why one cannot become healthy, with the probe's word and the last lines of its log", () => {
    const { code, err } = up(`
  web:
    <<: *box
    command: sh -c 'for i in 1 2 3; do echo line $$i; done; echo "no database" >&2; sleep 100'
    healthcheck: { test: "echo the page is empty; false", interval: 200ms, retries: 2 }
`);
    expect(code).toBe(1);
    expect(err).toContain(
      "wait-web-1 is unhealthy: the page is empty\n    line 1\n    line 2\n    line 3\n    no database",
    );
  });

  it("says what one ended with, and names all that failed", () => {
    const { code, err } = up(`
  a: { <<: *box, command: sh -c 'echo first is wrong; exit 3' }
  b: { <<: *box, command: sh -c 'echo second is wrong; exit 4' }
  c: { <<: *box, command: sleep 100 }
`);
    expect(code).toBe(1);
    expect(err).toContain("ended with exit code");
    expect(err).toMatch(/first is wrong|second is wrong/);
  });

  it("gives up on one that is started again and again", () => {
    const { code, err } = up(`
  a: { <<: *box, command: sh -c 'echo once more; exit 1', restart: always }
`);
    expect(code).toBe(1);
    expect(err).toContain("wait-a-1 restarts repeatedly, with exit code 1");
    expect(err).toContain("    once more");
  });

  it("gives up after --wait-timeout, and names what is not ready", () => {
    const { code, err } = up(
      "\n  a: { <<: *box, command: sleep 100, healthcheck: { test: 'false', interval: 60s } }\n",
      "--wait-timeout",
      "1",
    );
    expect(code).toBe(1);
    expect(err).toContain("not ready in time: wait-a-1");
  });

  it("touches only the named service and what it needs", () => {
    const { code, rows } = up(
      `
  db: { <<: *box, command: sleep 100 }
  web: { <<: *box, command: sleep 100, depends_on: [db] }
  other: { <<: *box, command: 'false' }
`,
      "web",
    );
    expect(code).toBe(0);
    expect(rows.map(({ Service }) => Service).sort()).toEqual(["db", "web"]);
  });

  it("a dependency that fails is named with its last lines too", () => {
    const { code, err } = up(`
  setup: { <<: *box, command: sh -c 'echo no such table; exit 2' }
  web: { <<: *box, command: sleep 100, depends_on: { setup: { condition: service_completed_successfully } } }
`);
    expect(code).toBe(1);
    expect(err).toContain("the dependency wait-setup-1 ended with exit code 2\n    no such table");
  });

  it("leaves nothing behind", async () => {
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
