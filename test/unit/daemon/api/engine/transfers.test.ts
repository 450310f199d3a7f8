/** Archives of images, requests to registries, streams of figures, and taken-over connections with bad bodies. */
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  offlineContainers,
  offlineHistory,
  offlineStacks,
  runningOffline,
} from "../../../../../src/daemon/stacks/offline.ts";
import { JournalStore } from "../../../../../src/store/index.ts";
import { loadBay, UnitBay, unloadBay } from "../../../../support/unit-bay.ts";

let bay: UnitBay;
beforeAll(() => loadBay());
afterAll(unloadBay);
beforeEach(async () => {
  bay = await UnitBay.start();
});
afterEach(() => bay.stop());

const linesOf = (body: unknown) => (Array.isArray(body) ? body : [body]);

describe("archives of images", () => {
  it("are saved and loaded again under the same name", async () => {
    const saved = await bay.ask("GET", "/images/get?names=app");
    expect(saved).toMatchObject({ status: 200, headers: { "content-type": "application/x-tar" } });
    expect((await bay.ask("GET", "/images/app/get")).bytes.length).toBe(saved.bytes.length);
    const { id } = bay.manager.images.records.need("app");
    bay.manager.images.records.forget(bay.manager.images.records.need("app"));
    const { body } = await bay.ask("POST", "/images/load", saved.bytes);
    expect(linesOf(body)).toEqual([{ stream: "Loaded image: app:latest\n" }]);
    expect(bay.manager.images.records.need("app").id).toBe(id);
  });

  it("of an image that does not exist are refused, and what is no archive is reported", async () => {
    expect((await bay.ask("GET", "/images/get?names=none")).status).toBe(404);
    const { body } = await bay.ask("POST", "/images/load", Buffer.from("not a tar"));
    expect(linesOf(body).at(-1)).toMatchObject({ error: expect.any(String) });
    expect((await bay.ask("POST", "/bay/v1/images/load", { path: "relative" })).status).toBe(400);
    expect(
      (await bay.ask("POST", "/bay/v1/images/save", { names: [], path: "/x", dev: 1, ino: 1 })).status,
    ).toBe(400);
  });
});

describe("requests to registries", () => {
  it("of a registry that does not answer end with its error", async () => {
    const { body } = await bay.ask("POST", "/images/create?fromImage=127.0.0.1:9/app&tag=v1");
    expect(linesOf(body).at(-1)).toMatchObject({ error: expect.stringContaining("127.0.0.1:9") });
    await bay.ask("POST", "/images/app/tag?repo=127.0.0.1:9/app&tag=v1");
    const pushed = await bay.ask("POST", "/images/127.0.0.1:9/app/push?tag=v1");
    expect(linesOf(pushed.body).at(-1)).toMatchObject({ error: expect.stringContaining("127.0.0.1:9") });
  });

  it("with credentials that are not JSON are rejected", async () => {
    const socket = connect(await bay.serve());
    socket.end(
      "POST /images/create?fromImage=app HTTP/1.1\r\nHost: bay\r\nX-Registry-Auth: e30x\r\nConnection: close\r\n\r\n",
    );
    let text = "";
    for await (const part of socket) text += String(part);
    expect(text).toMatch(/^HTTP\/1\.1 400[\s\S]*X-Registry-Auth/);
  });
});

describe("figures", () => {
  it("are sent each second until the container is removed", async () => {
    const { id } = await bay.running();
    const socket = connect(await bay.serve());
    socket.write(`GET /containers/${id}/stats HTTP/1.1\r\nHost: bay\r\nConnection: close\r\n\r\n`);
    let text = "";
    socket.on("data", (part) => {
      text += String(part);
    });
    const closed = new Promise((resolve) => socket.on("close", resolve));
    await bay.until(() => text.split('"name":"/demo-web-1"').length > 2);
    await bay.manager.remove(id, { volumes: true, force: true });
    await closed;
    expect(text).toMatch(/"preread":"20/);
  });
});

describe("a connection that is taken over", () => {
  const answerTo = async (head: string) => {
    const socket = connect(await bay.serve());
    socket.on("error", () => {});
    socket.write(head);
    let text = "";
    for await (const part of socket) text += String(part);
    return text;
  };
  const upgrade = "Host: bay\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n";

  it.each([
    ["a length that is no number", "Content-Length: 1e9\r\n", 400],
    ["a chunked body", "Transfer-Encoding: chunked\r\n", 400],
    ["a body that is too large", "Content-Length: 99999999999\r\n", 413],
  ])("is refused with %s", async (_, header, status) => {
    const { id } = await bay.running();
    const answer = await answerTo(`POST /containers/${id}/attach HTTP/1.1\r\n${upgrade}${header}\r\n`);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status}`));
  });

  it("is refused at another route, and with an unknown parameter", async () => {
    const { id } = await bay.running();
    expect(await answerTo(`POST /containers/${id}/start HTTP/1.1\r\n${upgrade}\r\n`)).toMatch(
      /^HTTP\/1\.1 501/,
    );
    expect(await answerTo(`POST /containers/${id}/attach?odd=1 HTTP/1.1\r\n${upgrade}\r\n`)).toMatch(
      /^HTTP\/1\.1 400/,
    );
  });
});

describe("without bayd", () => {
  it("containers, stacks and revisions are read from the state", async () => {
    const { id } = await bay.running("image: app\nlabels: { tier: front }");
    await bay.create("image: app", { name: "other" });
    const store = new JournalStore(join(bay.roots.root, "state"));
    for (const key of bay.manager.list().map((record) => `container/${record.id}`))
      store.put(key, bay.store.get(key));
    await store.flush();
    store.close();
    const rows = offlineContainers(bay.roots, "demo");
    expect(rows.map(({ row, inspected }) => [row.Names[0], inspected.State.Status]).sort()).toEqual([
      ["/demo-web-1", "exited"],
      ["/other", "created"],
    ]);
    // the processes of the double are none of the host's
    expect(rows.find(({ row }) => row.Id === id)!.inspected.State.Pid).toBe(0);
    expect(offlineStacks(bay.roots)).toMatchObject([{ name: "demo" }]);
    expect([runningOffline(bay.roots), offlineHistory(bay.roots, "demo")]).toEqual([0, []]);
  });
});
