import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { takeAptBases } from "../support/apt-bases.ts";
import { Bay } from "../support/bay.ts";

const URL = "http://127.0.0.1:8081/";

describe("examples/web-db", () => {
  const bay = new Bay();
  beforeAll(() => {
    cpSync("examples/web-db", join(bay.folder, "stack"), { recursive: true });
    takeAptBases(bay);
  });
  afterAll(() => bay.close());
  // not by run(): the test runner must hear from this process while the packages come
  const up = async () => {
    const { code, out, err } = await bay.call(["up", "-d", "--wait"]);
    if (code !== 0) throw new Error(`${out}${err}${bay.run(["logs"]).out}`);
  };
  // a kept connection would lead to the container that was there before
  const headers = { connection: "close" };
  const state = async () =>
    (await (await fetch(URL, { headers })).json()) as { visits: number; notes: string[] };

  it("comes up from Debian packages alone, and real traffic goes through all of it", async () => {
    await up();
    const first = await state();
    expect(first.notes).toEqual([]);
    for (const text of ["one", "Ωmega"])
      expect((await fetch(URL, { method: "POST", body: text, headers })).status).toBe(200);
    const many = await Promise.all(Array.from({ length: 20 }, state));
    expect(many.at(-1)!.notes).toEqual(["one", "Ωmega"]);
    expect(Math.max(...many.map(({ visits }) => visits))).toBe(first.visits + 20);
    expect(bay.run(["plan", "--detailed-exitcode"]).code).toBe(0);
  });

  it("keeps its database over down and up, and makes no image again", async () => {
    bay.ok("down");
    const { code, err } = await bay.call(["up", "-d", "--wait"]);
    expect(code).toBe(0);
    expect(err).not.toContain("image");
    expect((await state()).notes).toEqual(["one", "Ωmega"]);
  });
});
