/** Webhooks, notifications, metrics and events of followed sources. */
import { createHmac } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ShownSource } from "../../src/gitops/api/routes.ts";
import { Bay, eventually } from "../support/bay.ts";
import { GitRepository } from "../support/git-repository.ts";

interface Got {
  url: string;
  headers: IncomingMessage["headers"];
  body: Record<string, unknown>;
}

describe("webhooks and notifications", () => {
  const bay = new Bay();
  bay.write("services: {}");
  const repository = new GitRepository(bay.folder);
  const status = () => JSON.parse(bay.ok("gitops", "status", "shop", "--format", "json")) as ShownSource;
  const put = (command: string) =>
    repository.write(
      "bay.yaml",
      `
name: shop
images: { box: { rootfs: ${bay.folder}/busybox } }
services: { web: { image: box, command: ${command}, stop_grace_period: 0s } }
`,
    );
  const got: Got[] = [];
  let isBroken = true;
  const receiver = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += String(part);
    // the first request is answered with a failure, so that it must be sent again
    if (isBroken) {
      isBroken = false;
      response.writeHead(503).end();
      return;
    }
    got.push({ url: request.url!, headers: request.headers, body: JSON.parse(text) });
    response.end();
  });
  let secret = "";
  let hook = "";
  const push = async (body: string, signed = body) => {
    const sign = createHmac("sha256", secret).update(signed).digest("hex");
    const headers = { "X-Hub-Signature-256": `sha256=${sign}`, "X-GitHub-Event": "push" };
    return (await fetch(hook, { method: "POST", headers, body })).status;
  };
  const applied = (commit: string) => eventually(() => expect(status().status.applied?.id).toBe(commit));

  beforeAll(async () => {
    bay.busybox();
    await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  });
  afterAll(async () => {
    receiver.close();
    await bay.close();
  });

  it("applies a push at once, although the next poll is far away", async () => {
    const first = put("sleep 1000").commit("Add the shop");
    bay.ok("gitops", "add", "shop", "--repo", repository.bare, "--interval", "24h");
    await applied(first);
    const listener = JSON.parse(
      bay.ok("gitops", "listen", "127.0.0.1:0", "--metrics", "--format", "json"),
    ) as {
      port: number;
    };
    const webhook = JSON.parse(bay.ok("gitops", "webhook", "shop", "--format", "json")) as {
      path: string;
      secret: string;
    };
    secret = webhook.secret;
    hook = `http://127.0.0.1:${listener.port}${webhook.path}`;
    const second = put("sleep 1001").commit("Change the shop");
    expect(await push("first", "something else")).toBe(401);
    expect(status().status.applied?.id).toBe(first);
    expect(await push("first")).toBe(202);
    await applied(second);
    expect(await push("first")).toBe(409);
  });

  it("reports what is applied, rolled back and changed by hand", async () => {
    const { port } = receiver.address() as AddressInfo;
    const add = (type: string, path: string, ...more: string[]) =>
      bay.run(["gitops", "notify", "shop", "--type", type, "--url", "-", ...more], {
        input: `http://127.0.0.1:${port}${path}\n`,
      });
    expect(add("json", "/hidden-json").code).toBe(0);
    expect(add("gitea", "/api/hidden-status").code).toBe(0);
    expect(bay.ok("gitops", "notify", "shop")).not.toContain("hidden");
    const good = put("sleep 1002").commit("Change the shop again");
    expect(await push("second")).toBe(202);
    await applied(good);
    const broken = put('[sh, -c, "exit 3"]').commit("Break the shop");
    expect(await push("third")).toBe(202);
    await eventually(() => expect(status().status.bad?.commit).toBe(broken));
    bay.ok("-p", "shop", "rm", "-s", "-f", "web");
    const reports = (url: string) => got.filter((each) => each.url.startsWith(url)).map(({ body }) => body);
    await eventually(() =>
      expect(reports("/hidden-json").map(({ event }) => event)).toEqual(["applied", "rolled-back", "drift"]),
    );
    expect(reports("/hidden-json")[0]).toMatchObject({ source: "shop", commit: { id: good, author: "Ada" } });
    await eventually(() =>
      expect(reports("/api").map(({ state, context }) => `${String(state)} ${String(context)}`)).toEqual([
        "success bay/shop",
        "failure bay/shop",
      ]),
    );
    expect(got.find(({ url }) => url.startsWith("/api"))!.url).toBe(`/api/hidden-status/statuses/${good}`);
  });

  it("has metrics and events", async () => {
    const text = await (await fetch(new URL("/metrics", hook))).text();
    expect(text).toContain('bay_gitops_syncs_total{source="shop"} 3');
    expect(text).toContain('bay_gitops_failures_total{source="shop"} 1');
    expect(text).toContain('bay_gitops_bad_commit{source="shop"} 1');
    const events = bay.ok("-p", "shop", "events", "--since", "1h", "--until", "0s");
    for (const action of ["gitops-applied", "gitops-rolled-back", "gitops-drift-repaired"])
      expect(events).toContain(action);
  });

  it("keeps the listener and the secrets over a restart, and shows no secret", async () => {
    bay.ok("daemon", "stop");
    const commit = put("sleep 1003").commit("Change while bayd is stopped");
    bay.ok("gitops", "listen"); // starts bayd
    await applied(commit);
    const next = put("sleep 1004").commit("Change after the restart");
    await eventually(async () => expect([202, 409]).toContain(await push("fourth")));
    await applied(next);
    const shown = ["status", "log"].map((word) => bay.ok("gitops", word, "shop", "--format", "json"));
    for (const each of [...shown, bay.ok("gitops", "listen")]) {
      expect(each).not.toContain(secret);
      expect(each).not.toContain("hidden");
    }
    const folder = join(bay.folder, "root/gitops/credentials");
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  });

  it("refuses an address of the network without a certificate, and ends listening", async () => {
    expect(bay.run(["gitops", "listen", "0.0.0.0:0"]).err).toContain("--cert and --key");
    bay.ok("gitops", "webhook", "shop", "--off");
    expect(await push("fifth")).toBe(401);
    bay.ok("gitops", "listen", "--off");
    await expect(push("sixth")).rejects.toThrow();
    bay.ok("gitops", "rm", "shop", "--down", "-v");
    expect(readdirSync(join(bay.folder, "root/gitops/credentials"))).toEqual([]);
  });
});
