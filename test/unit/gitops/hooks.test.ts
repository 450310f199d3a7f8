/** The listener for webhooks: which pushes are accepted, and what is refused with which status. */
import { createHmac } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Deliveries, Rates } from "../../../src/gitops/hooks/limits.ts";
import { HOOK_LIMITS, HookListener } from "../../../src/gitops/hooks/listener.ts";
import { MAX_SKEW, proofOf } from "../../../src/gitops/hooks/signature.ts";

const secret = "correct horse battery";
const pushes: string[] = [];
const listener = new HookListener({
  address: "127.0.0.1",
  port: 0,
  tls: undefined,
  secretOf: (name) => (name.startsWith("shop") ? secret : undefined),
  onPush: (name) => pushes.push(name),
  metrics: () => "bay_gitops_x 1\n",
  log: () => {},
  now: () => 0,
});
beforeAll(() => listener.listen());
afterAll(() => listener.close());

const sign = (text: string, key = secret) => createHmac("sha256", key).update(text).digest("hex");
const url = (path: string) => `http://127.0.0.1:${listener.port}${path}`;
const post = async (name: string, headers: Record<string, string>, body = "{}") => {
  const answer = await fetch(url(`/hooks/${name}`), { method: "POST", headers, body });
  await answer.text();
  return answer.status;
};
const seconds = () => String(Math.floor(Date.now() / 1000));

it.each([
  [
    "GitHub",
    (body: string) => ({ "X-Hub-Signature-256": `sha256=${sign(body)}`, "X-GitHub-Delivery": body }),
  ],
  ["Gitea", (body: string) => ({ "X-Gitea-Signature": sign(body), "X-Gitea-Delivery": body })],
  ["Forgejo", (body: string) => ({ "X-Forgejo-Signature": sign(body) })],
  ["GitLab", (body: string) => ({ "X-Gitlab-Token": secret, "X-Gitlab-Event-UUID": body })],
  [
    "a plain push",
    (body: string) => {
      const time = seconds();
      return { "X-Bay-Timestamp": time, "X-Bay-Signature": `sha256=${sign(`${time}.${body}`)}` };
    },
  ],
])("accepts a push of %s once", async (who, headersOf) => {
  const body = `{"who":"${who}"}`;
  const headers = headersOf(body);
  const before = pushes.length;
  expect(await post("shop", headers, body)).toBe(202);
  expect(await post("shop", headers, body)).toBe(409);
  expect(pushes.slice(before)).toEqual(["shop"]);
});

it("refuses a replay with another ID, because the ID is not signed", async () => {
  const signed = { "X-Hub-Signature-256": `sha256=${sign("one body")}` };
  expect(await post("shop", { ...signed, "X-GitHub-Delivery": "1" }, "one body")).toBe(202);
  expect(await post("shop", { ...signed, "X-GitHub-Delivery": "2" }, "one body")).toBe(409);
});

it("refuses wrong, missing and old signatures, and unknown sources, in the same way", async () => {
  const before = pushes.length;
  const old = String(Math.floor((Date.now() - 2 * MAX_SKEW) / 1000));
  const wrong: [string, Record<string, string>][] = [
    ["shop", {}],
    ["shop", { "X-Hub-Signature-256": "sha256=00" }],
    ["shop", { "X-Hub-Signature-256": `sha256=${sign("{}", "another secret")}` }],
    ["shop", { "X-Gitlab-Token": "x" }],
    ["shop", { "X-Bay-Signature": sign(`${old}.{}`), "X-Bay-Timestamp": old }],
    ["shop", { "X-Bay-Signature": sign("{}") }],
    ["other", { "X-Hub-Signature-256": `sha256=${sign("{}")}` }],
    ["..%2fshop", { "X-Gitlab-Token": secret }],
  ];
  for (const [name, headers] of wrong) expect(await post(name, headers)).toBe(401);
  expect(pushes).toHaveLength(before);
});

it("knows only its paths and methods", async () => {
  const statusOf = async (path: string, method = "GET") => (await fetch(url(path), { method })).status;
  expect(await statusOf("/")).toBe(404);
  expect(await statusOf("/hooks/shop")).toBe(405);
  expect(await statusOf("/bay/v1/gitops")).toBe(404);
  expect(await statusOf("/metrics", "POST")).toBe(405);
  expect(await (await fetch(url("/metrics"))).text()).toBe("bay_gitops_x 1\n");
});

it("refuses a body that is too large, and more requests than its rate", async () => {
  const body = "x".repeat(HOOK_LIMITS.body + 1);
  // the connection may be closed before the client has sent everything
  const status = await post("shop", { "X-Gitlab-Token": secret }, body).catch(() => 413);
  expect(status).toBe(413);
  const answers = await Promise.all(Array.from({ length: 120 }, () => post("shop", {}).catch(() => 0)));
  expect(answers).toContain(429);
});

it("ends the oldest connection of an address with too many", async () => {
  const sockets = Array.from({ length: HOOK_LIMITS.ofAddress + 1 }, () =>
    connect(listener.port, "127.0.0.1"),
  );
  try {
    await Promise.race(
      sockets.map((socket) => new Promise((done) => socket.on("close", done).on("error", () => {}))),
    );
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

it("forgets the oldest of too many deliveries", () => {
  const deliveries = new Deliveries(2);
  expect(["a", "b", "a", "c", "a"].map((mark) => deliveries.accepts([mark]))).toEqual([
    true,
    true,
    false,
    true,
    true,
  ]);
});

it("refills a rate with time", () => {
  let now = 0;
  const rates = new Rates(1, 2, () => now);
  expect([1, 2, 3].map(() => rates.takes("a"))).toEqual([true, true, false]);
  expect(rates.takes("b")).toBe(true);
  now = 1000;
  expect([1, 2].map(() => rates.takes("a"))).toEqual([true, false]);
});

it("ignores headers without a value, and timestamps that are no numbers of seconds", () => {
  expect(proofOf({ "x-gitlab-token": "" }, 0)).toBeUndefined();
  expect(proofOf({ "x-bay-signature": "a", "x-bay-timestamp": "9".repeat(13) }, 0)).toBeUndefined();
});
