/** Clusters: how hosts become members, and what ends it. */
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/bay.ts";
import { type TestHost, TestHosts } from "../support/hosts.ts";

interface HostRow {
  name: string;
  state: string;
  labels: Record<string, string>;
  address: string;
  slot: number;
}

const rows = ({ bay }: TestHost): HostRow[] => JSON.parse(bay.ok("host", "ls", "--format", "json"));

/** GET through the socket of one host; gives the status and the body. */
const get = ({ bay }: TestHost, path: string): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    request({ socketPath: bay.socket, path }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode!, text }));
    })
      .on("error", reject)
      .end();
  });

describe("members of a cluster", () => {
  let hosts: TestHosts;
  let [a, b, c]: TestHost[] = [];
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b", "c"]);
    [a, b, c] = hosts.all as [TestHost, TestHost, TestHost];
    for (const { bay } of hosts.all) bay.write("name: none\nservices: {}\n");
  });
  afterAll(() => hosts?.close());

  const inviteCommand = () => a!.bay.ok("host", "invite").trim().split(" ").slice(1);

  it("a host without a cluster has no members", () => {
    a!.bay.ok("network", "ls");
    const { code, err } = a!.bay.run(["host", "ls"]);
    expect(code).toBe(1);
    expect(err).toContain("NOT_A_MEMBER");
  });

  it("a token admits one host, once", async () => {
    a!.bay.ok("host", "init", "--name", "a");
    const join = inviteCommand();
    b!.bay.ok(...join, "--name", "b", "--label", "disk=ssd");
    const again = c!.bay.run([...join, "--name", "c"]);
    expect(again.err).toContain("BAD_TOKEN");
    c!.bay.ok(...inviteCommand(), "--name", "c");
    await hosts.allReady();
    expect(rows(b!).find(({ name }) => name === "b")?.labels).toEqual({ disk: "ssd" });
    expect(new Set(rows(c!).map(({ slot }) => slot)).size).toBe(3);
  });

  it("a name of another member, a wrong token and a member are refused by name", () => {
    const [, , address, ...rest] = inviteCommand();
    expect(b!.bay.run(["host", "join", address!, ...rest]).err).toContain("ALREADY_MEMBER");
    expect(b!.bay.run(["host", "init"]).err).toContain("ALREADY_MEMBER");
    expect(a!.bay.run(["host", "label", "nope", "x=y"]).err).toContain("HOST_NOT_FOUND");
  });

  it("labels reach all hosts, from any host", async () => {
    c!.bay.ok("host", "label", "b", "zone=north", "disk-");
    await eventually(() => {
      for (const host of hosts.all)
        expect(rows(host).find(({ name }) => name === "b")?.labels).toEqual({ zone: "north" });
    });
  });

  it("a host serves requests for another one", async () => {
    const { status, text } = await get(a!, "/bay/v1/hosts/b/api/info");
    expect(status).toBe(200);
    expect(JSON.parse(text).OSType).toBe("linux");
    expect((await get(a!, "/bay/v1/hosts/nope/api/info")).status).toBe(404);
    // an error of the other host stays one
    expect((await get(a!, "/bay/v1/hosts/b/api/containers/nope/json")).status).toBe(404);
  });

  it("a host keeps its membership when its bayd is killed", async () => {
    process.kill(b!.bay.daemonPid(), "SIGKILL");
    await hosts.allReady();
  });

  it("a host with another certificate is still a member", async () => {
    b!.bay.ok("host", "rotate");
    a!.bay.ok("host", "rotate");
    await hosts.allReady();
    expect((await get(a!, "/bay/v1/hosts/b/api/info")).status).toBe(200);
    expect((await get(b!, "/bay/v1/hosts/a/api/info")).status).toBe(200);
  });

  it("a removed host is out, and cannot speak to the others", async () => {
    a!.bay.ok("host", "rm", "c");
    await eventually(() =>
      expect(
        rows(b!)
          .map(({ name }) => name)
          .sort(),
      ).toEqual(["a", "b"]),
    );
    await eventually(async () => expect((await get(c!, "/bay/v1/hosts/b/api/info")).status).not.toBe(200));
    c!.bay.ok("host", "leave");
    expect(c!.bay.run(["host", "ls"]).err).toContain("NOT_A_MEMBER");
  });

  it("a host of another cluster is not trusted", () => {
    c!.bay.ok("host", "init", "--name", "c");
    const foreign = c!.bay.ok("host", "invite").trim().split(" ");
    b!.bay.ok("host", "leave");
    const { err } = b!.bay.run(["host", "join", a!.address, ...foreign.slice(4)]);
    expect(err).toContain("UNKNOWN_AUTHORITY");
  });
});
