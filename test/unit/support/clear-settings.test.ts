/** The user's environment does not change what tests do. */
import { describe, expect, it } from "vitest";
import { clearSettings } from "../../support/clear-settings.ts";

describe("the environment of tests", () => {
  it("has no variables that select a host or a stack, and keeps those of the tests", () => {
    const environment = {
      DOCKER_HOST: "tcp://192.0.2.1:2375",
      DOCKER_CONTEXT: "far",
      COMPOSE_FILE: "none.yaml",
      BAY_HOST: "ssh://far",
      BAY_ROOT: "/var/lib/bay",
      BAY_LONG: "1",
      PATH: "/bin",
    };
    clearSettings(environment);
    expect(environment).toEqual({ BAY_LONG: "1", PATH: "/bin" });
  });

  it("was cleared when these tests were started", () => {
    const left = Object.keys(process.env).filter((name) => /^(COMPOSE|DOCKER)_|^BAY_HOST$/.test(name));
    expect(left).toEqual([]);
  });
});
