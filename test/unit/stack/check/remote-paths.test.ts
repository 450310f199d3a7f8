/** Files of this host that a fetched file names, alone and merged with a file of this host. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadStack } from "../../../../src/stack/index.ts";

const ADDRESS = "https://git.example.org/shop.git";
let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-paths-"));
  root = join(folder, "fetched", "shop");
  mkdirSync(root, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The errors of a fetched file, with a file of this host after it. */
function problems(remote: string, local?: string): string {
  const file = join(root, "bay.yaml");
  writeFileSync(file, `images: { box: { rootfs: /box } }\n${remote}`);
  if (local) writeFileSync(join(folder, "local.yaml"), local);
  try {
    loadStack({
      cwd: folder,
      name: "demo",
      environment: { SSH_AUTH_SOCK: "/run/agent" },
      files: [ADDRESS, ...(local ? [join(folder, "local.yaml")] : [])],
      remotes: { [ADDRESS]: { file, root, version: "1", pinFile: join(folder, "pin") } },
    });
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

const service = (keys: string) => `services: { web: { image: box, ${keys} } }`;
const OUTSIDE = "is outside of the fetched files";

describe("a fetched file does not name files of this host:", () => {
  it.each([
    "env_file: /root/secret",
    "label_file: /root/secret",
    "build: /root",
    "build: { context: /root }",
    "build: { context: ., dockerfile: /root/secret }",
    "build: { dockerfile: ../../secret }",
    "build: { additional_contexts: { all: /root } }",
    "build: { additional_contexts: ['all=/root'] }",
    "build: { additional_contexts: { all: 'oci-layout:///root' } }",
    "build: { cache_from: ['type=local,src=/root'] }",
    'build: { cache_to: [\'"type=local","dest=/root"\'] }',
    "develop: { watch: [{ action: sync, path: /root, target: /x }] }",
    "security_opt: ['seccomp=/root/secret']",
    "logging: { driver: syslog, options: { syslog-tls-key: /root/secret } }",
  ])("%s", (keys) => {
    expect(problems(service(keys))).toContain(OUTSIDE);
  });

  it.each(["build: { ssh: [default] }", "build: { ssh: { key: /run/agent } }"])("%s", (keys) => {
    expect(problems(service(keys))).toContain("cannot use an SSH agent or a key of this host");
  });
});

describe("a file of this host does not hide what a fetched file names:", () => {
  it.each([
    ["env_file: /root/secret", "env_file: [local.env]"],
    ["env_file: [/root/secret]", "env_file: local.env"],
    ["label_file: /root/secret", "label_file: [local.env]"],
    ["build: /root", "build: { args: { A: 1 } }"],
    ["build: { context: /root }", "build: { args: { A: 1 } }"],
    ["build: { additional_contexts: ['all=/root'] }", "build: { additional_contexts: { one: . } }"],
    ["build: { cache_from: ['type=local,src=/root'] }", "build: { cache_from: ['type=local,src=.'] }"],
  ])("%s with %s", (remote, local) => {
    writeFileSync(join(folder, "local.env"), "");
    expect(problems(service(remote), service(local))).toContain(OUTSIDE);
  });

  it("ssh with another key", () => {
    expect(problems(service("build: { ssh: [default] }"), service("build: { ssh: { mine: /x } }"))).toContain(
      "services.web.build.ssh.default: a fetched file cannot use",
    );
  });
});

it("uses files that were fetched with it, and those that a file of this host names", () => {
  for (const file of [join(root, "web.env"), join(folder, "local.env")]) writeFileSync(file, "A=1\n");
  const remote = service(
    "env_file: web.env, build: { context: ., dockerfile: one/Dockerfile, additional_contexts: { all: x } }",
  );
  const local = service(
    `env_file: ['${folder}/local.env'], build: { context: '${folder}', ssh: [default], cache_to: ['type=local,dest=/c'] }`,
  );
  expect(problems(remote, local)).toBe("");
});
