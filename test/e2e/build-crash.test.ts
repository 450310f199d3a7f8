/** bayd is killed at random moments of builds: the store stays whole, nothing is left, and the next build is right. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, sleep } from "../support/bay.ts";
import { BASE, Builds } from "../support/builds.ts";
import { hostState } from "../support/host-state.ts";

/** `npm run test:long` makes more. */
const ROUNDS = Number(process.env.BAY_BUILD_CRASH_ROUNDS ?? 4);
const LONGEST = 450;

/** Stages side by side, copies, caches, mounts of the context, of a stage and of secrets, and an archive. */
const FILE = `${BASE}FROM base AS left
COPY src /src
RUN --mount=type=cache,target=/cache,id=shared cat /src/word >> /cache/log; sleep 0.05; cp /src/word /left
FROM base AS right
RUN --mount=target=/m --mount=type=secret,id=token sleep 0.05; cat /m/src/word /run/secrets/token > /right
ADD packed.tar /packed
FROM base
COPY --from=left /left /left
RUN --mount=from=right,target=/r,rw sleep 0.05; cat /r/right > /both; touch /r/more
COPY --from=right /packed /packed
RUN cat /left >> /both
`;

describe("kill -9 of bayd during builds", () => {
  const builds = new Builds();
  const { bay, context, put, say } = builds;
  let before: Record<string, string>;
  const at = (...path: string[]) => join(bay.folder, ...path);
  const build = (...options: string[]) =>
    bay.call([
      "image",
      "build",
      "-t",
      "test:1",
      "--secret",
      `id=token,src=${at("token")}`,
      ...options,
      context,
    ]);
  const namesIn = (...path: string[]) => (existsSync(at(...path)) ? readdirSync(at(...path)) : []);

  beforeAll(() => {
    before = hostState();
    writeFileSync(at("token"), "secret");
    put("src/file", "file");
    execFileSync("tar", ["-cf", join(context, "packed.tar"), "-C", context, "src"]);
    put("Dockerfile", FILE);
    bay.ok("image", "ls");
  });
  afterAll(() => bay.close());

  it(`leaves the store whole over ${ROUNDS} of them`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      put("src/word", `${round}\n`);
      const building = build();
      await sleep(Math.random() * LONGEST + 60);
      try {
        process.kill(bay.daemonPid(), "SIGKILL");
      } catch {
        // it is between two lives
      }
      await building;
      // the keeper brings it back, and the next round may hit its start
      if (round % 5 === 4) {
        await eventually(() => void bay.ok("version"));
        put("src/word", "right\n");
        const { code, err } = await build();
        if (code !== 0) throw new Error(`${err}${bay.log()}`);
        expect(say("cat /both; ls /packed")).toBe("right\nsecretright\nsrc\n");
      }
    }
    expect(bay.run(["image", "verify"])).toMatchObject({ code: 0 });
  });

  it("leaves nothing of what was begun", async () => {
    bay.ok("daemon", "stop");
    bay.ok("image", "ls");
    await eventually(() => {
      expect(namesIn("root", "layers").filter((name) => name.startsWith("."))).toEqual([]);
      expect(namesIn("root", "blobs", "sha256").filter((name) => name.startsWith(".new"))).toEqual([]);
      expect(namesIn("root", "build-cache").filter((name) => name.startsWith("."))).toEqual([]);
      expect(namesIn("root", "build-sources").filter((name) => name.startsWith("."))).toEqual([]);
      expect(namesIn("run", "containers")).toEqual([]);
      expect(namesIn("run").filter((name) => name.startsWith("build-"))).toEqual([]);
    });
    // the secret is in no file
    const found = execFileSync("sh", [
      "-c",
      `grep -rlF secretright ${at("root", "state")} ${at("root", "bayd.log")} || true`,
    ]);
    expect(found.toString()).toBe("");
    bay.ok("builder", "prune", "-af");
    bay.ok("image", "prune", "-af");
    await eventually(() => {
      const left = namesIn("root", "layers").filter((name) => name !== "mount-points");
      expect(left).toEqual([]);
    });
    bay.close();
    expect(hostState()).toEqual(before);
  });
});
