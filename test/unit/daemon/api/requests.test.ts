/** Requests as they come: paths, bodies, and what errors look like to a client. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { BayError } from "../../../../src/core/errors.ts";
import { LIMITS } from "../../../../src/core/limits.ts";
import { parameters } from "../../../../src/daemon/api/engine/parameters.ts";
import { containerName, flag, graceOf, integer, readQuery } from "../../../../src/daemon/api/engine/query.ts";
import { updateBody, updatedConfig } from "../../../../src/daemon/api/engine/update.ts";
import { errorAnswer, streamError } from "../../../../src/daemon/api/error-status.ts";
import { parseJson, parseWith } from "../../../../src/daemon/api/request-body.ts";
import { locate, noRoute } from "../../../../src/daemon/api/routing.ts";

const refusal = expect.objectContaining({ code: "BAD_REQUEST" });

describe("paths", () => {
  it.each([
    ["/info", "/info"],
    ["/v1.47/info", "/info"],
    ["/v1.24/containers/a%20b/json", "/containers/a%20b/json"],
    ["http://localhost/v1.47/info?x=1", "/info"],
    ["/vx/info", "/vx/info"],
  ])("%s is %s", (url, path) => expect(locate(url).path).toBe(path));

  it.each([
    ["//"],
    ["//info"],
    ["http://["],
    ["http://[/"],
    [""],
    ["*"],
    ["info"],
    ["/%"],
    ["/%zz"],
    ["/a%00b"],
    ["/%ff"],
    ["/info?filters=%"],
    ["/info?a=%00"],
    ["/a#b"],
    ["/v1.99/info"],
    ["/v9999.1/info"],
    ["/v1.1/info"],
  ])("%j is rejected", (url) => expect(() => locate(url)).toThrow(refusal));

  it("are parsed or rejected, for any input", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (url) => {
        for (const each of [url, `/${url}`, `/containers/${url}/json?filters=${url}`])
          try {
            expect(locate(each).path.startsWith("/")).toBe(true);
          } catch (error) {
            expect(error).toEqual(refusal);
          }
      }),
    );
  });

  it("that bay does not have return 501, and swarm's 503: a client takes 404 for a missing object", () => {
    expect(errorAnswer(noRoute("POST", "/session")).status).toBe(501);
    expect(errorAnswer(noRoute("POST", "/swarm/init")).status).toBe(501);
    for (const [method, path, reason] of [
      ["POST", "/session", /BuildKit/],
      ["POST", "/plugins/pull", /plugins/],
      ["GET", "/nosuch", /has no such route/],
    ] as const)
      expect(errorAnswer(noRoute(method, path)).body.message).toMatch(reason);
    for (const path of ["/swarm", "/nodes", "/services/create", "/tasks", "/secrets", "/configs/x"])
      expect(errorAnswer(noRoute("GET", path))).toMatchObject({
        status: 503,
        body: { message: expect.stringContaining("This node is not a swarm manager.") },
      });
  });
});

describe("bodies", () => {
  const bytes = (text: string) => Buffer.from(text);

  it("have a bounded nesting depth", () => {
    const nested = (depth: number) => bytes("[".repeat(depth) + "]".repeat(depth));
    expect(parseJson(nested(LIMITS.request.depth))).toBeInstanceOf(Array);
    expect(() => parseJson(nested(LIMITS.request.depth + 1))).toThrow("nested deeper");
    expect(() => parseJson(nested(1_000_000))).toThrow("nested deeper");
    expect(parseJson(bytes(JSON.stringify({ text: '[[[\\"'.repeat(100) })))).toBeInstanceOf(Object);
  });

  it("have a bounded number of entries", () => {
    expect(() => parseJson(bytes(JSON.stringify(new Array(LIMITS.request.entries + 1).fill(0))))).toThrow(
      "entries",
    );
  });

  it("that are not JSON are rejected", () => {
    for (const text of ["{", "nul", '{"a":1}}', "\0"]) expect(() => parseJson(bytes(text))).toThrow(refusal);
  });

  it("treat null as no value, and name the invalid field", () => {
    const schema = z.object({ Memory: z.number().optional(), Name: z.string().max(3).optional() });
    expect(parseWith(schema, { Memory: null })).toEqual({});
    expect(parseWith(schema, null)).toEqual({});
    expect(() => parseWith(schema, { Memory: "1" })).toThrow(/^Memory: expected number/);
  });

  it("never show a schema's own text in an error, for any source of the error", () => {
    const { error } = z.object({ a: z.number() }).safeParse({ a: "x" });
    const answer = errorAnswer(error);
    expect(answer).toMatchObject({ status: 400, body: { code: "BAD_REQUEST" } });
    expect(answer.body.message).toBe("a: expected number, received string");
  });
});

describe("queries", () => {
  const read = (text: string) =>
    readQuery(new URLSearchParams(text), { all: flag(), on: flag(true), limit: integer(-1, 10) });

  it("have Docker's boolean values", () => {
    expect(read("all=1")).toMatchObject({ all: true, on: true });
    expect(read("all=True&on=0")).toMatchObject({ all: true, on: false });
    for (const text of ["0", "false", "no", "none", ""]) expect(read(`all=${text}`).all).toBe(false);
  });

  it.each([
    ["limit=x"],
    ["limit=11"],
    ["limit=-2"],
    ["limit=1.5"],
    ["limit=1e3"],
    ["limit=0x1"],
    ["limit=NaN"],
  ])("%s is rejected by name", (text) => expect(() => read(text)).toThrow(/^limit: expected a whole number/));

  it("have a grace period that a timer supports", () => {
    const grace = (query: string) =>
      graceOf(parameters("POST /containers/:/stop", new URLSearchParams(query)).t);
    expect(grace("t=3")).toBe(3000);
    expect(grace("")).toBeUndefined();
    expect(grace("t=-1")).toBeLessThan(2 ** 31);
    for (const text of ["t=abc", "t=-2", "t=99999999999"]) expect(() => grace(text)).toThrow(refusal);
  });

  it("have container names by Docker's rule", () => {
    expect(containerName("/web_1.a-b")).toBe("web_1.a-b");
    for (const name of [
      "",
      null,
      undefined,
      "a",
      "a/b",
      "../../x",
      "x y",
      "-a",
      ".a",
      "a\n",
      "ä1",
      "a".repeat(256),
    ])
      expect(() => containerName(name)).toThrow(refusal);
  });
});

describe("update", () => {
  const config = { restart: { policy: "no", maxRetries: 0 }, resources: { memory: 64 << 20, pids: 10 } };
  const updated = (body: object) =>
    updatedConfig(config as unknown as Parameters<typeof updatedConfig>[0], parseWith(updateBody, body));

  it("keeps what is null, zero or absent", () => {
    const sent = { Memory: 96 << 20, MemorySwap: 128 << 20, PidsLimit: null, Ulimits: null, CpuShares: 0 };
    expect(updated(sent).resources).toMatchObject({ memory: 96 << 20, memorySwap: 128 << 20, pids: 10 });
    expect(updated({ RestartPolicy: { Name: "", MaximumRetryCount: 0 } }).restart.policy).toBe("no");
    expect(updated({ PidsLimit: -1 }).resources.pids).toBeUndefined();
    expect(updated({ CpuQuota: 50_000, CpuPeriod: 100_000 }).resources.cpus).toBe(0.5);
  });

  it.each([
    [{ Memory: -5 }],
    [{ Memory: 1.5 }],
    [{ Memory: "64m" }],
    [{ Memory: 1e300 }],
    [{ Memory: 1024 }],
    [{ MemorySwap: 1024 }],
    [{ NanoCpus: -1 }],
    [{ NanoCpus: 1e15 }],
    [{ CpuShares: -2 }],
    [{ CpusetCpus: "0; x" }],
    [{ PidsLimit: -2 }],
    [{ RestartPolicy: { Name: "sometimes" } }],
    [{ RestartPolicy: { Name: "always", MaximumRetryCount: 3 } }],
    [{ BlkioWeight: 300 }],
    [[]],
  ])("rejects %j", (body) => expect(() => updated(body)).toThrow(refusal));
});

describe("errors of streams", () => {
  it("carry a number for Docker's clients, and bay's code for its own", () => {
    const line = streamError(new BayError("IMAGE_NOT_FOUND", "no such image", { hint: "pull it" }));
    expect(line).toEqual({
      error: "no such image",
      errorDetail: { code: 404, message: "no such image" },
      code: "IMAGE_NOT_FOUND",
      hint: "pull it",
    });
    expect(streamError(new Error("x")).errorDetail.code).toBe(500);
  });
});
