/** Every operation of the Engine API on a real bayd: its status, the shape of its answer, and its errors. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OPERATIONS, type Operation } from "../support/engine-operations.ts";
import { EngineRoom } from "../support/engine-room.ts";
import { errorShape, SHAPES } from "../support/engine-shapes.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const HEADERS: Record<string, Record<string, string>> = {
  tcp: { Connection: "Upgrade", Upgrade: "tcp" },
  websocket: {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
  },
};

const methodOf = ({ name }: Operation) => name.split(" ")[0]!;
const unknownPath = ({ name }: Operation) => name.split(" ")[1]!.replace(/\{\w+\}/, "nosuch");

describe("the operations of the Engine API", () => {
  let room: EngineRoom;
  beforeAll(async () => {
    room = await EngineRoom.open();
  });
  afterAll(() => room.close());

  it.each(OPERATIONS.map((each) => [each.name, each] as const))("%s", async (_, operation) => {
    const { path, body } = await operation.request(room);
    const headers = operation.upgrade ? HEADERS[operation.upgrade] : {};
    const answer = await room.ask(methodOf(operation), `/v1.45${path}`, body, headers);
    expect([answer.status, answer.status === operation.status ? "" : answer.body]).toEqual([
      operation.status,
      "",
    ]);
    const shape = operation.refused ? errorShape : operation.shape && SHAPES[operation.shape];
    if (!shape) return;
    const { error } = shape.safeParse(answer.body);
    expect(error?.issues ?? []).toEqual([]);
  });

  /** Query parameters without which a route answers 400. */
  const NEEDED: Record<string, string> = {
    "GET /containers/{id}/logs": "?stdout=1",
    "POST /containers/{id}/rename": "?name=other",
    "POST /containers/{id}/resize": "?h=1&w=1",
    "POST /exec/{id}/resize": "?h=1&w=1",
    "HEAD /containers/{id}/archive": "?path=/",
    "GET /containers/{id}/archive": "?path=/",
    "PUT /containers/{id}/archive": "?path=/",
    "POST /images/{name}/tag": "?repo=a",
  };
  const BODIES: Record<string, unknown> = {
    "POST /containers/{id}/exec": { Cmd: ["true"] },
    "POST /networks/{id}/connect": { Container: "nosuch" },
    "POST /networks/{id}/disconnect": { Container: "nosuch" },
  };
  const withId = OPERATIONS.filter(({ hasId }) => hasId);
  it.each(
    withId.map((each) => [each.name, each] as const),
  )("%s of an unknown object is 404", async (name, operation) => {
    const headers = operation.upgrade ? HEADERS[operation.upgrade] : {};
    const path = `${unknownPath(operation)}${NEEDED[name] ?? ""}`;
    const answer = await room.ask(methodOf(operation), path, BODIES[name], headers);
    expect(answer.status).toBe(404);
    if (methodOf(operation) !== "HEAD") expect(errorShape.safeParse(answer.body).error).toBeUndefined();
  });

  const withBody = OPERATIONS.filter(({ badBody }) => badBody !== undefined);
  it.each(
    withBody.map((each) => [each.name, each] as const),
  )("%s with a wrong body is 400", async (_, operation) => {
    const { path } = await operation.request(room);
    for (const body of [operation.badBody, "{", "[1]"]) {
      const answer = await room.ask(methodOf(operation), path, body);
      expect([body, answer.status]).toEqual([body, 400]);
      expect(errorShape.safeParse(answer.body).error).toBeUndefined();
    }
  });

  it.each(
    OPERATIONS.filter(({ refused }) => !refused).map((each) => [each.name, each] as const),
  )("%s with an unknown parameter is 400", async (_, operation) => {
    const path = `${unknownPath(operation)}?nosuch=1`;
    expect((await room.ask(methodOf(operation), path)).status).toBe(400);
  });
});
