/** Docker's token authentication, pulls and pushes by name, catalogues and downloads, against servers on loopback. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { searchRegistry } from "../../../../src/image/registry/catalogue.ts";
import { dispatcherFor } from "../../../../src/image/registry/endpoint.ts";
import { checkLogin } from "../../../../src/image/registry/login.ts";
import { fetchUrl } from "../../../../src/image/sources/fetch-url.ts";
import { ImageStore } from "../../../../src/image/store/image-store.ts";
import { NotedLayers, putImage } from "../../../contracts/registry.ts";
import { FakeRegistry } from "../../../support/fake-registry.ts";
import { MemoryStore } from "../../../support/memory-store.ts";

type Answer = (call: IncomingMessage, answer: ServerResponse, body: string) => void;

let folder: string;
let registry: FakeRegistry;
const servers: Server[] = [];
/** A server on loopback; returns its address. */
async function serve(handler: Answer): Promise<string> {
  const server = createServer(async (call, answer) => {
    const parts: Buffer[] = [];
    for await (const part of call) parts.push(part as Buffer);
    handler(call, answer, Buffer.concat(parts).toString());
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://localhost:${(server.address() as { port: number }).port}`;
}
const openStore = (name: string) => {
  mkdirSync(join(folder, name, "blobs/sha256"), { recursive: true });
  const images = new ImageStore(join(folder, name), new MemoryStore());
  Object.assign(images, { layers: new NotedLayers(join(folder, name)) });
  return images;
};
const add = async (images: ImageStore, text: string, ...names: string[]) =>
  images.add(names, async () => putImage(images.content, text).manifest);
const code = (name: string) => expect.objectContaining({ code: name });
const before = { ...process.env };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bay-tokens-"));
  Object.assign(process.env, { DOCKER_CONFIG: folder, XDG_CONFIG_HOME: folder });
  registry = await FakeRegistry.start();
});
afterEach(async () => {
  await registry.stop();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true });
  for (const name of ["DOCKER_CONFIG", "XDG_CONFIG_HOME"] as const)
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
});

describe("a registry with tokens", () => {
  const asked: { scopes: string[]; authorization: string | undefined; method: string; body: string }[] = [];
  let tokens: string;
  /** The token server gives tokens that name their scopes; the registry accepts those that name its repository. */
  const protect = async (answer: (token: string) => object = (token) => ({ token, expires_in: 300 })) => {
    asked.length = 0;
    tokens = await serve((call, reply, body) => {
      const query =
        call.method === "POST" ? new URLSearchParams(body) : new URL(call.url!, tokens).searchParams;
      const scopes = query.getAll("scope").flatMap((scope) => scope.split(" "));
      asked.push({ scopes, authorization: call.headers.authorization, method: call.method!, body });
      reply.end(JSON.stringify(answer(scopes.sort().join(" "))));
    });
    registry.fault = ({ headers, url }, reply) => {
      const repository = /^\/v2\/(.+?)\/(blobs|manifests)\//.exec(url!)?.[1] ?? "";
      if (headers.authorization?.startsWith("Bearer ") && headers.authorization.includes(repository))
        return false;
      const challenge = `Bearer realm="${tokens}/token",service="test",scope="repository:${repository}:pull"`;
      reply.writeHead(401, { "www-authenticate": challenge }).end('{"errors":[{"code":"UNAUTHORIZED"}]}');
      return true;
    };
  };

  it("is asked for one token for several requests", async () => {
    await protect();
    const images = openStore("one");
    const record = await add(images, "one", `${registry.host}/team/app:1`);
    const pushed = await images.registries.push(record, {
      credentials: { username: "me", password: "secret" },
    });
    expect(pushed.digest).toBe(record.manifest.digest);
    expect(images.records.need(record.reference).pushed!.digest).toBe(pushed.digest);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({
      scopes: ["repository:team/app:pull,push"],
      authorization: `Basic ${Buffer.from("me:secret").toString("base64")}`,
      method: "GET",
    });
    const there = openStore("two");
    const pulled = await there.registries.pull(`${registry.host}/team/app:1`);
    expect([pulled.id, pulled.pulled!.digest]).toEqual([record.id, pushed.digest]);
    expect(asked.at(-1)).toMatchObject({ scopes: ["repository:team/app:pull"], authorization: undefined });
  });

  it("gets a token by the OAuth2 grant for an identity token", async () => {
    await protect((access_token) => ({ access_token }));
    const images = openStore("one");
    const record = await add(images, "one", `${registry.host}/team/app:1`);
    await images.registries.push(record, {
      credentials: { username: "", password: "", identityToken: "refresh" },
    });
    expect(asked[0]!.method).toBe("POST");
    expect(Object.fromEntries(new URLSearchParams(asked[0]!.body))).toEqual({
      service: "test",
      grant_type: "refresh_token",
      refresh_token: "refresh",
      client_id: "bay",
      scope: "repository:team/app:pull,push",
    });
  });

  it("is reported if its token server gives none, refuses, or is not trusted", async () => {
    const images = openStore("one");
    const record = await add(images, "one", `${registry.host}/team/app:1`);
    await protect(() => ({}));
    await expect(images.registries.push(record)).rejects.toThrow(/answered 200 without a token/);
    tokens = await serve((_call, reply) => reply.writeHead(403).end("{}"));
    await expect(images.registries.push(record)).rejects.toThrow(code("REGISTRY_AUTH"));
    tokens = "ftp://localhost";
    await expect(images.registries.push(record)).rejects.toThrow(/has no trusted token endpoint/);
  });
});

describe("pulls and pushes by name", () => {
  it("of one image by two callers happen once", async () => {
    const [here, there] = [openStore("one"), openStore("two")];
    const record = await add(here, "one", `${registry.host}/app:1`);
    await here.registries.push(record);
    registry.seen.length = 0;
    const name = `${registry.host}/app:1`;
    const [first, second] = await Promise.all([there.registries.pull(name), there.registries.pull(name)]);
    expect(first.id).toBe(second.id);
    expect(
      registry.seen.filter(({ method, path }) => method === "GET" && path.includes("/blobs/")),
    ).toHaveLength(2);
    expect(there.making.size).toBe(0);
  });

  it("mount the blobs of another repository of the same registry", async () => {
    const images = openStore("one");
    const record = await add(images, "one", `${registry.host}/first:1`, `${registry.host}/second:1`);
    await images.registries.push(images.records.need(`${registry.host}/first:1`));
    const statuses: string[] = [];
    await images.registries.push(images.records.need(`${registry.host}/second:1`), {
      onProgress: ({ status }) => statuses.push(status),
    });
    expect(statuses.filter((status) => status === "Mounted")).toHaveLength(2);
    expect(record.reference).toContain("second");
  });

  it("give an image no name if its name belongs to another platform's", async () => {
    const [here, there] = [openStore("one"), openStore("two")];
    const { id } = await add(here, "one", `${registry.host}/app:1`);
    await here.registries.push(here.records.need(id));
    const pulled = await there.registries.pull(`${registry.host}/app:1`, { isNameless: true });
    expect([pulled.reference, there.records.find(`${registry.host}/app:1`)]).toEqual([
      `<none>@${id}`,
      undefined,
    ]);
  });

  it("open an image whose layers are fetched later", async () => {
    const [here, there] = [openStore("one"), openStore("two")];
    const record = await add(here, "one", `${registry.host}/app:1`);
    await here.registries.push(record);
    const { config, fetchLayer } = await there.registries.openLazily(`${registry.host}/app:1`, undefined);
    expect(there.layers.has(config.rootfs.diff_ids[0]!)).toBe(false);
    await fetchLayer(config.rootfs.diff_ids[0]!);
    expect(there.layers.has(config.rootfs.diff_ids[0]!)).toBe(true);
  });

  it("push a manifest under a name that this host does not have", async () => {
    const images = openStore("one");
    const { manifest } = putImage(images.content, "cache");
    await images.registries.pushManifest(`${registry.host}/cache:1`, manifest, undefined);
    expect((await openStore("two").registries.pull(`${registry.host}/cache:1`)).manifest.digest).toBe(
      manifest.digest,
    );
    expect(images.records.list()).toEqual([]);
  });
});

describe("a registry's catalogue", () => {
  const pages = (...names: string[][]) => {
    registry.fault = ({ url }, reply) => {
      if (!url!.startsWith("/v2/_catalog")) return false;
      const page = Number(new URL(url!, "http://x").searchParams.get("page") ?? 0);
      const link = page + 1 < names.length ? { link: `</v2/_catalog?page=${page + 1}>; rel="next"` } : {};
      reply.writeHead(200, link).end(JSON.stringify({ repositories: names[page] }));
      return true;
    };
  };

  it("is read page by page until there are enough names", async () => {
    pages(["team/web", "team/db"], ["web", "other"], ["web/more"]);
    const search = (limit: number) => searchRegistry(registry.host, "web", limit, undefined);
    expect(await search(9)).toEqual(
      ["team/web", "web", "web/more"].map((name) => `${registry.host}/${name}`),
    );
    registry.seen.length = 0;
    expect(await search(1)).toEqual([`${registry.host}/team/web`]);
    expect(registry.seen).toHaveLength(1);
  });

  it("that names itself as the next page does not last for ever", async () => {
    registry.fault = (_call, reply) => {
      reply.writeHead(200, { link: '</v2/_catalog>; rel="next"' }).end('{"repositories":[]}');
      return true;
    };
    expect(await searchRegistry(registry.host, "web", 5, undefined)).toEqual([]);
    expect(registry.seen.length).toBeLessThanOrEqual(100);
  });

  it("is missing in many registries", async () => {
    registry.fault = (_call, reply) => {
      reply.writeHead(404).end("no");
      return true;
    };
    await expect(searchRegistry(registry.host, "web", 5, undefined)).rejects.toThrow(code("NO_CATALOGUE"));
  });
});

describe("a login", () => {
  it("is checked with the registry", async () => {
    const expected = `Basic ${Buffer.from("me:secret").toString("base64")}`;
    registry.fault = ({ headers }, reply) => {
      if (headers.authorization === expected) return false;
      reply.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end("{}");
      return true;
    };
    await checkLogin(registry.host, { username: "me", password: "secret" });
    await expect(checkLogin(registry.host, { username: "me", password: "other" })).rejects.toThrow(
      code("REGISTRY_AUTH"),
    );
  });
});

describe("a login during a transfer", () => {
  it("does not wait for the transfer", async () => {
    let release = () => {};
    registry.fault = (_call, reply) => {
      reply.writeHead(200, { "content-length": 2 });
      reply.write("{");
      release = () => reply.end("}");
      return true;
    };
    const dispatcher = dispatcherFor(registry.host, true);
    const transfer = await request(`http://${registry.host}/v2/`, { dispatcher });
    registry.fault = () => false;
    await checkLogin(registry.host, { username: "me", password: "secret" });
    release();
    expect(await transfer.body.text()).toBe("{}");
  });

  it("ends its retries with its client", async () => {
    const gone = new AbortController();
    let asked = 0;
    registry.fault = (_call, reply) => {
      asked += 1;
      reply.writeHead(503).end();
      gone.abort();
      return true;
    };
    const login = checkLogin(registry.host, { username: "me", password: "secret" }, gone.signal);
    await expect(login).rejects.toThrow(code("ABORTED"));
    expect(asked).toBe(1);
  });
});

describe("a download", () => {
  const target = () => join(folder, "file");

  it("follows redirects to a new file", async () => {
    const address = await serve((call, reply) => {
      if (call.url === "/start") reply.writeHead(302, { location: "/end" }).end();
      else reply.writeHead(200, { etag: "x" }).end("content");
    });
    const { headers, url } = await fetchUrl(`${address}/start`, target());
    expect([readFileSync(target(), "utf8"), headers.etag, url.pathname]).toEqual(["content", "x", "/end"]);
    await expect(fetchUrl(`${address}/start`, target())).rejects.toThrow(/EEXIST|exist/);
  });

  it("names what is wrong with a server or an address", async () => {
    const address = await serve((call, reply) => {
      if (call.url === "/loop") reply.writeHead(302, { location: "/loop" }).end();
      else if (call.url === "/file") reply.writeHead(302, { location: "file:///etc/passwd" }).end();
      else if (call.url === "/cut") {
        reply.writeHead(200, { "content-length": "100" });
        reply.write("part", () => reply.destroy());
      } else reply.writeHead(404).end();
    });
    for (const text of ["file:///etc/passwd", "nonsense"])
      await expect(fetchUrl(text, target())).rejects.toThrow(code("BAD_URL"));
    const rejects = (path: string, message: RegExp) =>
      expect(fetchUrl(address + path, target())).rejects.toThrow(message);
    await rejects("/absent?token=secret", /\/absent cannot be downloaded: the server answered 404$/);
    await rejects("/loop", /it has a redirect loop/);
    await rejects("/file", /it redirects to file:\/\/, which is not secure/);
    await rejects("/cut", /cannot be downloaded/);
  });

  it("is interrupted", async () => {
    const address = await serve(() => {});
    const controller = new AbortController();
    const fetching = fetchUrl(`${address}/slow`, target(), { signal: controller.signal });
    controller.abort();
    await expect(fetching).rejects.toThrow(code("ABORTED"));
  });
});
