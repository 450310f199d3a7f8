/** Versions of a stack that were applied, what differs between them, and bringing one back. */
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay, eventually } from "../support/bay.ts";
import { hostState } from "../support/host-state.ts";

const stack = (mode: string, extra = "") => `
name: told
images: { box: { rootfs: ../rootfs } }
services:
  a:
    image: box
    command: sleep 1000
    init: true
    stop_grace_period: 0s
    environment: { MODE: ${mode}, API_TOKEN: token-${mode} }
    secrets: [word]
${extra}
secrets: { word: { file: ./word } }
`;

describe("the history of a stack", () => {
  const bay = new Bay();
  let before: Record<string, string>;
  const put = (mode: string, extra = "") => {
    bay.write(`the word is ${mode}`, "word");
    bay.write(stack(mode, extra));
  };
  const exec = (command: string) => bay.ok("exec", "-T", "a", "sh", "-c", command).trim();
  const note = (text: string) => writeFileSync(join(bay.folder, "rootfs", "version"), text);
  const history = () =>
    JSON.parse(bay.ok("history", "--format", "json")) as { number: number; services: number; what: string }[];

  beforeAll(() => {
    before = hostState();
    const rootfs = bay.busybox();
    cpSync(rootfs, join(bay.folder, "rootfs"), { recursive: true, verbatimSymlinks: true });
    note("one");
    put("one");
    bay.ok("up", "-d");
  });
  afterAll(() => bay.close());

  it("has a version for each change that was applied, and none where nothing changed", () => {
    bay.ok("up", "-d");
    expect(history()).toMatchObject([{ number: 1, services: 1, what: "first" }]);
    note("two");
    put("two", "  b: { image: box, command: sleep 1000, stop_grace_period: 0s }");
    bay.ok("up", "-d");
    expect(history()[0]).toMatchObject({ number: 2, services: 2 });
    expect(history()[0]!.what).toContain("services.a.environment.API_TOKEN");
    expect(bay.ok("history")).toMatch(/REVISION +APPLIED +SERVICES +CHANGES\n2 /);
  });

  it("shows what differs between versions, and from a version to the file", () => {
    const text = bay.ok("diff", "1", "2");
    expect(text).toContain("~ services.a.environment.MODE: one -> two");
    expect(text).toContain("~ services.a.environment.API_TOKEN: (hidden) -> (hidden)");
    expect(text).toMatch(/~ services.a.image: box \([0-9a-f]{12}\) -> box \([0-9a-f]{12}\)/);
    expect(text).toContain("+ services.b.image: box");
    expect(text).not.toContain("token-");
    expect(bay.ok("diff", "2")).toBe("the file does not differ from revision 2\n");
    const { code, err } = bay.run(["diff", "9"]);
    expect(code).toBe(1);
    expect(err).toContain("has no revision 9");
  });

  it("brings one back: services, the image that the name meant, and the contents of secrets", () => {
    expect(exec("cat /version; echo; cat /run/secrets/word; echo; echo $MODE")).toBe(
      "two\nthe word is two\ntwo",
    );
    bay.ok("image", "prune", "-a", "-f"); // what a version needs stays
    expect(bay.ok("rollback", "--dry-run", "1")).toContain("- container told-b-1");
    expect(exec("echo $MODE")).toBe("two");
    bay.ok("rollback");
    expect(exec("cat /version; echo; cat /run/secrets/word; echo; echo $MODE")).toBe(
      "one\nthe word is one\none",
    );
    expect(bay.ps().map(({ Service }) => Service)).toEqual(["a"]);
    expect(history()[0]).toMatchObject({ number: 3, what: "rolled back to 1" });
    // the file says otherwise, and the plan shows it
    expect(bay.ok("plan")).toContain("services.a.environment.MODE: one -> two");
    expect(bay.run(["rollback", "7"]).err).toContain(
      "revisions 1 to 3 are kept; bay -p told history lists them",
    );
    bay.ok("rollback", "2");
    expect(exec("cat /version; echo; cat /run/secrets/word")).toBe("two\nthe word is two");
  });

  it("keeps the other services of the version before where only some are applied", () => {
    put("five", "  b: { image: box, command: sleep 2000, stop_grace_period: 0s }");
    bay.ok("up", "-d", "b");
    expect(bay.ok("diff", "4", "5")).toContain("~ services.b.command");
    expect(bay.ok("diff", "4", "5")).not.toContain("services.a.environment");
  });

  it("is there without bayd, and over down; down -v takes it away", async () => {
    bay.ok("down", "-t", "0");
    bay.ok("daemon", "stop");
    expect(history()).toHaveLength(5);
    // contents are kept while the stack has containers: then what they say now has to be the same
    expect(bay.run(["rollback", "1"]).err).toContain(
      "secrets and configs of revision 1 are no longer stored",
    );
    expect(bay.ps()).toEqual([]);
    bay.write("the word is one", "word");
    bay.ok("rollback", "1");
    expect(exec("cat /version; echo; cat /run/secrets/word")).toBe("one\nthe word is one");
    bay.ok("down", "-v", "-t", "0");
    expect(history()).toEqual([]);
    expect(bay.run(["rollback"]).err).toContain("has no revision before this one");
    bay.ok("daemon", "stop");
    await eventually(() => expect(hostState()).toEqual(before));
  });
});
