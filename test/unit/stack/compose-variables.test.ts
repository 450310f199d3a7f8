/** Variables of docker compose: read from the environment and from env files, or named as not supported. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { composeSettings, envFilesOf } from "../../../src/stack/files/find.ts";
import { loadText } from "../../support/stack.ts";

const SERVICE = "services: { a: { image: x } }\n";
let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "bay-variables-"));
});
afterEach(() => rmSync(cwd, { recursive: true }));

describe("a variable of docker compose", () => {
  it("comes from the environment, or else from the folder's .env, the later line over the earlier", () => {
    writeFileSync(join(cwd, ".env"), "COMPOSE_ANSI=always\nCOMPOSE_PROGRESS=tty\nCOMPOSE_PROGRESS=plain\n");
    const lookup = composeSettings({ cwd, environment: { COMPOSE_ANSI: "never" } }, ".");
    expect(["COMPOSE_ANSI", "COMPOSE_PROGRESS", "COMPOSE_MENU"].map(lookup)).toEqual([
      "never",
      "plain",
      undefined,
    ]);
  });

  it("comes from the env files that COMPOSE_ENV_FILES names, and from none with COMPOSE_DISABLE_ENV_FILE", () => {
    writeFileSync(join(cwd, ".env"), "COMPOSE_ANSI=always\n");
    writeFileSync(join(cwd, "other"), "COMPOSE_ANSI=never\n");
    const ansi = (environment: Record<string, string>) =>
      composeSettings({ cwd, environment }, ".")("COMPOSE_ANSI");
    expect(ansi({ COMPOSE_ENV_FILES: " other , " })).toBe("never");
    expect(ansi({ COMPOSE_DISABLE_ENV_FILE: "1" })).toBeUndefined();
    expect(envFilesOf({ cwd, environment: { COMPOSE_DISABLE_ENV_FILE: "false" } })).toBeUndefined();
  });

  it.each([
    "COMPOSE_BAKE",
    "COMPOSE_COMPATIBILITY",
    "COMPOSE_CONVERT_WINDOWS_PATHS",
    "COMPOSE_EXPERIMENTAL",
    "COMPOSE_MENU",
  ])("%s is named as not supported, unless it says no", (name) => {
    const warnings = (environment: Record<string, string>, extra: Record<string, string> = {}) =>
      loadText(SERVICE, { environment, extra }).warnings.map(({ message }) => message);
    expect(warnings({ [name]: "1" })).toEqual([expect.stringContaining(`${name} is not supported: `)]);
    expect(warnings({}, { ".env": `${name}=2\n` })).toHaveLength(1);
    expect(warnings({ [name]: "false" })).toEqual([]);
  });

  it.each([
    "COMPOSE_ENV_FILES",
    "COMPOSE_DISABLE_ENV_FILE",
  ])("%s has no effect in an env file, which is said", (name) => {
    const { warnings } = loadText(SERVICE, { extra: { ".env": `${name}=1\n` } });
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining("set it in the environment"),
    ]);
  });

  it.each([
    "COMPOSE_REMOVE_ORPHANS",
    "COMPOSE_IGNORE_ORPHANS",
    "COMPOSE_ANSI",
    "COMPOSE_PROGRESS",
    "COMPOSE_STATUS_STDOUT",
  ])("%s has an effect, so that nothing is said", (name) => {
    expect(loadText(SERVICE, { environment: { [name]: "1" } }).warnings).toEqual([]);
  });
});
