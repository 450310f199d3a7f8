/** A connection to a peer is dialled again however it ends. */
import { createServer, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Member } from "../../../src/host/model/member.ts";
import { PeerConnection } from "../../../src/host/stream/peer-connection.ts";

const lines = (...messages: object[]) => messages.map((message) => `${JSON.stringify(message)}\n`).join("");
const state = { kind: "state", number: 0, containers: [], isLast: true };

describe("the connection to a peer", () => {
  let server: Server | undefined;
  let peer: PeerConnection | undefined;
  afterEach(() => {
    peer?.close();
    server?.closeAllConnections();
    server?.close();
  });

  /** Serves each connection by the next answer, the last one again and again; resolves when it was used. */
  function serve(...answers: ((response: ServerResponse) => void)[]): Promise<void> {
    return new Promise((resolve) => {
      let at = 0;
      server = createServer((_request, response) => {
        const answer = answers[Math.min(at, answers.length - 1)]!;
        if (at >= answers.length - 1) resolve();
        at += 1;
        answer(response);
      });
      server.listen(0, "127.0.0.1", () => {
        const { port } = server!.address() as AddressInfo;
        peer = new PeerConnection({ id: "b", name: "b" } as Member, {
          request: () => request({ port, host: "127.0.0.1", agent: false }),
          changed: () => {},
          members: () => {},
        });
        peer.start();
      });
    });
  }

  it.each<[string, (response: ServerResponse) => void]>([
    ["an answer that is an error", (response) => response.writeHead(403).end("{}")],
    ["an answer that ends", (response) => response.end(lines(state))],
    ["a connection that is reset", (response) => response.socket!.resetAndDestroy()],
    ["a line that is not a message", (response) => response.write("{}\n")],
    ["a gap", (response) => response.write(lines(state, { kind: "heartbeat", number: 7 }))],
    ["half an answer", (response) => void (response.write(lines(state)) && response.socket!.destroy())],
  ])("after %s", async (_what, broken) => {
    await serve(broken, broken, (response) => response.write(lines(state)));
  });

  it("tells why it has no connection", async () => {
    await serve((response) => response.writeHead(403).end("{}"));
    while (peer!.problem === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(peer!.problem).toBe("it answered 403");
    expect(peer!.isSilent).toBe(true);
  });
});
