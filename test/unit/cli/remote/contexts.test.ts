import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Contexts } from "../../../../src/cli/remote/contexts.ts";
import { userFolder } from "../../../../src/cli/remote/user-folder.ts";

describe("contexts", () => {
  let folder: string;
  let contexts: Contexts;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bay-contexts-"));
    contexts = new Contexts(folder);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const pem = { ca: "-----BEGIN a", cert: "-----BEGIN b", key: "-----BEGIN c" };
  const create = (name: string) => contexts.create(name, { host: "tcp://server:2376", tls: "verify" }, pem);

  it("keep the address, and certificates and keys that only the user can read", () => {
    const made = create("prod");
    expect(contexts.get("prod")).toMatchObject({ name: "prod", host: "tcp://server:2376", tls: "verify" });
    expect(contexts.pem(made)).toEqual(pem);
    expect(statSync(made.folder).mode & 0o777).toBe(0o700);
    for (const file of ["ca.pem", "cert.pem", "key.pem", "context.json"])
      expect(statSync(join(made.folder, file)).mode & 0o777).toBe(0o600);
  });

  it("are used until another one is, and default is none of them", () => {
    create("prod");
    expect(contexts.inUse()).toBe("default");
    contexts.use("prod");
    expect(contexts.inUse()).toBe("prod");
    contexts.use("default");
    expect(contexts.inUse()).toBe("default");
    expect(() => contexts.use("absent")).toThrowError(expect.objectContaining({ code: "UNKNOWN_CONTEXT" }));
  });

  it("are removed with their keys, and the one in use only by force", () => {
    const made = create("prod");
    contexts.use("prod");
    expect(() => contexts.remove("prod", false)).toThrowError(
      expect.objectContaining({ code: "BAD_CONTEXT" }),
    );
    contexts.remove("prod", true);
    expect(contexts.inUse()).toBe("default");
    expect(() => readFileSync(join(made.folder, "key.pem"))).toThrow();
    expect(contexts.names()).toEqual([]);
    expect(() => contexts.remove("prod", false)).toThrowError(
      expect.objectContaining({ code: "UNKNOWN_CONTEXT" }),
    );
    contexts.remove("prod", true);
  });

  it.each([
    "",
    ".",
    "..",
    "a/b",
    "../../etc",
    "-x",
    "a b",
    "a\0",
    "é",
    "x".repeat(200),
  ])("cannot be named %j", (name) => {
    for (const action of [() => create(name), () => contexts.get(name), () => contexts.remove(name, true)])
      expect(action).toThrowError(expect.objectContaining({ code: "BAD_CONTEXT" }));
  });

  it("are never overwritten, and never called default", () => {
    create("prod");
    expect(() => create("prod")).toThrowError(expect.objectContaining({ code: "BAD_CONTEXT" }));
    expect(() => create("default")).toThrowError(expect.objectContaining({ code: "BAD_CONTEXT" }));
  });

  it.each([
    "{",
    "[]",
    '{"host": 1}',
    '{"host": "x", "key": "y"}',
    '{"host": "x", "tls": "maybe"}',
  ])("with the content %s are refused, with the name of the file", (text) => {
    const { folder: place } = create("prod");
    writeFileSync(join(place, "context.json"), text);
    expect(() => contexts.get("prod")).toThrowError(
      expect.objectContaining({ code: "BAD_CONTEXT", message: expect.stringContaining("context.json") }),
    );
  });
});

it("are in XDG_CONFIG_HOME if it is absolute, or in .config of the home directory", () => {
  expect(userFolder({ XDG_CONFIG_HOME: "/x", HOME: "/home/me" })).toBe("/x/bay");
  expect(userFolder({ XDG_CONFIG_HOME: "x", HOME: "/home/me" })).toBe("/home/me/.config/bay");
  expect(userFolder({ HOME: "/home/me" })).toBe("/home/me/.config/bay");
});
