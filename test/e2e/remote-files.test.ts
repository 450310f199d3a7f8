/** Stack files in git repositories and registries: fetched once, pinned, and kept within what was fetched. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseReference } from "../../src/core/image-reference.ts";
import { pushArtifact } from "../../src/image/registry/artifacts.ts";
import { Bay } from "../support/bay.ts";
import { Certificates } from "../support/certificates.ts";
import { GitRepository } from "../support/git-repository.ts";
import { GitDaemon, GitHttps } from "../support/git-servers.ts";
import { Registry } from "../support/registry.ts";

describe("stack files of git repositories", () => {
  const bay = new Bay();
  bay.write("services: {}");
  const repository = new GitRepository(bay.folder);
  const projects = dirname(repository.bare);
  const certificates = new Certificates();
  const https = new GitHttps(join(bay.folder, "https"), projects);
  const daemon = new GitDaemon();
  const config = (...words: string[]) =>
    JSON.parse(bay.ok(...words, "config", "--json")) as {
      services: Record<string, { command: string[]; environment?: Record<string, string> }>;
      "x-bay-remotes": Record<string, string>;
    };
  const local = (path: string) => `file://${repository.bare}#main:${path}`;
  const version = (number: number) =>
    repository
      .write(
        "stacks/shop/bay.yaml",
        `name: shop
images: { box: { rootfs: ${bay.folder}/busybox } }
services: { web: { image: box, command: sleep 100${number}, env_file: web.env, stop_grace_period: 0s } }
`,
      )
      .write("stacks/shop/web.env", `VERSION=${number}\n`)
      .commit(`Version ${number}`);
  let first = "";

  beforeAll(async () => {
    bay.busybox();
    first = version(1);
    certificates.authority("authority");
    const leaf = certificates.leaf("server", "authority", { names: "DNS:localhost", usage: "serverAuth" });
    await Promise.all([https.start(leaf, "ada", "word-of-ada"), daemon.start(projects)]);
  });
  afterAll(() => {
    https.stop();
    daemon.stop();
    certificates.remove();
    bay.close();
  });

  it("are fetched once, shown with their commit, and fetched again only if asked", async () => {
    const address = local("stacks/shop");
    const { code, err } = bay.run(["-f", address, "up", "-d"]);
    expect([code, err]).toEqual([0, expect.stringContaining(`fetched ${address}: ${first}`)]);
    const second = version(2);
    const seen = config("-f", address);
    expect(seen.services.web).toMatchObject({ command: ["sleep", "1001"], environment: { VERSION: "1" } });
    expect(seen["x-bay-remotes"]).toEqual({ [address]: first });
    expect(bay.run(["-f", address, "plan", "--detailed-exitcode"]).code).toBe(0);
    const again = bay.run(["--refresh", "-f", address, "up", "-d"]);
    expect([again.code, again.err]).toEqual([0, expect.stringContaining(`${first} -> ${second}`)]);
    const history = bay.ok("-p", "shop", "history", "--format", "json");
    expect(history).toContain("x-bay-remotes");
    expect(bay.ok("-p", "shop", "diff", "1", "2")).toContain(second);
    expect(config("-f", address).services.web!.environment).toEqual({ VERSION: "2" });
    bay.ok("-p", "shop", "down");
    expect(readdirSync(join(bay.folder, "root/remote-files")).sort()).toEqual(["files", "pins"]);
  });

  it("are included, with a local file over them, and by commit", () => {
    bay.write(`include: ["${local("stacks/shop/bay.yaml")}"]\nservices: { mine: { image: box } }\n`);
    expect(Object.keys(config().services)).toEqual(["mine", "web"]);
    const third = version(3);
    expect(config().services.web!.environment).toEqual({ VERSION: "2" }); // as it was fetched
    expect(config("--refresh").services.web!.environment).toEqual({ VERSION: "3" });
    expect(config().services.web!.environment).toEqual({ VERSION: "3" }); // also from the cache
    const over = join(bay.folder, "over.yaml");
    writeFileSync(over, "services: { web: { command: sleep 5 } }\n");
    const fixed = `file://${repository.bare}#${third}:stacks/shop`;
    expect(config("-f", fixed, "-f", over).services.web).toMatchObject({
      command: ["sleep", "5"],
      environment: { VERSION: "3" },
    });
  });

  it("come over https with credentials of the environment, and over git's own protocol", () => {
    const url = `${https.url("project.git")}#main:stacks/shop`;
    const refused = bay.run(["-f", url, "config"]);
    expect([refused.code, refused.err]).toEqual([1, expect.stringMatching(/certificate/)]);
    bay.env.GIT_SSL_CAINFO = join(certificates.folder, "authority.pem");
    expect(bay.run(["-f", url, "config"]).err).toContain("the server requires credentials");
    expect(config("-f", local("stacks/shop")).services.web!.environment).toEqual({ VERSION: "2" });
    bay.env.GIT_AUTH_HEADER = `Basic ${Buffer.from("ada:word-of-ada").toString("base64")}`;
    expect(config("-f", url).services.web!.environment).toEqual({ VERSION: "3" });
    delete bay.env.GIT_AUTH_HEADER;
    // it is not asked again
    const before = https.requests.length;
    expect(config("-f", url).services.web!.environment).toEqual({ VERSION: "3" });
    expect(https.requests.length).toBe(before);
    const own = url.replace("https://", "https://ada:word-of-ada@");
    const shown = bay.run(["-f", own, "config"]);
    expect([shown.code, shown.out + shown.err]).toEqual([0, expect.not.stringContaining("word-of-ada")]);
    expect(config("-f", `${daemon.url("project.git")}#main:stacks/shop`).services.web).toBeDefined();
  });

  it("stay within the repository, and follow no symbolic link", () => {
    const fails = (address: string, text: string | RegExp) => {
      const { code, err } = bay.run(["-f", address, "config"]);
      expect([code, err]).toEqual([
        1,
        typeof text === "string" ? expect.stringContaining(text) : expect.stringMatching(text),
      ]);
    };
    fails(local("../../etc"), "is outside of the repository");
    fails(local("nothing"), "nothing does not exist in the repository");
    fails(local("stacks"), "stacks has no stack file");
    fails(`file://${repository.bare}#nowhere`, "has no nowhere");
    fails("ext::sh -c true.git", "this is not a git repository");
    fails("https://example.org/compose.yaml", "this is not a git repository");
    const outside: [string, string][] = [
      [
        "services: { web: { image: a, env_file: /etc/passwd } }",
        "services.web.env_file: /etc/passwd is outside",
      ],
      ["services: { web: { image: a, env_file: [{ path: ../../etc/passwd }] } }", "services.web.env_file"],
      ["services: { web: { build: ../../.. } }", "services.web.build"],
      [
        "services: { web: { image: a } }\nsecrets: { s: { file: /etc/shadow } }",
        "secrets.s.file: /etc/shadow is outside",
      ],
      ["services: { web: { image: a } }\nconfigs: { c: { file: ../../../etc/passwd } }", "configs.c.file"],
      ["include: [/etc/compose.yaml]", "/etc/compose.yaml is outside"],
      ["include: [{ path: ./bay.yaml, env_file: /etc/passwd }]", "/etc/passwd is outside"],
      ["services: { web: { extends: { file: ../../../x.yaml, service: a } } }", "../../../x.yaml is outside"],
    ];
    for (const [text, error] of outside) {
      const commit = repository.write("bad/bay.yaml", text).commit("Leave the repository");
      fails(`file://${repository.bare}#${commit}:bad`, error);
    }
    repository
      .remove("bad")
      .link("bad/bay.yaml", "/etc/passwd")
      .link("bad/inner.yaml", "../stacks/shop/bay.yaml");
    const commit = repository.commit("Link");
    fails(`file://${repository.bare}#${commit}:bad`, "bad has no stack file");
    fails(`file://${repository.bare}#${commit}:bad/inner.yaml`, "bad/inner.yaml is a symbolic link");
  });

  it("run no hook and no filter of the repository", () => {
    const mark = join(bay.folder, "ran");
    repository
      .write(".gitattributes", "* filter=evil\n")
      .write(".gitmodules", `[submodule "x"]\n  path = x\n  url = ext::touch ${mark}\n`)
      .write(".lfsconfig", `[lfs]\n  url = http://127.0.0.1:1/${mark}\n`);
    const commit = repository.commit("Be hostile");
    expect(config("-f", `file://${repository.bare}#${commit}:stacks/shop`).services.web).toBeDefined();
    expect(existsSync(mark)).toBe(false);
  });
});

describe("stack files of registries", () => {
  const bay = new Bay();
  let registry: Registry;
  const config = (...words: string[]) => JSON.parse(bay.ok(...words, "config", "--json"));

  beforeAll(async () => {
    registry = await Registry.start();
  });
  afterAll(async () => {
    await registry.stop();
    bay.close();
  });

  it("are published and used, pinned by their digest", () => {
    bay.write("VERSION=1\n", "web.env");
    bay.write(`name: shop
services:
  web: # the comment stays
    image: "box:1"
    env_file:
      - path: ./web.env
        required: true
`);
    const name = `${registry.host}/stacks/shop:1`;
    expect(bay.run(["publish", name]).err).toContain("services.web.env_file: --with-env");
    const published = bay.ok("publish", "--with-env", name).trim();
    expect(published).toMatch(/^oci:\/\/localhost:\d+\/stacks\/shop:1@sha256:[0-9a-f]{64}$/);
    const address = `oci://${name}`;
    const seen = config("-f", address);
    expect(seen).toMatchObject({
      name: "shop",
      services: { web: { image: "box:1", environment: { VERSION: "1" } } },
      "x-bay-remotes": { [address]: published.split("@")[1] },
    });
    bay.write("VERSION=2\n", "web.env");
    bay.ok("publish", "--with-env", "--oci-version", "1.0", name);
    expect(config("-f", address).services.web.environment).toEqual({ VERSION: "1" });
    expect(config("--refresh", "-f", address).services.web.environment).toEqual({ VERSION: "2" });
    expect(config("-f", published).services.web.environment).toEqual({ VERSION: "1" });
    bay.write(`include: ["${address}"]\n`);
    expect(config().services.web.environment).toEqual({ VERSION: "2" });
    expect(bay.run(["publish", name]).err).toContain("included and extended files are not published");
  });

  it("name what cannot be published, all at once", () => {
    bay.write(`services:
  web: { build: ., environment: { DB_PASSWORD: hunter2, OTHER: "\${X:-1}" }, secrets: [s] }
secrets: { s: { file: ./web.env } }
`);
    const { code, err } = bay.run(["publish", `${registry.host}/stacks/bad:1`]);
    expect(code).toBe(1);
    expect(err).toContain("services.web.build");
    expect(err).toContain("services.web.environment.DB_PASSWORD");
    expect(err).toContain("secrets.s.file");
    expect(err).not.toContain("hunter2");
  });

  it("cannot write outside of their directory, and are checked", async () => {
    const put = (tag: string, type: string, annotations: Record<string, string>, mediaType: string) =>
      pushArtifact(
        parseReference(`${registry.host}/stacks/hostile:${tag}`),
        {
          artifactType: type,
          parts: [
            {
              mediaType: "application/vnd.docker.compose.file+yaml",
              annotations: {},
              bytes: Buffer.from("services: { a: { image: a } }"),
            },
            { mediaType, annotations, bytes: Buffer.from("X=1") },
          ],
          annotations: {},
        },
        undefined,
      );
    const project = "application/vnd.docker.compose.project";
    const env = "application/vnd.docker.compose.envfile";
    const names = ["../../../evil.env", "/tmp/evil", "a/b", "..", ".", "", "a\nb"];
    for (const [index, name] of names.entries())
      await put(`n${index}`, project, { "com.docker.compose.envfile": name }, env);
    await put("other", "application/vnd.other", {}, env);
    await put("part", project, {}, "application/vnd.unknown");
    const error = (tag: string) =>
      bay.run(["-f", `oci://${registry.host}/stacks/hostile:${tag}`, "config"]).err;
    for (const index of names.keys()) expect(error(`n${index}`)).toContain("is not allowed in an artifact");
    expect(error("other")).toContain("this is application/vnd.other, not a stack file");
    expect(error("part")).toContain("unknown type of a part");
    expect(error("missing")).toContain("NOT_IN_REGISTRY");
    expect(existsSync(join(bay.folder, "evil.env"))).toBe(false);
  });
});
