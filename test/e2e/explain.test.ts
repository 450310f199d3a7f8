/** `bay explain`, and the codes of errors by which it is asked. */
import { afterAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";

describe("bay explain", () => {
  const bay = new Bay().write("services: { web: { image: box, helthcheck: {} } }\n");
  afterAll(() => bay.close());

  it("prints the meaning, the causes and what to do", () => {
    const { code, out } = bay.run(["explain", "port_taken", "error[NO_DAEMON]:"]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^PORT_TAKEN: .*\n {2}usual causes: .*\n {2}what to do: .*\n.*docs\/errors\.md#port_taken$/m,
    );
    expect(out).toMatch(/^NO_DAEMON: /m);
  });

  it("prints codes as JSON, and all of them if none is given", () => {
    expect(JSON.parse(bay.ok("explain", "--format", "json", "SCHEMA_1"))).toEqual([
      expect.objectContaining({ code: "SCHEMA_1", exit: 1, http: 400, docs: "docs/errors.md#schema_1" }),
    ]);
    expect(JSON.parse(bay.ok("explain", "--format", "json")).length).toBeGreaterThan(150);
    expect(bay.ok("explain")).toMatch(/^ {2}BAD_MANIFEST +The image manifest/m);
  });

  it("describes the name of an errno as a failed system call", () => {
    expect(bay.ok("explain", "enoent")).toMatch(/^ENOENT: A system call failed\./);
  });

  it("names the nearest code to an unknown one", () => {
    const { code, err } = bay.run(["explain", "PORT_TAKE"]);
    expect([code, err]).toEqual([
      1,
      'error[UNKNOWN_CODE]: unknown error code "PORT_TAKE"\n  did you mean PORT_TAKEN?\n',
    ]);
  });

  it("is named after the errors of a stack file", () => {
    expect(bay.run(["config"]).err).toMatch(
      /1 problem in the stack file\n {2}for details: bay explain UNKNOWN_KEY\n$/,
    );
  });

  it("completes codes", () => {
    expect(bay.ok("__complete", "explain", "PORT_T")).toContain("PORT_TAKEN");
  });
});
