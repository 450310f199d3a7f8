/** Builds by both APIs and by `up`, with a builder that the test decides about. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BuildNews, BuildRequest } from "../../../../../src/build/index.ts";
import type { Stack } from "../../../../../src/stack/index.ts";
import { loadText } from "../../../../support/stack.ts";
import { loadBay, UnitBay, unloadBay } from "../../../../support/unit-bay.ts";

let bay: UnitBay;
let folder: string;
beforeAll(() => loadBay());
afterAll(unloadBay);
beforeEach(async () => {
  bay = await UnitBay.start();
  folder = mkdtempSync(join(tmpdir(), "bay-context-"));
  writeFileSync(join(folder, "Dockerfile"), "FROM app\nRUN true\n");
});
afterEach(async () => {
  await bay.stop();
  rmSync(folder, { recursive: true });
});

const news = (kind: BuildNews["kind"], title: string, text?: string): BuildNews => ({
  step: 0,
  kind,
  title,
  ...(text === undefined ? {} : { text }),
});
const linesOf = (body: unknown) => (Array.isArray(body) ? body : [body]);
const stackOf = (text: string): Stack =>
  JSON.parse(JSON.stringify(loadText(text, { environment: { KEY: "value" } }).stack)) as Stack;
const requests = () => {
  const all: BuildRequest[] = [];
  bay.onBuild = async (request) => void all.push(request);
  return all;
};

describe("POST /build", () => {
  it("takes the archive of the body, and answers with the lines of Docker", async () => {
    const all: BuildRequest[] = [];
    bay.onBuild = async (request, tell) => {
      all.push(request);
      tell(news("started", "[1/2] FROM app"));
      tell(news("cached", "[2/2] RUN true"));
      tell(news("output", "", "compiling\n"));
    };
    const query = `t=one&t=two:v1&buildargs=${encodeURIComponent('{"A":"1","B":null}')}&nocache=1&networkmode=none`;
    const { status, body } = await bay.ask("POST", `/build?${query}`, Buffer.from("tar"));
    expect(status).toBe(200);
    expect(all[0]).toMatchObject({
      context: { kind: "archive" },
      args: { A: "1" },
      tags: ["one", "two:v1"],
      noCache: true,
      network: "none",
    });
    const text = linesOf(body)
      .map(({ stream = "" }: { stream?: string }) => stream)
      .join("");
    expect(text).toContain(
      "[1/2] FROM app\n[2/2] RUN true\n ---> Using cache\ncompiling\nSuccessfully built ",
    );
    expect(text).toContain("Successfully tagged two:v1\n");
    expect(bay.actions()).toContain("build");
  });

  it("of a repository has no archive, and a quiet one has one line", async () => {
    const all = requests();
    const { body } = await bay.ask("POST", "/build?q=1&remote=https%3A%2F%2Fexample.com%2Fa.git&t=one");
    expect(all[0]!.context).toMatchObject({ kind: "git" });
    expect(linesOf(body)).toEqual([{ stream: `${bay.manager.images.records.need("app").id}\n` }]);
  });

  it("that fails ends with the error, and one for BuildKit is refused", async () => {
    bay.onBuild = async () => {
      throw new Error("RUN true: exit code 1");
    };
    const { body } = await bay.ask("POST", "/build?t=one", Buffer.from("tar"));
    expect(linesOf(body).at(-1)).toMatchObject({ error: expect.stringContaining("exit code 1") });
    expect((await bay.ask("POST", "/build?version=2")).body).toMatchObject({ code: "UNSUPPORTED" });
    expect((await bay.ask("POST", "/build?t=UPPER%20case")).status).toBe(400);
  });
});

describe("bay's own build", () => {
  it("reads the ignore file beside the Dockerfile, or that of the context", async () => {
    const all = requests();
    const dockerfile = { source: "FROM app\n", file: "Dockerfile", path: join(folder, "Dockerfile") };
    const build = async () => {
      const answer = await bay.ask("POST", "/bay/v1/build", {
        context: { kind: "folder", path: folder },
        dockerfile,
        tags: ["one"],
      });
      return linesOf(answer.body).at(-1) as { image?: { id: string } };
    };
    writeFileSync(join(folder, ".dockerignore"), "*.log\n");
    expect((await build()).image!.id).toMatch(/^sha256:/);
    writeFileSync(join(folder, "Dockerfile.dockerignore"), "*.tmp\n");
    await build();
    expect(all.map(({ ignore }) => ignore)).toEqual([["*.log"], ["*.tmp"]]);
  });

  it("is rejected with a relative path, and reports an error as the last line", async () => {
    const wrong = { context: { kind: "folder", path: "here" }, dockerfile: { inContext: "" } };
    expect((await bay.ask("POST", "/bay/v1/build", wrong)).status).toBe(400);
    bay.onBuild = async (_, tell) => {
      tell(news("started", "[1/1] FROM app"));
      throw new Error("no space");
    };
    const right = { context: { kind: "folder", path: folder }, dockerfile: { inContext: "" } };
    const { body } = await bay.ask("POST", "/bay/v1/build", right);
    expect(linesOf(body)).toMatchObject([
      { news: { title: "[1/1] FROM app" } },
      { error: { message: "no space" } },
    ]);
  });
});

describe("builds of a stack", () => {
  const text = () => `
services:
  base: { image: base, build: { context: ${folder} } }
  web:
    image: web
    build:
      context: ${folder}
      args: { A: "1" }
      additional_contexts: { root: "service:base" }
      secrets: [key]
secrets: { key: { environment: KEY } }
`;
  const build = (services: string[], changes: object = {}) =>
    bay.ask("POST", "/bay/v1/stack/build", { stack: stackOf(text()), services, changes });

  it("build a service after those that it is made from, with unique numbers of steps", async () => {
    const order: string[] = [];
    bay.onBuild = async ({ tags, contexts, secrets, args }, tell) => {
      order.push(tags[0]!);
      tell(news("started", "[1/2] FROM app"));
      if (tags[0] === "web") {
        expect(contexts.root).toEqual({ kind: "image", reference: "base" });
        expect(secrets).toEqual({ key: { value: "value" } });
        expect(args).toEqual({ A: "2" });
      }
    };
    const { body } = await build(["web", "base"], { args: { A: "2" }, noCache: true });
    expect(order).toEqual(["base", "web"]);
    const lines = linesOf(body) as { news?: BuildNews; image?: { service: string } }[];
    expect(lines.flatMap((line) => (line.news ? [`${line.news.step} ${line.news.title}`] : []))).toEqual([
      "0 [base 1/2] FROM app",
      "1 [web 1/2] FROM app",
    ]);
    expect(lines.flatMap(({ image }) => image?.service ?? []).sort()).toEqual(["base", "web"]);
  });

  it("stop when one fails, and report that one", async () => {
    bay.onBuild = async ({ tags }, _, signal) => {
      if (tags[0] === "base") throw new Error("base is broken");
      await new Promise((resolve) => signal!.addEventListener("abort", resolve));
    };
    const { body } = await build(["base", "web"]);
    expect(linesOf(body).at(-1)).toMatchObject({ error: { message: "base is broken" } });
  });

  it("happen during up for missing and outdated images", async () => {
    const built: string[] = [];
    bay.onBuild = async ({ tags }) => void built.push(tags[0]!);
    const service = `services: { web: { image: web, build: { context: ${folder} } } }\n`;
    const up = async () =>
      linesOf((await bay.ask("POST", "/bay/v1/up", { stack: stackOf(service) })).body).at(-1);
    expect(await up()).toMatchObject({ result: { steps: expect.any(Array) } });
    expect(built).toEqual(["web"]);
    await up();
    expect(built).toEqual(["web"]);
    bay.outdated.set("web", "COPY changed");
    const plan = (await bay.ask("POST", "/bay/v1/plan", { stack: stackOf(service), options: {} })).body;
    expect(JSON.stringify(plan.steps)).toContain("COPY changed");
    await up();
    expect(built).toEqual(["web", "web"]);
  });

  it("that cannot succeed are named by the plan", async () => {
    writeFileSync(join(folder, "Dockerfile"), "FORM app\n");
    const broken = stackOf(`services: { web: { image: web, build: { context: ${folder} } } }\n`);
    const { body } = await bay.ask("POST", "/bay/v1/plan", { stack: broken, options: {} });
    expect(JSON.stringify(body)).toContain("services.web.build");
    rmSync(join(folder, "Dockerfile"));
    const missing = (await bay.ask("POST", "/bay/v1/plan", { stack: broken, options: {} })).body;
    expect(JSON.stringify(missing)).toContain("Dockerfile does not exist");
  });
});
