/** x-bay.proc: what /proc of the containers shows. */
import { describe, expect, it } from "vitest";
import { toCompose } from "../../../../src/stack/index.ts";
import { loadText, problemsOf } from "../../../support/stack.ts";

const service = (keys: string) => `services: { a: { image: x, ${keys} } }`;

describe("x-bay.proc", () => {
  it.each(["host", "limits"])("%s is kept, and written again", (proc) => {
    const { stack } = loadText(service(`x-bay: { proc: ${proc}, spoofing: allow }`));
    expect(stack.services.a!.kernel.procView).toBe(proc);
    expect(toCompose(stack)).toMatchObject({ services: { a: { "x-bay": { proc, spoofing: "allow" } } } });
  });

  it("is bayd's setting if the file does not set it", () => {
    const { stack } = loadText(service("x-bay: { spoofing: deny }"));
    expect(stack.services.a!.kernel).not.toHaveProperty("procView");
    expect(toCompose(stack)).not.toHaveProperty("services.a.x-bay");
  });

  it("is refused with another value, and limits with the processes of the host", () => {
    expect(problemsOf(service("x-bay: { proc: limit }"))).toContain("expected one of host, limits");
    expect(problemsOf(service("pid: host, x-bay: { proc: limits }"))).toContain(
      "with pid: host, /proc shows the host",
    );
    expect(() => loadText(service("pid: host, x-bay: { proc: host }"))).not.toThrow();
  });
});
