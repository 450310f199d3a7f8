import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { takeAptBases } from "../support/apt-bases.ts";
import { Bay } from "../support/bay.ts";
import { isLong } from "../support/long.ts";

// builds with Debian packages are also in build-real.test.ts
describe.runIf(isLong)("examples/build", () => {
  const bay = new Bay();
  beforeAll(() => {
    cpSync("examples/build", join(bay.folder, "stack"), { recursive: true });
    takeAptBases(bay);
  });
  afterAll(() => bay.close());

  it("compiles its program with Debian's compiler, and ships it alone", async () => {
    // not by run(): the test runner must hear from this process while the packages come
    const { code, out, err } = await bay.call(["up", "-d", "--wait"]);
    expect([code, `${out}${err}`]).toEqual([0, expect.stringContaining("build-hello")]);
    const answer = await fetch("http://127.0.0.1:8082/", { headers: { connection: "close" } });
    expect(await answer.text()).toBe("built by bay\n");
    const [image] = JSON.parse(bay.ok("image", "inspect", "build-hello")) as {
      Size: number;
      RootFS: { Layers: string[] };
      Config: { User: string };
    }[];
    expect(image!.RootFS.Layers.length).toBe(1);
    expect(image!.Size).toBeLessThan(2 << 20);
    expect(image!.Config.User).toBe("65534");
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
    expect(bay.run(["up", "-d", "--build"]).err).not.toContain("replaced");
  });
});
