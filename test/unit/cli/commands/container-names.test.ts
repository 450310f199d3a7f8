/** Commands on containers that belong to no stack, or to another one, by their names. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO, idOf, row } from "../../../support/container-rows.ts";
import { type Call, FakeBayd } from "../../../support/fake-bayd.ts";
import { bay } from "../../../support/run-command.ts";

const ID = "f00d".repeat(16);
const SOLO = { ...row("web"), Id: ID, Names: ["/solo"], Labels: {} };

let bayd: FakeBayd;
let empty: string;
beforeEach(async () => {
  bayd = await FakeBayd.start();
  writeFileSync(join(bayd.folder, "compose.yaml"), DEMO);
  empty = "/";
  mkdirSync(join(bayd.folder, "stack"), { recursive: true });
  // a list with a filter is that of the stack
  bayd.on("GET /containers/json", ({ query }: Call) =>
    query.has("filters") ? [row("web")] : [row("web"), SOLO],
  );
  for (const id of [ID, idOf("web")]) bayd.on(`POST /containers/${id}/stop`, undefined);
});
afterEach(() => bayd.stop());

const stopped = () => bayd.seen.filter((line) => line.startsWith("POST"));

describe("a command on containers", () => {
  it.each(["solo", ID, ID.slice(0, 12)])("takes %s in a directory without a stack file", async (name) => {
    expect(await bay(["stop", name], { bayd, cwd: empty })).toMatchObject({
      code: 0,
      stderr: "container solo stopped\n",
    });
    expect(stopped()).toEqual([`POST /containers/${ID}/stop`]);
  });

  it("takes services and other containers together", async () => {
    expect((await bay(["stop", "web", "solo"], { bayd, cwd: bayd.folder })).code).toBe(0);
    expect(stopped().sort()).toEqual(
      [`POST /containers/${ID}/stop`, `POST /containers/${idOf("web")}/stop`].sort(),
    );
  });

  it("does nothing if one of the names does not exist", async () => {
    const wrong = await bay(["stop", "solo", "nothing"], { bayd, cwd: empty });
    expect(wrong).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("the container nothing does not exist"),
    });
    const service = await bay(["stop", "solo", "nothing"], { bayd, cwd: bayd.folder });
    expect(service.stderr).toContain("has no service nothing");
    expect(stopped()).toEqual([]);
  });

  it("needs a stack file if no name is given", async () => {
    expect((await bay(["stop"], { bayd, cwd: empty })).stderr).toContain("no stack file");
    expect(stopped()).toEqual([]);
  });
});
