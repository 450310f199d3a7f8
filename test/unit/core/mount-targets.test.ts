/** Where nothing may be mounted in a container. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mountTargetProblem } from "../../../src/core/mount-targets.ts";

const PROCESSORS = "/sys/devices/system/cpu";

describe("a mount in /proc or /sys", () => {
  it("may replace the list of processors as a whole, as lxcfs does, and nothing below it", () => {
    expect(mountTargetProblem(PROCESSORS, "/var/lib/lxcfs/sys/devices/system/cpu")).toBeUndefined();
    expect(mountTargetProblem(PROCESSORS, undefined)).toBeDefined();
    for (const below of ["online", "cpu0", "cpu0/online"])
      expect(mountTargetProblem(`${PROCESSORS}/${below}`, "/elsewhere")).toBeDefined();
    for (const above of ["/sys/devices/system", "/sys/devices", "/sys"])
      expect(mountTargetProblem(above, "/elsewhere")).toBeDefined();
  });

  it("is refused however its path is written", () => {
    const detour = fc.constantFrom("/", "//", "/./", "/x/../");
    fc.assert(
      fc.property(
        detour,
        detour,
        fc.constantFrom("sys/kernel", "1/attr", "keys", "self/fd"),
        (a, b, rest) => {
          expect(mountTargetProblem(`${a}proc${b}${rest}`, "/elsewhere")).toBeDefined();
          expect(mountTargetProblem(`${a}sys${b}kernel`, "/elsewhere")).toBeDefined();
        },
      ),
    );
  });
});
