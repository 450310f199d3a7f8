import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { checkPeer, markPeer, type Peer } from "../../../../src/daemon/api/peers.ts";

describe("a client of a plain port", () => {
  const check = (headers: Record<string, string>, peer: Peer | undefined = { kind: "plain" }) => {
    const request = { socket: {}, url: "/info", headers } as unknown as IncomingMessage;
    if (peer) markPeer(request.socket, peer);
    return () => checkPeer(request);
  };
  const refused = expect.objectContaining({ code: "NO_ACCESS" });

  it.each([
    "127.0.0.1:2375",
    "localhost",
    "localhost:2375",
    "[::1]:2375",
    "docker",
    "",
  ])("is a program with the host %j", (host) => expect(check({ host })).not.toThrow());

  it.each([
    { host: "127.0.0.1:2375", origin: "https://example.org" },
    { host: "127.0.0.1:2375", origin: "null" },
    { host: "127.0.0.1:2375", "sec-fetch-site": "cross-site" },
    // a name that was pointed to 127.0.0.1
    { host: "attacker.example.org:2375" },
    { host: "127.0.0.1.example.org" },
    { host: "192.0.2.1" },
  ])("is not a web page: %j", (headers) => expect(check(headers)).toThrowError(refused));

  it("may be anything on a unix socket and with a certificate", () => {
    const headers = { host: "example.org", origin: "https://example.org" };
    const certificate = {} as never;
    expect(check(headers, { kind: "certificate", certificate })).not.toThrow();
    const request = { socket: {}, url: "/", headers } as unknown as IncomingMessage;
    expect(() => checkPeer(request)).not.toThrow();
  });
});
