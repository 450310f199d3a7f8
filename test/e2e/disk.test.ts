/** Images of plain file systems, what takes the disk's room, and freeing it. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";

interface Inspected {
  Id: string;
  Architecture: string;
  Config: Record<string, unknown>;
}

describe("the disk", () => {
  const bay = new Bay();
  const at = (name: string) => join(bay.folder, "stack", name);
  const inspect = (name: string) => (JSON.parse(bay.ok("image", "inspect", name)) as Inspected[])[0]!;
  const blobs = () => readdirSync(join(bay.folder, "root", "blobs", "sha256"));

  beforeAll(() => {
    bay.busybox();
    bay.write(
      "name: disk\nservices:\n  a: { image: 'plain:1', network_mode: none, stop_grace_period: 0s, volumes: ['kept:/data', /anonymous] }\nvolumes: { kept: {} }\n",
    );
    execFileSync("tar", ["-cf", at("plain.tar"), "-C", join(bay.folder, "busybox"), "."]);
  });
  afterAll(() => bay.close());

  it("gives images of tars, with a config in a Dockerfile's language", () => {
    const changes = [
      'CMD ["sleep", "100"]',
      'ENV NAME="two words" OTHER=$NAME',
      "EXPOSE 80 90-91/udp",
      "WORKDIR /srv\nWORKDIR below",
      "LABEL a=b",
      "HEALTHCHECK --interval=5s CMD true",
    ];
    const id = bay
      .ok("image", "import", ...changes.flatMap((change) => ["-c", change]), "plain.tar", "plain:1")
      .trim();
    expect(inspect("plain:1")).toMatchObject({
      Id: id,
      Config: {
        Cmd: ["sleep", "100"],
        Env: ["NAME=two words", "OTHER="],
        ExposedPorts: { "80/tcp": {}, "90/udp": {}, "91/udp": {} },
        WorkingDir: "/srv/below",
        Labels: { a: "b" },
        Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 5e9 },
      },
    });
    bay.ok("up", "-d");
    expect(bay.ok("exec", "-T", "a", "/bin/busybox", "pwd").trim()).toBe("/srv/below");
    bay.ok("container", "commit", "-c", "USER 7:8", "-c", "ENTRYPOINT []", "a", "more:1");
    expect(inspect("more:1").Config).toMatchObject({ User: "7:8", Env: expect.arrayContaining(["OTHER="]) });
    bay.ok("down", "-v");
    bay.ok("image", "rm", "more:1");
  });

  it("says what is wrong with a change or a tar, and takes nothing in", () => {
    const before = bay.ok("image", "ls", "-q");
    const { code, err } = bay.run([
      ...["image", "import", "-c", "CND x", "-c", "RUN make", "-c", "EXPOSE 99999"],
      "plain.tar",
      "bad:1",
    ]);
    expect([code, err]).toEqual([1, expect.stringContaining("did you mean CMD?")]);
    expect(err).toContain("--change:2:1: error: RUN cannot change the config of an image");
    expect(err).toContain('EXPOSE: invalid port "99999"');
    expect(bay.run(["image", "import", "bay.yaml", "bad:1"]).err).toMatch(/tar archive/);
    expect(bay.run(["image", "import", "absent.tar", "bad:1"]).err).toContain("does not exist");
    expect(bay.ok("image", "ls", "-q")).toBe(before);
  });

  it("takes tars from standard input, compressed ones, and those of a web server, also for other machines", async () => {
    const tar = gzipSync(readFileSync(at("plain.tar")));
    writeFileSync(at("plain.tgz"), tar);
    const layer = (name: string) => JSON.stringify(inspect(name)).match(/"Layers":\[[^\]]*\]/)![0];
    bay.ok("image", "import", "--platform", "linux/arm64", "plain.tgz", "packed:1");
    expect(inspect("packed:1").Architecture).toBe("arm64");
    expect(layer("packed:1")).toBe(layer("plain:1"));
    execFileSync(
      "sh",
      ["-c", `${process.execPath} ${join("dist", "bay.js")} image import - piped:1 < ${at("plain.tgz")}`],
      {
        env: bay.env,
      },
    );
    expect(layer("piped:1")).toBe(layer("plain:1"));
    const server: Server = createServer(({ url }, answer) => {
      if (url === "/moved") answer.writeHead(302, { location: "/plain.tgz" }).end();
      else if (url === "/plain.tgz") answer.end(tar);
      else answer.writeHead(404).end();
    });
    const port = await new Promise<number>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
    );
    const fetched = await bay.call(["image", "import", `http://127.0.0.1:${port}/moved`, "fetched:1"]);
    const missing = await bay.call(["image", "import", `http://127.0.0.1:${port}/absent`, "fetched:2"]);
    server.close();
    expect([fetched.code, fetched.err]).toEqual([0, ""]);
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining("the server answered 404")]);
    expect(layer("fetched:1")).toBe(layer("plain:1"));
    for (const name of ["packed:1", "piped:1", "fetched:1"]) bay.ok("image", "rm", name);
  });

  it("reports its usage, and removes unused objects", () => {
    bay.ok("up", "-d");
    const df = () =>
      JSON.parse(bay.ok("system", "df", "--format", "json")) as {
        Type: string;
        TotalCount: number;
        Active: number;
        Size: number;
        Reclaimable: number;
      }[];
    bay.ok("exec", "-T", "a", "/bin/busybox", "dd", "if=/dev/zero", "of=/data/file", "bs=1k", "count=300");
    bay.ok("exec", "-T", "a", "/bin/busybox", "dd", "if=/dev/zero", "of=/own", "bs=1k", "count=200");
    const [images, containers, volumes] = df();
    expect(images).toMatchObject({ TotalCount: 1, Active: 1, Reclaimable: 0 });
    expect(images!.Size).toBeGreaterThan(2 * readFileSync("/bin/busybox").length);
    expect(containers).toMatchObject({ TotalCount: 1, Active: 1, Reclaimable: 0 });
    expect(containers!.Size).toBeGreaterThanOrEqual(200 << 10);
    expect(volumes).toMatchObject({ TotalCount: 2, Active: 2, Reclaimable: 0 });
    expect(volumes!.Size).toBeGreaterThanOrEqual(300 << 10);
    expect(bay.ok("image", "du")).toMatch(/plain:1 .*in all/s);
    expect(bay.ok("system", "df", "-v")).toContain("disk_kept");
    // what is used stays
    expect(bay.run(["system", "prune", "-a"]).err).toContain("use --force to skip the confirmation");
    bay.ok("system", "prune", "-a", "-f", "--volumes");
    expect(bay.ps()[0]!.State).toBe("running");
    expect(bay.run(["volume", "rm", "disk_kept"]).err).toContain("is used by the container disk-a-1");
    bay.ok("stop", "-t", "0");
    expect(df()[1]).toMatchObject({ Active: 0 });
    bay.ok("system", "prune", "-f", "--filter", "until=1h");
    expect(bay.ps().length).toBe(1);
    expect(bay.ok("system", "prune", "-f", "-a", "--volumes")).toMatch(
      /removed container .*removed volume [0-9a-f]{64}.*removed image plain:1/s,
    );
    expect(bay.ok("volume", "ls", "-q").trim()).toBe("disk_kept");
    expect(bay.ok("volume", "prune", "-a", "-f")).toContain("removed volume disk_kept");
    expect(blobs()).toEqual([]);
    expect(df().map(({ Size }) => Size)).toEqual([0, 0, 0, 0]);
  });

  it("keeps networks that are used, and frees those that are not", () => {
    bay.ok("image", "import", "plain.tar", "plain:1");
    bay.write(
      "name: nets\nservices:\n  a: { image: 'plain:1', command: sleep 100, stop_grace_period: 0s }\n",
    );
    bay.ok("up", "-d");
    expect(bay.ok("network", "prune", "-f")).toBe("");
    expect(bay.run(["network", "rm", "nets_default"]).err).toContain("is used by the container");
    expect(bay.ok("network", "ls")).toContain("nets_default");
    bay.ok("rm", "-s", "-f");
    expect(bay.ok("network", "prune", "-f")).toContain("removed network nets_default");
    bay.ok("image", "rm", "plain:1");
  });
});
