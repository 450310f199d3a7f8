/** The event stream over real connections: nothing is lost or doubled, and many followers cost little. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EventLog } from "../../../../../src/container/index.ts";
import { sendEvents } from "../../../../../src/daemon/api/engine/event-stream.ts";
import type { Call } from "../../../../../src/daemon/api/http.ts";

const LIMIT = 120_000;

describe("the event stream", { timeout: LIMIT }, () => {
  let folder: string;
  let events: EventLog;
  let server: ReturnType<typeof createServer>;
  const socketPath = () => join(folder, "socket");

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "bay-events-"));
    events = new EventLog();
    server = createServer((incoming, response) => {
      const query = new URL(incoming.url!, "http://bay").searchParams;
      sendEvents({ events }, { request: incoming, response, query } as Call);
    });
    await new Promise<void>((done) => server.listen(socketPath(), done));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
    rmSync(folder, { recursive: true });
  });

  /** Follows until so many lines have come; gives the names in them. */
  async function follow(path: string, count: number): Promise<Promise<string[]>[]> {
    const response = await new Promise<IncomingMessage>((done, fail) =>
      request({ socketPath: socketPath(), path }, done).on("error", fail).end(),
    );
    const names = (async () => {
      let text = "";
      for await (const part of response.setEncoding("utf8")) {
        text += part;
        if (text.split("\n").length > count) break;
      }
      const lines = text.split("\n").slice(0, -1);
      return lines.map((line) => JSON.parse(line).Actor.Attributes.name as string);
    })();
    return [names];
  }

  it("sends each event once and in order to every follower, and serialises each event once", async () => {
    const followers = (await Promise.all(Array.from({ length: 20 }, () => follow("/events", 500)))).flat();
    let serialised = 0;
    const names = Array.from({ length: 500 }, (_, index) => `n${index}`);
    for (const name of names) {
      const attributes = { name };
      Object.defineProperty(attributes, "toJSON", {
        value: () => {
          serialised += 1;
          return { name };
        },
      });
      events.publish("volume", "create", name, attributes);
    }
    for (const received of await Promise.all(followers)) expect(received).toEqual(names);
    expect(serialised).toBe(500);
  });

  it("repeats no event for a follower that requests past events while others wait for theirs", async () => {
    const [early] = await follow("/events", 4);
    events.publish("volume", "create", "a", { name: "a" });
    events.publish("volume", "create", "b", { name: "b" });
    const [late] = await follow("/events?since=1", 4);
    events.publish("volume", "create", "c", { name: "c" });
    events.publish("volume", "create", "d", { name: "d" });
    expect(await early).toEqual(["a", "b", "c", "d"]);
    expect(await late).toEqual(["a", "b", "c", "d"]);
  });

  it("keeps followers of other filters apart", async () => {
    const path = (type: string) => `/events?filters=${encodeURIComponent(JSON.stringify({ type: [type] }))}`;
    const [volumes] = await follow(path("volume"), 2);
    const [networks] = await follow(path("network"), 1);
    events.publish("volume", "create", "a", { name: "a" });
    events.publish("network", "create", "b", { name: "b" });
    events.publish("volume", "destroy", "a", { name: "a" });
    expect(await volumes).toEqual(["a", "a"]);
    expect(await networks).toEqual(["b"]);
  });

  it("closes the connection of a follower that does not read, and serves the others", async () => {
    const stalled = connect(socketPath());
    const before = events.listenerCount("event");
    stalled.write("GET /events HTTP/1.1\r\nHost: bay\r\n\r\n");
    await new Promise((done) => stalled.once("readable", done));
    expect(events.listenerCount("event")).toBe(before + 1);
    // larger than the socket's buffers and what one follower may leave unread
    const name = "x".repeat(900_000);
    while (events.listenerCount("event") > before) {
      events.publish("volume", "create", "a", { name });
      await new Promise(setImmediate);
    }
    stalled.destroy();
    const [other] = await follow("/events", 1);
    events.publish("volume", "create", "b", { name: "b" });
    expect(await other).toEqual(["b"]);
  });

  it("ends at its given time, with the events before", async () => {
    events.publish("volume", "create", "a", { name: "a" });
    const until = (Date.now() + 1000) / 1000;
    const [names] = await follow(`/events?since=1&until=${until}`, 100);
    expect(await names).toEqual(["a"]);
  });
});
