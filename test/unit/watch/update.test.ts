/** A watch whose stack changes while it runs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Client } from "../../../src/daemon/client.ts";
import type { Stack } from "../../../src/stack/index.ts";
import type { Report } from "../../../src/watch/events.ts";
import { Watch } from "../../../src/watch/watch.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-update-"));
  for (const [name, files] of Object.entries({ one: 1, two: 2, db: 0 })) {
    mkdirSync(join(folder, name));
    for (let number = 0; number < files; number++) writeFileSync(join(folder, name, `${number}`), "");
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const service = (name: string, directory: string, action = "sync") => ({
  name,
  mounts: [],
  watch: [
    {
      path: join(folder, directory),
      action,
      target: "/app",
      ignore: [],
      include: [],
      initialSync: false,
      exec: undefined,
    },
  ],
});
const stackOf = (...services: ReturnType<typeof service>[]) =>
  ({
    name: "demo",
    services: Object.fromEntries(services.map((each) => [each.name, each])),
  }) as unknown as Stack;

it("uses the new rules of all services after an update that failed", async () => {
  const reports: Parameters<Report>[0][] = [];
  const watch = new Watch({
    client: {} as Client,
    stack: stackOf(service("web", "one"), service("db", "db")),
    services: [],
    prune: false,
    report: (event) => void reports.push(event),
  });
  try {
    // without a build it cannot be rebuilt
    const failing = stackOf(service("web", "two"), service("db", "db", "rebuild"));
    await expect(watch.update(failing)).rejects.toMatchObject({ code: "BAD_WATCH_RULE" });
    await watch.update(stackOf(service("web", "two"), service("db", "db")));
    watch.begun();
    expect(reports).toContainEqual(expect.objectContaining({ type: "watching", files: 2 }));
  } finally {
    await watch.close();
  }
});
