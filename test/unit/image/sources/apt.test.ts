/** Images of Debian packages: what mmdebstrap is asked for, and what a user is told of its work. */
import { describe, expect, it } from "vitest";
import type { AptPackages } from "../../../../src/core/apt-packages.ts";
import { baseArguments, imageArguments } from "../../../../src/image/sources/apt/packages.ts";
import { ProgressLines, progressLine } from "../../../../src/image/sources/apt/progress.ts";

const wanted: AptPackages = {
  suite: "bookworm",
  components: ["main"],
  packages: ["a", "b"],
  mirror: undefined,
  snapshot: undefined,
  keep: [],
};

const askImage = (what: AptPackages, target: string) => imageArguments(what, target, { mustBeCurrent: true });

describe("mmdebstrap", () => {
  it.each([
    ["a base", baseArguments],
    ["an image", askImage],
  ])("is called for %s without what a container does not need, unless it is kept", (_, ask) => {
    const lean = ask(wanted, "/t.tar");
    expect(lean.slice(-2)).toEqual(["bookworm", "/t.tar"]);
    expect(ask({ ...wanted, mirror: "http://mirror.lan/debian" }, "/t.tar").slice(-2)).toEqual([
      "/t.tar",
      "http://mirror.lan/debian",
    ]);
    expect(lean.filter((argument) => argument.includes("path-exclude")).length).toBe(4);
    const whole = ask({ ...wanted, keep: ["docs", "man", "locales", "lists"] }, "/t.tar");
    expect(whole.some((argument) => argument.startsWith("--dpkgopt"))).toBe(false);
    const past = ask({ ...wanted, snapshot: "20260101T000000Z" }, "/t.tar");
    expect(past.at(-1)).toBe("http://snapshot.debian.org/archive/debian/20260101T000000Z");
  });

  it("gets names and paths only in variables", () => {
    const hostile = { ...wanted, packages: ["$(touch /x)"] };
    expect(askImage(hostile, "/t.tar").join("\n")).not.toContain("touch /x");
    expect(askImage({ ...wanted, keep: ["lists"] }, "/t.tar")).toContain("--skip=cleanup/apt/lists");
  });

  it("keeps standard error open for the scripts of packages", () => {
    const install = askImage(wanted, "/t.tar").find(
      (argument) => argument.includes(" install ") && argument.includes("Status-Fd"),
    );
    const [, descriptor] = /APT::Status-Fd=(\d+)/.exec(install ?? "") ?? [];
    expect(Number(descriptor)).toBeGreaterThan(2); // apt closes it for dpkg
  });
});

describe("progress", () => {
  it("is taken from the lines of mmdebstrap and of apt", () => {
    expect(progressLine("I: running apt-get update...")).toBe("updating the lists of packages");
    expect(progressLine("I: installing essential packages...")).toBe("installing essential packages");
    expect(progressLine("dlstatus:1:20.5000:Retrieving file 1 of 3")).toBe("Retrieving file 1 of 3 (20%)");
    expect(progressLine("pmstatus:hello:40.0000:Installing hello (amd64)")).toBe(
      "Installing hello (amd64) (40%)",
    );
    expect(progressLine("pmstatus:a:1.0:\u001b[2Jx")).toBe("?[2Jx (1%)");
    for (const other of ["", "I: done", "Unpacking hello (2.10-3) ...", "W: something"])
      expect(progressLine(other)).toBeUndefined();
  });

  it("is reported once for each change, for output in any pieces", () => {
    const told: string[] = [];
    const lines = new ProgressLines((line) => told.push(line));
    const text =
      "I: downloading packages with apt...\ndlstatus:1:0.0:a\ndlstatus:1:0.0:a\r\ndlstatus:1:9.0:a\n";
    for (const character of text) lines.add(character);
    expect(told).toEqual(["downloading packages with apt", "a (0%)", "a (9%)"]);
  });
});
