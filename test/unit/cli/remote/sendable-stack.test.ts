import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { sendableStack } from "../../../../src/cli/remote/sendable-stack.ts";
import { loadStack, type Stack } from "../../../../src/stack/index.ts";

describe("a stack for the bayd of another host", () => {
  const folder = mkdtempSync(join(tmpdir(), "bay-sendable-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => vi.restoreAllMocks());

  function load(text: string): Stack {
    writeFileSync(join(folder, "bay.yaml"), text);
    return loadStack({ cwd: folder, environment: { TOKEN: "t" }, name: "demo" }).stack;
  }

  it("has the contents of secrets and configs, with the same digests", () => {
    writeFileSync(join(folder, "password"), "s3cret\n");
    writeFileSync(join(folder, "motd"), "hello");
    const stack = load(`
services: { web: { image: i, secrets: [password, token], configs: [motd] } }
secrets: { password: { file: ./password }, token: { environment: TOKEN } }
configs: { motd: { file: ./motd } }
`);
    const sent = sendableStack(stack, "ssh://server");
    // a secret has the form of a variable's value, which is not kept in the history
    expect(sent.secrets.password).toEqual({
      environment: join(folder, "password"),
      value: "s3cret\n",
      digest: stack.secrets.password!.digest,
    });
    expect(sent.secrets.token).toEqual(stack.secrets.token);
    expect(sent.configs.motd).toEqual({ content: "hello", digest: stack.configs.motd!.digest });
    expect(sent.services).toEqual(stack.services);
  });

  it("is refused if it needs files of this computer: each is named, all at once", () => {
    mkdirSync(join(folder, "app"), { recursive: true });
    writeFileSync(join(folder, "app", "Dockerfile"), "FROM scratch\n");
    writeFileSync(join(folder, "binary"), Buffer.from([0xff, 0xfe]));
    const stack = load(`
services:
  web: { build: ./app }
  other: { image: mine, configs: [binary] }
  git: { build: https://example.org/repository.git }
images: { mine: { rootfs: ./app } }
configs: { binary: { file: ./binary } }
`);
    expect(() => sendableStack(stack, "ssh://server")).toThrowError(
      expect.objectContaining({
        code: "LOCAL_ONLY",
        message: [
          "ssh://server: this cannot be used by the bayd of another host:",
          `  services.web.build: ${join(folder, "app")} is on this computer`,
          `  images.mine.rootfs: ${join(folder, "app")} is on this computer`,
          `  configs.binary.file: ${join(folder, "binary")} is not UTF-8 text`,
        ].join("\n"),
      }),
    );
  });

  it("has bind mounts of the other host, which a warning names", () => {
    const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const stack = load(
      "services: { web: { image: i, volumes: [./data:/data, /etc/x:/x, named:/n] } }\nvolumes: { named: }",
    );
    sendableStack(stack, "ssh://server");
    expect(write.mock.calls.flat().join("")).toBe(
      `warning: the sources of bind mounts are paths of ssh://server: services.web: ${join(folder, "data")}, services.web: /etc/x\n`,
    );
  });
});
