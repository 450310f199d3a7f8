/** Images that no registry has go along with the containers of several hosts. */
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TestHost, TestHosts } from "../support/hosts.ts";

const stack = (word: string) => `
name: shop
hosts: all
images: { box: { rootfs: ../busybox } }
services:
  web:
    image: shop-web
    build:
      context: .
      dockerfile_inline: |
        FROM box
        RUN echo ${word} > /built
    command: sleep 10000
    stop_grace_period: 0s
    deploy: { replicas: 3 }
  loaded: { image: "local/loaded:1", host: c, command: sleep 10000, stop_grace_period: 0s }
`;

describe("images of a stack on several hosts", () => {
  let hosts: TestHosts;
  let [a, b, c]: TestHost[] = [];
  beforeAll(async () => {
    hosts = await TestHosts.start(["a", "b", "c"]);
    [a, b, c] = hosts.all as [TestHost, TestHost, TestHost];
    hosts.write(stack("first"));
    await hosts.join();
  });
  afterAll(() => hosts?.close());

  const idOn = ({ bay }: TestHost, name: string): string =>
    (JSON.parse(bay.ok("image", "inspect", name)) as { Id: string }[])[0]!.Id;
  const files = () =>
    [1, 2, 3].map((index) =>
      a!.bay.ok("exec", "-T", "--index", String(index), "web", "cat", "/built").trim(),
    );

  it("the plan says which host builds an image, and which ones get it from there", () => {
    const text = a!.bay.ok("plan");
    expect(text).toMatch(/host a\n[\s\S]*\+ image shop-web\n\s+not built yet[\s\S]*host b\n/);
    expect(text.match(/\+ image shop-web\n\s+from host a, no registry has it/g)).toHaveLength(2);
  });

  it("an image that one host builds runs on all hosts, and so does one that only another host has", () => {
    a!.bay.write(
      "images: { box: { rootfs: ../busybox } }\nservices: { x: { image: box, command: sleep 1 } }\n",
      "other.yaml",
    );
    b!.bay.ok("-f", "other.yaml", "-p", "other", "up", "-d", "--no-start");
    b!.bay.ok("image", "tag", "box", "local/loaded:1");
    a!.bay.ok("up", "-d");
    expect(files()).toEqual(["first", "first", "first"]);
    for (const host of [b!, c!]) expect(idOn(host, "shop-web")).toBe(idOn(a!, "shop-web"));
    expect(idOn(c!, "local/loaded:1")).toBe(idOn(b!, "local/loaded:1"));
    for (const { bay } of hosts.all) expect(bay.run(["plan"]).out).toContain("nothing to do");
  });

  it("a changed build replaces the containers of all hosts", () => {
    a!.bay.write(stack("second"));
    expect(a!.bay.ok("plan")).toContain("it differs from the one on host a");
    a!.bay.ok("up", "-d");
    expect(files()).toEqual(["second", "second", "second"]);
  });

  it("only members get images", async () => {
    const path = `/v2/bay/images/blobs/${idOn(a!, "shop-web")}`;
    const text = await new Promise<string>((resolve, reject) => {
      request({ socketPath: a!.bay.socket, path }, (response) => {
        let said = "";
        response.setEncoding("utf8").on("data", (part: string) => (said += part));
        response.once("end", () => resolve(said));
      })
        .once("error", reject)
        .end();
    });
    expect(text).toContain("only to hosts of the cluster");
  });
});
