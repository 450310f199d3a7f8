/** What `bay publish` refuses, and how it rewrites the paths of env files. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { withEnvFiles } from "../../../../src/cli/commands/stack/publish-env-files.ts";
import { literalOf, writtenSecrets } from "../../../../src/cli/commands/stack/publish-secrets.ts";
import { pushArtifact } from "../../../../src/image/registry/artifacts.ts";

describe("literal secrets", () => {
  it.each([
    ["$X", ""],
    ["${X}", ""],
    ["${X:?is required}", ""],
    ["${X?is required}", ""],
    ["${X}${Y}", ""],
    ["${X:-real}", "real"],
    ["${X-real}", "real"],
    ["${X:-${Y:-real}}", "real"],
    ["${X:+real}", "real"],
    ["${X:+${Y:-real}}", "real"],
    ["$X-real", "-real"],
    ["$$X", "$X"],
    ["$5real", "$5real"],
  ])("of %s are %s", (text, literal) => {
    expect(literalOf(text)).toBe(literal);
  });

  it.each([
    ["services.a.environment.PASSWORD", "services: { a: { environment: { PASSWORD: real } } }"],
    ["services.a.environment.PASSWORD", "services: { a: { environment: ['PASSWORD=${X:-real}'] } }"],
    [
      "services.a.environment.PASSWORD",
      "services: { a: { profiles: [off], environment: { PASSWORD: real } } }",
    ],
    ["services.a.environment.URL", "services: { a: { environment: { URL: 'db://me:real@db' } } }"],
    ["services.a.labels.api_key", "services: { a: { labels: { api_key: real } } }"],
    ["services.a.deploy.labels.token", "services: { a: { deploy: { labels: [token=real] } } }"],
    ["services.a.build.args.TOKEN", "services: { a: { build: { args: { TOKEN: real } } } }"],
    ["services.a.build.labels.token", "services: { a: { build: { labels: { token: real } } } }"],
    ["configs.app.content", "configs: { app: { content: \"user: x\\npassword: 'real'\\n\" } }"],
    ["configs.app.content", "configs: { app: { content: 'url = https://me:real@host' } }"],
    ["configs.credentials.content", "configs: { credentials: { content: real } }"],
    ["secrets.any.content", "secrets: { any: { content: real } }"],
  ])("are found at %s", (at, text) => {
    expect(writtenSecrets(parse(text))).toEqual([at]);
  });

  it("are not variables, and not in other values", () => {
    const text = `
services:
  a:
    environment: { PASSWORD: "\${PASSWORD:?}", TOKEN: $TOKEN, SECRET:, URL: "db://me:\${PASSWORD}@db", MODE: plain }
    labels: [token=$TOKEN, plain=text]
    build: { args: { API_KEY: } }
configs: { app: { content: "password: '\${PASSWORD}'\\nuser: me" } }`;
    expect(writtenSecrets(parse(text))).toEqual([]);
  });
});

describe("env files", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bay-publish-"));
    writeFileSync(join(folder, "prod.env"), "A=1\n");
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const rewritten = (text: string) =>
    withEnvFiles(text, folder, (name) => (name === "STAGE" ? "prod" : undefined));

  it.each([
    "prod.env",
    '"${STAGE}.env"',
    "[prod.env]",
    "[{ path: prod.env, required: false }]",
  ])("are replaced by their contents: %s", (path) => {
    const { text, files, problems } = rewritten(`services:\n  web:\n    env_file: ${path}\n`);
    expect(problems).toEqual([]);
    const [[name, bytes] = []] = files;
    expect(String(bytes)).toBe("A=1\n");
    expect(text).toContain(JSON.stringify(name));
    expect(text).not.toContain("prod.env");
  });

  it("stay as they are written if they are optional and do not exist", () => {
    const text = "services: { web: { env_file: [{ path: absent.env, required: false }] } }\n";
    expect(rewritten(text)).toEqual({ text, files: new Map(), problems: [] });
  });

  it.each([
    ["services: { web: { env_file: absent.env } }", "the env file absent.env cannot be read"],
    ["services: { web: { env_file: [{ path: /absent.env, required: false }] } }", "outside of the published"],
    ["x: &x prod.env\nservices: { web: { env_file: *x } }", "is written by an alias"],
    ["x: &x { env_file: prod.env }\nservices: { web: { <<: *x } }", "is written by an alias"],
    ["x: &x { env_file: prod.env }\nservices: { web: *x }", "is written by an alias"],
  ])("that cannot be replaced are named: %s", (text, message) => {
    expect(rewritten(text).problems).toEqual([expect.stringContaining(`services.web.env_file: `)]);
    expect(rewritten(text).problems[0]).toContain(message);
  });
});

describe("an artifact that pulling would refuse", () => {
  const reference = { registry: "127.0.0.1:1", repository: "shop", tag: "1", digest: undefined };
  const part = (bytes: Buffer) => ({ mediaType: "text/plain", annotations: { name: "big.env" }, bytes });
  it.each([
    ["101 parts; at most 100", Array.from({ length: 101 }, () => part(Buffer.from("x")))],
    ["big.env has 1048577 bytes", [part(Buffer.alloc(1048577))]],
  ])("is not pushed: %s", async (message, parts) => {
    await expect(pushArtifact(reference, { parts, annotations: {} }, undefined)).rejects.toMatchObject({
      code: "BAD_OPTION",
      message: expect.stringContaining(message),
    });
  });
});
