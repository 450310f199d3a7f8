/** Containers, networks and volumes without a stack file, over the API and a recording kernel. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadBay, UnitBay, unloadBay } from "../../../../../support/unit-bay.ts";

let bay: UnitBay;
beforeAll(() => loadBay());
afterAll(unloadBay);
beforeEach(async () => {
  bay = await UnitBay.start();
  await bay.addImage("app", {
    Env: ["PATH=/bin", "LANG=C"],
    Labels: { of: "image" },
    ExposedPorts: { "80/tcp": {} },
  });
});
afterEach(() => bay.stop());

const create = async (body: object, name = "one") => {
  const { status, body: answer } = await bay.ask("POST", `/v1.47/containers/create?name=${name}`, {
    Image: "app",
    ...body,
  });
  return { status, answer: answer as { Id: string; Warnings: string[]; message: string } };
};
const config = (name = "one") => bay.manager.get(name).config;
const networks = async (query = "") =>
  ((await bay.ask("GET", `/networks${query}`)).body as { Name: string; Id: string }[])
    .map(({ Name }) => Name)
    .sort();

describe("POST /containers/create", () => {
  it("creates a container that belongs to no stack", async () => {
    const { status, answer } = await create({ Labels: { a: "1" }, Env: ["A=1", "LANG"] });
    expect([status, answer.Warnings]).toEqual([201, []]);
    expect(config().labels).toEqual({ of: "image", a: "1" });
    expect(config().env).toEqual(["PATH=/bin", "A=1"]);
    expect(bay.manager.get("one")).toMatchObject({ id: answer.Id, state: { status: "created" } });
  });

  it("chooses a name if none is given", async () => {
    const { status, body } = await bay.ask("POST", "/containers/create", { Image: "app" });
    expect(status).toBe(201);
    expect(bay.manager.get((body as { Id: string }).Id).config.name).toMatch(/^[a-z]+_[a-z]+$/);
  });

  it("answers 404 for an image that does not exist, 409 for a name that is taken, 400 for the rest", async () => {
    expect((await create({ Image: "nothing" })).status).toBe(404);
    expect((await create({})).status).toBe(201);
    expect((await create({})).status).toBe(409);
    expect((await create({ HostConfig: { NetworkMode: "nothing" } }, "two")).answer.message).toBe(
      "network nothing not found",
    );
    expect((await create({ HostConfig: { VolumesFrom: ["nothing"] } }, "two")).status).toBe(400);
    expect((await create({ HostConfig: { NetworkMode: "container:nothing" } }, "two")).status).toBe(400);
    expect((await bay.ask("POST", "/containers/create?name=a/b", { Image: "app" })).status).toBe(400);
    expect((await bay.ask("POST", "/containers/create?platform=linux/s390x", { Image: "app" })).status).toBe(
      400,
    );
    expect(bay.manager.list()).toHaveLength(1);
  });

  it("uses the default network while it has containers, and knows no names there", async () => {
    expect(await networks()).toEqual(["bridge", "host", "none"]);
    const before = (await bay.ask("GET", "/networks/bridge")).body as { Id: string };
    await create({});
    expect(bay.manager.networks.list().map(({ config }) => config.name)).toEqual(["bridge"]);
    expect(((await bay.ask("GET", "/networks/bridge")).body as { Id: string }).Id).toBe(before.Id);
    expect((await bay.ask("DELETE", "/networks/bridge")).status).toBe(403);
    await bay.ask("POST", "/networks/prune");
    expect(await networks('?filters={"type":["builtin"]}')).toEqual(["bridge", "host", "none"]);
    expect(await networks('?filters={"type":["custom"]}')).toEqual([]);
    await bay.ask("DELETE", "/containers/one");
    expect(bay.manager.networks.list()).toEqual([]);
  });

  it("removes the default network after a request that failed", async () => {
    expect((await create({})).status).toBe(201);
    expect((await create({})).status).toBe(409);
    await bay.ask("DELETE", "/containers/one");
    expect(bay.manager.networks.list()).toEqual([]);
  });

  it("creates the volumes that it names, and none after an error", async () => {
    await create({ HostConfig: { Binds: ["data:/data"] } });
    expect(bay.manager.volumes.list().map(({ config }) => config.name)).toEqual(["data"]);
    expect((await create({ HostConfig: { Binds: ["other:/data"] } })).status).toBe(409);
    expect(bay.manager.volumes.list().map(({ config }) => config.name)).toEqual(["data"]);
  });

  it("publishes all exposed ports on request", async () => {
    await create({
      ExposedPorts: { "90/udp": {} },
      HostConfig: { PublishAllPorts: true, PortBindings: { "80/tcp": [{ HostPort: "8080" }] } },
    });
    expect(config().ports).toMatchObject([
      { containerPort: 80, hostPort: 8080 },
      { containerPort: 90, hostPort: undefined, protocol: "udp" },
    ]);
  });

  it("joins the network of another container by ID", async () => {
    const { answer } = await create({});
    await create({ HostConfig: { NetworkMode: `container:${answer.Id.slice(0, 12)}` } }, "two");
    expect(config("two")).toMatchObject({ networkMode: "container:one", networks: [] });
  });
});

describe("the networks of the Engine API", () => {
  const make = (body: object) => bay.ask("POST", "/networks/create", body);

  it("are created with addresses and labels, once", async () => {
    const { status, body } = await make({
      Name: "own",
      IPAM: { Config: [{ Subnet: "10.9.0.0/24", Gateway: "10.9.0.1" }] },
      Labels: { a: "1" },
      Internal: true,
    });
    expect(status).toBe(201);
    const [record] = bay.manager.networks.list();
    expect(record).toMatchObject({
      id: (body as { Id: string }).Id,
      subnet: "10.9.0.0/24",
      gateway: "10.9.0.1",
      config: { internal: true, labels: { a: "1" } },
    });
    expect((await make({ Name: "own" })).status).toBe(409);
  });

  it.each([
    [{ Name: "host" }, 403],
    [{ Name: "" }, 400],
    [{ Name: "x", Driver: "macsec" }, 400],
    [{ Name: "x", Options: { "com.docker.network.nothing": "1" } }, 400],
    [{ Name: "x", IPAM: { Config: [{ Subnet: "10.0.0.1" }] } }, 400],
    [{ Name: "x", EnableIPv4: false }, 400],
    [{ Name: "x", Ingress: true }, 400],
    [{ Name: "x", Unknown: 1 }, 400],
  ])("are rejected for %j", async (body, status) => {
    expect((await make(body)).status).toBe(status);
    expect(bay.manager.networks.list()).toEqual([]);
  });

  it("are joined and left by containers", async () => {
    await make({ Name: "own" });
    await create({});
    const linked = { Container: "one", EndpointConfig: { Links: ["db:data"] } };
    const refused = await bay.ask("POST", "/networks/own/connect", linked);
    expect(refused).toMatchObject({ status: 400, body: { message: expect.stringContaining("Links") } });
    const join = { Container: "one", EndpointConfig: { Aliases: ["db"], Links: [] } };
    expect((await bay.ask("POST", "/networks/own/connect", join)).status).toBe(200);
    expect(config().networks.map(({ network, aliases }) => [network, aliases])).toEqual([
      ["bridge", []],
      ["own", ["db"]],
    ]);
    expect((await bay.ask("POST", "/networks/own/connect", join)).status).toBe(403);
    expect((await bay.ask("POST", "/networks/bridge/disconnect", { Container: "one" })).status).toBe(200);
    expect(bay.manager.networks.list().map(({ config }) => config.name)).toEqual(["own"]);
    expect((await bay.ask("POST", "/networks/bridge/connect", { Container: "one" })).status).toBe(200);
    expect((await bay.ask("POST", "/networks/own/disconnect", { Container: "one" })).status).toBe(200);
    expect((await bay.ask("POST", "/networks/own/disconnect", { Container: "one" })).status).toBe(403);
    expect((await bay.ask("POST", "/networks/nothing/connect", { Container: "one" })).status).toBe(404);
    expect((await bay.ask("POST", "/networks/host/connect", { Container: "one" })).status).toBe(403);
  });
});

describe("POST /volumes/create", () => {
  const make = (body: object) => bay.ask("POST", "/volumes/create", body);

  it("creates a volume, and answers with an existing one", async () => {
    const { status, body } = await make({ Name: "data", Labels: { a: "1" } });
    expect([status, body]).toMatchObject([
      201,
      { Name: "data", Labels: { a: "1" }, Driver: "local", Options: null },
    ]);
    expect((await make({ Name: "data", Labels: { b: "2" } })).body).toMatchObject({ Labels: { a: "1" } });
    expect((await make({})).body).toMatchObject({ Name: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  it("takes the options of the local driver", async () => {
    const { body } = await make({ Name: "t", DriverOpts: { type: "tmpfs", device: "tmpfs", o: "size=1m" } });
    expect(body).toMatchObject({ Options: { type: "tmpfs", device: "tmpfs", o: "size=1m" } });
    expect((await make({ Name: "x", DriverOpts: { nothing: "1" } })).status).toBe(400);
    expect((await make({ Name: "x", Driver: "nfs" })).status).toBe(400);
    expect((await make({ Name: "a/b" })).status).toBe(400);
    expect(bay.manager.volumes.get("x")).toBeUndefined();
  });
});
