/** What becomes of a build besides an image of this host. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BASE, Builds } from "../support/builds.ts";
import { Registry } from "../support/registry.ts";

const FILE = `${BASE}FROM base
RUN mkdir -p /data/deep && echo text > /data/deep/file && chown bob /data/deep/file && chmod 4750 /data/deep/file
RUN ln -s deep/file /data/link && rm /bin/wget
FROM scratch AS files
COPY --from=1 /data /data
FROM 1
`;

describe("a build's output", () => {
  const builds = new Builds();
  const { bay, put } = builds;
  let registry: Registry;
  const at = (name: string) => join(bay.folder, name);
  const run = (...options: string[]) => {
    put("Dockerfile", FILE);
    const { code, out, err } = bay.run(["image", "build", "--progress", "plain", ...options, builds.context]);
    if (code !== 0) throw new Error(out + err);
    return out;
  };
  const images = () => bay.ok("image", "ls", "-q").trim();
  beforeAll(async () => {
    registry = await Registry.start();
  });
  beforeEach(() => {
    builds.empty();
    bay.run(["image", "prune", "-af"]);
  });
  afterAll(() => {
    registry.stop();
    bay.close();
  });

  it("is files in a folder, the caller's own, and no image", () => {
    run("-o", at("plain"), "--target", "files");
    expect(readFileSync(at("plain/data/deep/file"), "utf8")).toBe("text\n");
    expect(readlinkSync(at("plain/data/link"))).toBe("deep/file");
    const { uid, mode } = statSync(at("plain/data/deep/file"));
    expect([uid, mode & 0o7777]).toEqual([0, 0o4750]);
    expect(images()).toBe("");
    mkdirSync(at("there"));
    chmodSync(at("there"), 0o700);
    run("--output", `type=local,dest=${at("there")}`);
    expect(existsSync(at("there/bin/busybox"))).toBe(true);
    expect(existsSync(at("there/bin/wget"))).toBe(false);
    expect(lstatSync(at("there/bin/ls")).isSymbolicLink()).toBe(true);
  });

  it("is an archive of files, in a file or on standard output", () => {
    run("-o", `type=tar,dest=${at("files.tar")}`, "--target", "files");
    const list = execFileSync("tar", ["-tvf", at("files.tar")], { encoding: "utf8" });
    expect(list).toMatch(/-rwsr-x--- \S+ +5 .* data\/deep\/file/);
    expect(list).toMatch(/data\/link -> deep\/file/);
    put("Dockerfile", FILE);
    const piped = execFileSync(
      "sh",
      [
        "-c",
        `${process.execPath} dist/bay.js image build --target files -o - ${builds.context} | tar -xO data/deep/file`,
      ],
      { env: bay.env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    );
    expect(piped).toBe("text\n");
    expect(images()).toBe("");
  });

  it("is an archive that others load, under its names", () => {
    for (const type of ["oci", "docker"]) {
      run("-t", "some/name:1", "-o", `type=${type},dest=${at(`${type}.tar`)}`);
      expect(images()).toBe("");
      const scheme = type === "oci" ? "oci-archive" : "docker-archive";
      const config = execFileSync("skopeo", ["inspect", `${scheme}:${at(`${type}.tar`)}`], {
        encoding: "utf8",
      });
      expect((JSON.parse(config) as { Layers: string[] }).Layers.length).toBe(5);
    }
    expect(bay.ok("image", "load", "-i", at("docker.tar"))).toContain("some/name:1");
    run("-o", `type=oci,tar=false,dest=${at("layout")}`);
    expect(readFileSync(at("layout/oci-layout"), "utf8")).toContain("1.0.0");
    expect(execFileSync("skopeo", ["inspect", `oci:${at("layout")}`], { encoding: "utf8" })).toContain(
      "Layers",
    );
  });

  it("is a registry's image, and several things at once", () => {
    const name = `${registry.host}/pushed:1`;
    run("-t", name, "--push");
    const inspect = (image: string) =>
      execFileSync("skopeo", ["inspect", "--tls-verify=false", `docker://${image}`], { encoding: "utf8" });
    expect(inspect(name)).toContain(`${registry.host}/pushed`);
    const other = `${registry.host}/other:2`;
    run(
      "-o",
      `type=registry,name=${other}`,
      "-o",
      `type=local,dest=${at("both")}`,
      "--iidfile",
      at("iid"),
      "--metadata-file",
      at("meta"),
    );
    expect(inspect(other)).toContain(`${registry.host}/other`);
    expect(existsSync(at("both/data/deep/file"))).toBe(true);
    const meta = JSON.parse(readFileSync(at("meta"), "utf8")) as Record<string, string>;
    expect(meta["containerimage.config.digest"]).toBe(readFileSync(at("iid"), "utf8"));
    expect(meta["image.name"]).toBe(other);
    run("-o", "type=cacheonly");
  });

  it("is an image without a name, which others may be built on", () => {
    run("--iidfile", at("nameless"));
    put("Dockerfile", `FROM ${readFileSync(at("nameless"), "utf8")}\nRUN cat /data/deep/file\n`);
    const { err } = bay.run(["image", "build", "--progress", "plain", builds.context]);
    expect(err).toMatch(/^#0 text$/m);
  });

  it("is refused where it is wrongly asked for", () => {
    const wrong = (...options: string[]) => bay.run(["image", "build", ...options, builds.context]).err;
    put("Dockerfile", "FROM scratch\nCOPY busybox /\n");
    expect(wrong("-o", "type=lokal")).toContain('unknown type "lokal"');
    expect(wrong("-o", "type=local")).toContain("needs a dest");
    expect(wrong("-o", "type=local,dst=x")).toContain("did you mean dest?");
    expect(wrong("-o", "dest=x")).toContain("the type is missing");
    expect(wrong("-o", "-", "-o", "type=oci")).toContain("only one --output");
    expect(wrong("--push")).toContain("without a name");
  });
});
