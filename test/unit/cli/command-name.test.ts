/** What finds the command's name before the program is made, against the options that the program has. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { build, commandName, WITH_VALUE } from "../../../src/cli/program.ts";

const program = build(() => {});

describe("the command's name among the words", () => {
  it("comes after options and their values", () => {
    expect(commandName(["ps", "-a"])).toBe("ps");
    expect(commandName(["-f", "up", "--root", "/r", "--dry-run", "ps"])).toBe("ps");
    expect(commandName(["--file=up", "-p", "down", "ps"])).toBe("ps");
    expect(commandName(["-f"])).toBeUndefined();
    expect(commandName([])).toBeUndefined();
  });

  it("knows each option of the program that has a value", () => {
    const named = (needsValue: boolean) =>
      program.options
        .filter(({ required }) => required === needsValue)
        .flatMap(({ short, long }) => [short, long].filter((name) => name !== undefined));
    expect(named(true).filter((name) => !WITH_VALUE.test(name))).toEqual([]);
    expect(named(false).filter((name) => WITH_VALUE.test(name))).toEqual([]);
  });

  it("is found by the same rule where the compiled code is kept", () => {
    expect(readFileSync("scripts/start.cjs", "utf8")).toContain(String(WITH_VALUE));
  });

  it("leaves a program with this command alone that is the same as in the whole program", () => {
    const refused = build(() => {}, "ps").commands.map((command) => command.name());
    for (const command of program.commands) {
      const alone = build(() => {}, command.name());
      const found = alone.commands.find((other) => other.name() === command.name())!;
      expect(found.helpInformation()).toBe(command.helpInformation());
      expect(found.commands.map((one) => one.name())).toEqual(command.commands.map((one) => one.name()));
      expect(alone.commands.length).toBeLessThanOrEqual(refused.length);
    }
  });
});
