/** What a user is told when a registry refuses: real servers, real connections, and the file or command to use. */
import { createServer as createHttp, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcp, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { BayError } from "../../../src/core/errors.ts";
import { RegistryClient } from "../../../src/image/registry/client.ts";
import type { Credentials } from "../../../src/image/registry/credentials.ts";
import { closeConnections } from "../../../src/image/registry/endpoint.ts";

const before = process.env.BAY_CONFIG;
const config = join(tmpdir(), "bay-no-such-config");
const servers: Server[] = [];

beforeAll(() => {
  process.env.BAY_CONFIG = config;
});
afterEach(async () => {
  await closeConnections();
  for (const server of servers.splice(0)) await new Promise((done) => server.close(done));
});
afterAll(() => {
  if (before === undefined) delete process.env.BAY_CONFIG;
  else process.env.BAY_CONFIG = before;
});

async function listening(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The error of one request, over TLS or, where that is allowed, without. */
async function refusal(host: string, insecure: boolean, credentials?: Credentials): Promise<BayError> {
  const base = `${insecure ? "http" : "https"}://${host}`;
  const client = new RegistryClient({ base, host, insecure, isMirror: false }, credentials);
  return client.request("/v2/", { scopes: [], expect: [200] }).then(
    () => Promise.reject(new Error("the registry refused nothing")),
    (error: BayError) => error,
  );
}

describe("a registry without TLS", () => {
  const insecure = (host: string) => `add "${host}" to the list "insecure" in ${config}/registries.json`;

  it("is reported with the file that allows plain HTTP", async () => {
    const host = await listening(createHttp((_, answer) => void answer.end("hello")));
    const { message, hint } = await refusal(host, false);
    expect(message).toBe(`${host} cannot be reached: it does not use TLS`);
    expect(hint).toContain(insecure(host));
  });

  it("that closes the connection at once is reported in the same way", async () => {
    const host = await listening(createTcp((socket) => void socket.once("data", () => socket.end())));
    const { hint = "" } = await refusal(host, false);
    expect(hint).toContain(insecure(host));
  });
});

describe("a registry that refuses", () => {
  const asking = (scheme: string, status = 401): Promise<string> => {
    const answer: RequestListener = (_, response) => {
      response.writeHead(status, { "www-authenticate": `${scheme} realm="x"` }).end();
    };
    return listening(createHttp(answer));
  };
  const me = { username: "me", password: "wrong" };

  it("causes an error with the command if there is no login", async () => {
    const host = await asking("Basic");
    const { message, hint } = await refusal(host, true);
    expect(message).toBe(`${host} requires a login`);
    expect(hint).toContain(`bay login ${host}`);
  });

  it("causes an error with the user, and the source of the password", async () => {
    const host = await asking("Basic");
    const given = await refusal(host, true, me);
    expect(given.message).toBe(`${host} rejected the user name or password of "me"`);
    expect(given.hint).toBe("check the user name (-u) and the password");
    const kept = await refusal(host, true, { ...me, source: "/root/.docker/config.json" });
    expect(kept.hint).toBe(
      `they come from /root/.docker/config.json; "bay login ${host}" stores others, which are used first`,
    );
    expect(`${given.message}${given.hint}${kept.hint}`).not.toContain("wrong");
  });

  it("causes different errors for missing rights and for a wrong password", async () => {
    const host = await asking("Basic", 403);
    const { message, hint } = await refusal(host, true, me);
    expect(message).toBe(`${host} denies access to the user "me"`);
    expect(hint).toContain("log in as another user");
  });
});
