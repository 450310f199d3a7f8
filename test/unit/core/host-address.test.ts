import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatHostAddress, isLoopback, parseHostAddress } from "../../../src/core/host-address.ts";

const parse = (text: string) => parseHostAddress(text, "-H");

describe("the address of a bayd", () => {
  it.each([
    ["unix:///run/bay/bay.sock", { kind: "unix", path: "/run/bay/bay.sock" }],
    ["tcp://server:2376", { kind: "tcp", host: "server", port: 2376 }],
    ["tcp://server/", { kind: "tcp", host: "server", port: undefined }],
    ["tcp://[2001:db8::1]:2376", { kind: "tcp", host: "2001:db8::1", port: 2376 }],
    ["server:2376", { kind: "tcp", host: "server", port: 2376 }],
    ["SSH://server", { kind: "ssh", user: undefined, host: "server", port: undefined, path: undefined }],
    [
      "ssh://me@corp@server:22/run/b.sock",
      { kind: "ssh", user: "me@corp", host: "server", port: 22, path: "/run/b.sock" },
    ],
    ["ssh://root@[::1]", { kind: "ssh", user: "root", host: "::1", port: undefined, path: undefined }],
  ])("%s is read", (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  it.each([
    ["", "it has no host"],
    ["unix://run/bay.sock", "must be absolute"],
    [`unix:///${"a".repeat(120)}`, "107 bytes"],
    ["http://server", "the scheme http is not supported"],
    ["tcp://", "it has no host"],
    ["tcp://server:0", 'invalid port "0"'],
    ["tcp://server:65536", 'invalid port "65536"'],
    ["tcp://server:", 'invalid port ""'],
    ["tcp://server:2376/path", "has no path"],
    ["tcp://me@server", "has no user"],
    ["tcp://2001:db8::1", "needs brackets"],
    ["tcp://[server]:1", 'invalid host "server"'],
    ["ssh://-oProxyCommand=touch", 'invalid host "-oProxyCommand=touch"'],
    ["ssh://-l@server", 'invalid user "-l"'],
    ["ssh://root:secret@server", "a password cannot be part"],
    ["ssh://server$(id)", "invalid host"],
    ["ssh://server?x=1", "no query"],
    ["ssh://ser ver", "a space or a control character"],
    ["ssh://server\n", "a space or a control character"],
  ])("%j is refused", (text, message) => {
    expect(() => parse(text)).toThrowError(
      expect.objectContaining({ code: "BAD_HOST", message: expect.stringContaining(message) }),
    );
  });

  it("is the same after it was written and read again", () => {
    const word = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
    const host = fc.oneof(word, fc.ipV4(), fc.ipV6());
    const port = fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined });
    const path = fc.stringMatching(/^\/[\w./-]{1,40}$/);
    const address = fc.oneof(
      fc.record({ kind: fc.constant("unix" as const), path }),
      fc.record({ kind: fc.constant("tcp" as const), host, port }),
      fc.record({
        kind: fc.constant("ssh" as const),
        user: fc.option(word, { nil: undefined }),
        host,
        port,
        path: fc.option(path, { nil: undefined }),
      }),
    );
    fc.assert(
      fc.property(address, (each) => {
        expect(parse(formatHostAddress(each))).toEqual(each);
      }),
    );
  });

  it("is read or refused with BAD_HOST, whatever the text, and no part of it is an option", () => {
    fc.assert(
      fc.property(fc.constantFrom("", "ssh://", "tcp://", "unix://"), fc.string(), (scheme, text) => {
        try {
          const address = parse(scheme + text);
          if (address.kind !== "unix") expect(address.host).not.toMatch(/^-|[\s;$`'"\\]/);
          if (address.kind === "ssh") expect(address.user ?? "").not.toMatch(/^-|[\s;$`'"]/);
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_HOST" });
        }
      }),
    );
  });
});

it("only loopback addresses and localhost are this computer", () => {
  expect(["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"].every(isLoopback)).toBe(true);
  expect(
    ["0.0.0.0", "::", "127.0.0.1.example.org", "1270.0.0.1", "localhost.example", ""].some(isLoopback),
  ).toBe(false);
});
