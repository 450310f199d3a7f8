/** Images between bay and other tools, both ways: the same layers byte for byte, and documents by the specification. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bay } from "../support/bay.ts";
import { hasCommand } from "../support/commands.ts";

const SCHEMAS = join(process.cwd(), "..", "shared", "data", "oci-image");

interface Descriptor {
  mediaType: string;
  digest: string;
}
interface Manifest {
  config: Descriptor;
  layers: Descriptor[];
}

describe("images go between bay and", () => {
  const bay = new Bay();
  const at = (name: string) => join(bay.folder, "stack", name);
  const blob = (root: string, digest: string) => readFileSync(join(root, "blobs", digest.replace(":", "/")));
  const manifestsOf = (root: string) =>
    (JSON.parse(readFileSync(join(root, "index.json"), "utf8")) as { manifests: Descriptor[] }).manifests;
  const layersOf = (name: string) =>
    (JSON.parse(bay.ok("image", "inspect", name)) as { RootFS: { Layers: string[] } }[])[0]!.RootFS.Layers;
  const tool = (command: string, ...args: string[]) =>
    execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

  beforeAll(() => {
    writeFileSync(join(bay.busybox(), "random"), randomBytes(100_000));
    bay.write(
      'name: swap\nimages: { "swap/box:1": { rootfs: ../busybox, config: { cmd: [sleep, "9"] } } }\nservices:\n  a: { image: "swap/box:1", network_mode: none }\n',
    );
    bay.ok("up", "--no-start");
    bay.ok("image", "save", "-o", "box.tar", "swap/box:1");
  });
  afterAll(() => bay.close());

  it("umoci: what it adds is loaded, and saved as the same bytes", () => {
    const layout = at("layout");
    tool("skopeo", "copy", `docker-archive:${at("box.tar")}`, `oci:${layout}:one`);
    tool("umoci", "unpack", "--image", `${layout}:one`, at("bundle"));
    writeFileSync(join(at("bundle"), "rootfs", "added"), "by umoci");
    mkdirSync(join(at("bundle"), "rootfs", "dir"));
    tool("umoci", "repack", "--image", `${layout}:two`, at("bundle"));
    const named = (name: string) =>
      (
        JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as {
          manifests: (Descriptor & { annotations?: Record<string, string> })[];
        }
      ).manifests.find(({ annotations }) => annotations?.["org.opencontainers.image.ref.name"] === name)!;
    const made = JSON.parse(blob(layout, named("two").digest).toString()) as Manifest;
    bay.ok("image", "load", "-i", "layout");
    bay.ok("image", "save", "-o", "again.tar", "two");
    mkdirSync(at("again"));
    execFileSync("tar", ["-xf", at("again.tar"), "-C", at("again")]);
    expect(made.layers.length).toBe(2);
    for (const { digest } of [...made.layers, made.config, named("two")])
      expect(blob(at("again"), digest).equals(blob(layout, digest))).toBe(true);
    // and what bay wrote is read by umoci
    tool("umoci", "unpack", "--image", `${at("again")}:latest`, at("back"));
    expect(readFileSync(join(at("back"), "rootfs", "added"), "utf8")).toBe("by umoci");
  });

  it.skipIf(!hasCommand("podman"))("podman: it loads what bay saves, and bay what it saves", () => {
    const podman = (...args: string[]) =>
      tool(
        "podman",
        ...["--root", at("podman"), "--runroot", at("podman-run"), "--tmpdir", at("podman-tmp")],
        ...["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none", ...args],
      );
    expect(podman("load", "-i", at("box.tar"))).toContain("swap/box:1");
    const inspected = JSON.parse(podman("image", "inspect", "docker.io/swap/box:1")) as {
      RootFS: { Layers: string[] };
      Config: { Cmd: string[] };
    }[];
    expect(inspected[0]!.RootFS.Layers).toEqual(layersOf("swap/box:1"));
    expect(inspected[0]!.Config.Cmd).toEqual(["sleep", "9"]);
    podman("tag", "docker.io/swap/box:1", "docker.io/swap/podman:1");
    for (const format of ["docker-archive", "oci-archive"]) {
      podman("save", "--format", format, "-o", at(`${format}.tar`), "docker.io/swap/podman:1");
      bay.ok("image", "load", "-i", `${format}.tar`);
      expect(layersOf("swap/podman:1")).toEqual(layersOf("swap/box:1"));
      bay.ok("image", "rm", "swap/podman:1");
    }
    expect(bay.ok("image", "verify")).toContain("blobs are intact");
  });

  it.skipIf(!existsSync(SCHEMAS))("the specification (needs ../shared/data)", () => {
    const ajv = new Ajv({ strict: false, validateSchema: false, validateFormats: false });
    // draft 04's ids, which are names and say nothing of the documents
    const withoutIds = (key: string, value: unknown) =>
      key === "$schema" || (key === "id" && typeof value === "string") ? undefined : value;
    for (const name of readdirSync(SCHEMAS)) {
      const schema = JSON.parse(readFileSync(join(SCHEMAS, name), "utf8"), withoutIds) as object;
      ajv.addSchema({ ...schema, $id: `https://schemas/${name}` });
    }
    const check = (schema: string, bytes: Buffer) => {
      const isValid = ajv.getSchema(`https://schemas/${schema}`)!;
      isValid(JSON.parse(bytes.toString()));
      expect(isValid.errors ?? [], schema).toEqual([]);
      expect(isValid({ schemaVersion: 3 }), schema).toBe(false);
    };
    bay.ok("up", "-d");
    bay.ok("container", "commit", "a", "swap/committed:1");
    execFileSync("tar", ["-cf", at("plain.tar"), "-C", join(bay.folder, "busybox"), "."]);
    bay.ok("image", "import", "-c", 'CMD ["sleep"]', "-c", "EXPOSE 80", "plain.tar", "swap/imported:1");
    const root = join(bay.folder, "root");
    check("image-index-schema.json", readFileSync(join(root, "index.json")));
    check("image-layout-schema.json", readFileSync(join(root, "oci-layout")));
    expect(manifestsOf(root).length).toBeGreaterThanOrEqual(3);
    for (const { digest } of manifestsOf(root)) {
      const manifest = blob(root, digest);
      check("image-manifest-schema.json", manifest);
      check("config-schema.json", blob(root, (JSON.parse(manifest.toString()) as Manifest).config.digest));
    }
    bay.ok("down", "-t", "0");
  });
});
