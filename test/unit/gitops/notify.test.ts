/** Notifications: what each kind of target gets, and how failures are tried again. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Metrics } from "../../../src/gitops/hooks/metrics.ts";
import { readSource } from "../../../src/gitops/model/source.ts";
import { type LogEntry, NEW_STATUS } from "../../../src/gitops/model/status.ts";
import { messageFor } from "../../../src/gitops/notify/messages.ts";
import { Sender } from "../../../src/gitops/notify/sender.ts";
import { notifyTarget, shownTarget } from "../../../src/gitops/notify/targets.ts";

const source = readSource("shop", { repo: "https://example.org/shop.git" });
const id = "a".repeat(40);
const entry = (outcome: LogEntry["outcome"], reason = ""): Omit<LogEntry, "number"> => ({
  at: "2030-01-01T00:00:00.000Z",
  outcome,
  commit: { id, author: "Ada", subject: "Use <!channel> & more", committedAt: "2030-01-01T00:00:00Z" },
  reason,
  tookMs: 1500,
});
const target = (type: string, more: object = {}) =>
  notifyTarget.parse({ type, url: "https://chat.example.org/secret/path/", token: "t0ken", ...more });

describe("the message", () => {
  const read = (type: string, outcome: LogEntry["outcome"], reason?: string) => {
    const message = messageFor(target(type), source, entry(outcome, reason));
    return message && { ...message, body: JSON.parse(message.body) as Record<string, unknown> };
  };
  it("is generic JSON", () => {
    expect(read("json", "rolled back", "why")).toMatchObject({
      headers: { Authorization: "Bearer t0ken" },
      body: { event: "rolled-back", source: "shop", commit: { id }, reason: "why", tookMs: 1500 },
    });
  });
  it("has no mentions in a chat", () => {
    expect(read("slack", "applied")!.body.text).toBe(
      "shop: applied aaaaaaaaaaaa Use &lt;!channel&gt; &amp; more (Ada) in 1.5 s",
    );
  });
  it.each(["github", "gitea"])("is the status of a commit for %s", (type) => {
    const message = read(type, "failed", `${"x".repeat(300)}\nsecond line`)!;
    expect(message.url).toBe(`https://chat.example.org/secret/path/statuses/${id}`);
    expect(message.headers.Authorization).toBe(type === "github" ? "Bearer t0ken" : "token t0ken");
    expect(message.body).toMatchObject({ state: "failure", context: "bay/shop" });
    expect(message.body.description).toHaveLength(140);
    expect(read(type, "applied")!.body.state).toBe("success");
    expect(read(type, "drift")).toBeUndefined();
  });
  it("is sent only for the results that were chosen", () => {
    expect(read("json", "unreachable")).toBeUndefined();
    expect(messageFor(target("json", { on: ["unreachable"] }), source, entry("applied"))).toBeUndefined();
  });
  it("shows targets without their secrets", () => {
    expect(JSON.stringify(shownTarget(target("slack")))).not.toMatch(/secret|t0ken/);
    expect(notifyTarget.safeParse({ type: "json", url: "https://a:b@example.org/" }).success).toBe(false);
    expect(notifyTarget.safeParse({ type: "json", url: "file:///etc/passwd" }).success).toBe(false);
  });
});

describe("sending", () => {
  const got: string[] = [];
  let answers: number[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    request.resume();
    request.on("end", () => {
      got.push(request.url!);
      response.writeHead(answers.shift() ?? 200, { Location: "/elsewhere" }).end("text");
    });
  });
  beforeAll(() => new Promise<void>((done) => server.listen(0, "127.0.0.1", done)));
  afterAll(() => server.close());
  beforeEach(() => got.splice(0));
  const deliver = async (paths: string[], statuses: number[]) => {
    answers = statuses;
    const told: string[] = [];
    const sender = new Sender(
      (text) => told.push(text),
      () => 1,
    );
    const { port } = server.address() as AddressInfo;
    for (const path of paths)
      sender.send({
        message: { url: `http://127.0.0.1:${port}${path}`, headers: {}, body: "{}" },
        title: "shop",
        ca: undefined,
      });
    await sender.idle();
    return told;
  };
  it("tries again after a failure of the server, in order", async () => {
    expect(await deliver(["/1", "/2"], [503, 429, 200, 200])).toEqual([]);
    expect(got).toEqual(["/1", "/1", "/1", "/2"]);
  });
  it("does not try again what is refused, and follows no redirect", async () => {
    expect(await deliver(["/token"], [403])).toEqual([
      "shop: not sent after 1 attempts: the answer has the status 403",
    ]);
    expect(await deliver(["/token"], [302])).toHaveLength(1);
    expect(got).toEqual(["/token", "/token"]);
  });
  it("gives up after some attempts, and bounds the queue", async () => {
    expect(
      (
        await deliver(
          ["/1"],
          Array.from({ length: 20 }, () => 500),
        )
      )[0],
    ).toContain("after 8 attempts");
    const told = await deliver(
      Array.from({ length: 205 }, (_, index) => `/${index}`),
      [],
    );
    expect(told).toHaveLength(5);
    expect(told[0]).toContain("dropped");
  });
});

it("prints metrics in the format of Prometheus", () => {
  const metrics = new Metrics();
  metrics.note("shop", entry("applied"));
  const pending = { commit: entry("applied").commit!, reason: "", plan: "" };
  const text = metrics.text(
    [{ source, status: { ...NEW_STATUS, syncCount: 3, pending }, isHealthy: true }],
    Date.parse("2030-01-01T00:01:00Z"),
  );
  expect(text).toContain('bay_gitops_syncs_total{source="shop"} 3\n');
  expect(text).toContain('bay_gitops_lag_seconds{source="shop"} 60\n');
  expect(text).toContain('bay_gitops_apply_duration_seconds_bucket{source="shop",le="1"} 0\n');
  expect(text).toContain('bay_gitops_apply_duration_seconds_bucket{source="shop",le="2.5"} 1\n');
  for (const line of text.trimEnd().split("\n"))
    expect(line).toMatch(/^(# (HELP|TYPE) bay_\w+ .+|bay_\w+\{[^}]+\} [\d.e+-]+)$/);
  expect(metrics.text([], 0)).not.toContain("shop");
});
