/** RUN steps get the host's network and all rights only where the build grants them. */
import { describe, expect, it } from "vitest";
import { checkStages } from "../../../src/build/entitlements.ts";
import { readDockerfile } from "../../../src/build/stages.ts";

const NOTHING = { insecure: false, hostNetwork: false };

/** Checks a Dockerfile; gives the error's text, or undefined where all steps are allowed. */
function refusal(source: string, granted: Partial<typeof NOTHING>): string | undefined {
  const { stages } = readDockerfile(source, "Dockerfile", () => undefined);
  try {
    checkStages(stages, { ...NOTHING, ...granted }, source);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe("a RUN step that needs an entitlement", () => {
  it.each([
    ["--network=host", "network.host", { hostNetwork: true }, { insecure: true }],
    ["--security=insecure", "security.insecure", { insecure: true }, { hostNetwork: true }],
  ])("is refused with its place and what grants it: RUN %s", (flag, entitlement, granting, other) => {
    const source = `FROM a AS one\nRUN x\nFROM one\nRUN ${flag} y\n`;
    for (const granted of [{}, other]) {
      const text = refusal(source, granted);
      expect(text).toContain(`Dockerfile:4:1: error: RUN ${flag} is not allowed for this build`);
      expect(text).toContain(`--allow ${entitlement}`);
      expect(text).toContain(`build.entitlements: [${entitlement}]`);
    }
    expect(refusal(source, granting)).toBeUndefined();
  });

  it("needs both entitlements for both options", () => {
    const source = "FROM a\nRUN --network=host --security=insecure y\n";
    expect(refusal(source, { insecure: true })).toContain("network.host");
    expect(refusal(source, { hostNetwork: true })).toContain("security.insecure");
    expect(refusal(source, { insecure: true, hostNetwork: true })).toBeUndefined();
  });

  it("is not confused with steps that ask for less", () => {
    const source = "FROM a\nRUN --network=none y\nRUN --network=default y\nRUN --security=sandbox y\nRUN y\n";
    expect(refusal(source, {})).toBeUndefined();
  });
});
