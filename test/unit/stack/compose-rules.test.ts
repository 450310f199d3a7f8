/** Rules of Compose that decide what a file means: env files, variables, names, merging and file names. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseDotenv } from "../../../src/stack/files/dotenv.ts";
import { mergeValues } from "../../../src/stack/files/merge.ts";
import { type LoadOptions, loadStack } from "../../../src/stack/index.ts";
import { parsePort } from "../../../src/stack/normalise/ports.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-rules-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function load(files: Record<string, string>, options: Partial<LoadOptions> = {}) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const { stack, warnings } = loadStack({ cwd: folder, environment: {}, ...options });
  return { ...stack, warnings: warnings.map(({ code, message }) => `${code} ${message}`) };
}

const noVariables = () => undefined;

describe("an env file", () => {
  it.each([
    ["A=#ff8800", "#ff8800"],
    ["A=x#y", "x#y"],
    ["A=x #c", "x"],
    ["A= # only a comment", ""],
    ['A="#q"', "#q"],
    ["A=$2y", "$2y"],
    ['A="\\a\\b\\f\\v\\n\\033[0m"', "\x07\b\f\v\n\x1b[0m"],
    ['A="\\d"', "\\d"],
  ])("%s gives %j", (text, value) => {
    expect(parseDotenv(text, noVariables).get("A")).toBe(value);
  });

  it.each(["DB PASSWORD=x", "set MODE=prod", "export A B=1"])("refuses a name with a space: %s", (text) => {
    expect(() => parseDotenv(`OK=1\n${text}\n`, noVariables)).toThrow("line 2: unexpected");
  });

  it("warns about each unset variable, with its line", () => {
    const told: string[] = [];
    const values = parseDotenv("A=1\nB=ab$cd\n", noVariables, (message) => told.push(message));
    expect(values.get("B")).toBe("ab");
    expect(told).toEqual([expect.stringContaining("line 2: the variable cd is not set")]);
  });

  it("keeps every value without white space, quotes, $ and \\ as it is", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[!#%-&(-[\]-~]+$/), (value) => {
        expect(parseDotenv(`A=${value}`, noVariables).get("A")).toBe(value);
      }),
    );
  });

  it.each([
    ["A=${X:?needed}", "line 2: the variable X is required: needed"],
    ['A="${X?}"', "line 2: the variable X is required"],
    ["A=${X", "line 2: ${X is not a valid variable"],
    ["A=${1x}", "line 2: ${1x} is not a valid variable"],
  ])("refuses %s", (text, message) => {
    expect(() => parseDotenv(`OK=1\n${text}\n`, noVariables)).toThrow(message);
  });

  it("resolves variables of earlier env files and of environment, behind the stack's own", () => {
    const { services } = load({
      ".env": "C=dotenv\n",
      "1.env": "A=one\nC=file\n",
      "2.env": "X=$A-$B-$C-${constructor:-none}\n",
      "compose.yaml":
        "services: { a: { image: x, env_file: [1.env, 2.env], environment: { B: own, C: own, D: null } } }",
    });
    expect(services.a?.environment).toEqual({ A: "one", B: "own", C: "own", X: "one-own-dotenv-none" });
  });

  it("does not take properties of objects for variables", () => {
    const { services } = load({
      "compose.yaml": 'services: { a: { image: x, environment: ["A=${constructor:-none}", toString] } }',
    });
    expect(services.a?.environment).toEqual({ A: "none" });
  });

  it("is warned of where a stack reads it", () => {
    const { warnings } = load({
      ".env": "PW=pa$word\n",
      "e.env": "X=ab$cd\n",
      "compose.yaml": "services: { a: { image: x, env_file: e.env } }",
    });
    expect(warnings).toEqual([
      expect.stringContaining("the variable word is not set"),
      expect.stringMatching(/e\.env:1: the variable cd is not set/),
    ]);
  });
});

describe("the platform of a service", () => {
  it.each([
    "linux/amd64",
    "linux/x86_64",
    "linux/arm64/v8",
  ])("%s is kept in the canonical file", (platform) => {
    const { services } = load({ "compose.yaml": `services: { a: { image: x, platform: ${platform} } }` });
    expect(services.a?.platform).toBe(platform);
  });
});

describe("variables of Compose", () => {
  const two = {
    "compose.yaml": "services: { a: { image: x } }",
    "extra.yaml": "services: { b: { image: x } }",
  };
  it.each([
    [".env", { ".env": "COMPOSE_FILE=compose.yaml:extra.yaml\n" }, {}],
    [
      ".env with a separator",
      { ".env": "COMPOSE_FILE=compose.yaml,extra.yaml\nCOMPOSE_PATH_SEPARATOR=,\n" },
      {},
    ],
    [
      "another env file",
      { "o.env": "COMPOSE_FILE=compose.yaml:extra.yaml\n" },
      { COMPOSE_ENV_FILES: "o.env" },
    ],
  ])("COMPOSE_FILE is read from %s", (_, files, environment) => {
    expect(Object.keys(load({ ...two, ...files }, { environment }).services)).toEqual(["a", "b"]);
  });

  it("COMPOSE_DISABLE_ENV_FILE leaves .env unread", () => {
    const files = { ...two, ".env": "COMPOSE_FILE=compose.yaml:extra.yaml\n" };
    const { services } = load(files, { environment: { COMPOSE_DISABLE_ENV_FILE: "1" } });
    expect(Object.keys(services)).toEqual(["a"]);
  });

  it("warns about a variable that is not supported", () => {
    const { warnings } = load({ ...two, ".env": "COMPOSE_MENU=1\n" });
    expect(warnings).toEqual([expect.stringContaining("COMPOSE_MENU is not supported")]);
  });

  const file =
    "services: { a: { image: x, hostname: '${COMPOSE_PROJECT_NAME}', environment: [COMPOSE_PROJECT_NAME] } }\n";
  it.each([
    ["name:", `name: own\n${file}`, {}, "own"],
    ["the option", `name: own\n${file}`, { name: "given" }, "given"],
    ["the environment", file, { environment: { COMPOSE_PROJECT_NAME: "outer" } }, "outer"],
  ])("COMPOSE_PROJECT_NAME is the name by %s", (_, text, options, name) => {
    const { services, ...stack } = load({ "compose.yaml": text }, options);
    expect(stack.name).toBe(name);
    expect(services.a).toMatchObject({ hostname: name, environment: { COMPOSE_PROJECT_NAME: name } });
  });

  it("COMPOSE_PROJECT_NAME is the folder's where nothing else names the stack", () => {
    const { services, name } = load({ "compose.yaml": file });
    expect(services.a!.hostname).toBe(name);
    expect(name).toBe(basename(folder).toLowerCase());
  });

  it("PWD is the folder of the stack where the environment has none", () => {
    const text = "services: { a: { image: x, environment: { P: '${PWD}' } } }";
    expect(load({ "compose.yaml": text }).services.a!.environment.P).toBe(folder);
  });
});

describe("names", () => {
  it("name: is lower-cased with a warning", () => {
    const { name, warnings } = load({ "compose.yaml": "name: myProject\nservices: { a: { image: x } }" });
    expect(name).toBe("myproject");
    expect(warnings).toEqual([expect.stringContaining("myProject is used as myproject")]);
  });

  it("an empty profile is ignored, and COMPOSE_PROFILES is trimmed", () => {
    const text =
      "services: { a: { image: x, profiles: [''] }, b: { image: x, profiles: [w] }, c: { image: x, profiles: [v] } }";
    const { services } = load({ "compose.yaml": text }, { environment: { COMPOSE_PROFILES: " w , " } });
    expect(Object.keys(services)).toEqual(["a", "b"]);
  });

  it.each([
    ["compose.yaml", "docker-compose.override.yml"],
    ["docker-compose.yml", "compose.override.yaml"],
    ["bay.yaml", "bay.override.yml"],
  ])("%s has %s over it", (main, override) => {
    const { services } = load({
      [main]: "services: { a: { image: x } }",
      [override]: "services: { a: { environment: { A: '1' } } }",
    });
    expect(services.a!.environment).toEqual({ A: "1" });
  });

  it("warns about a second main file", () => {
    const text = "services: { a: { image: x } }";
    const { warnings } = load({ "compose.yaml": text, "docker-compose.yml": text });
    expect(warnings).toEqual([expect.stringMatching(/docker-compose\.yml is not read/)]);
  });
});

describe("merging", () => {
  it.each(["test", "command", "entrypoint"])("%s is an ordinary name", (name) => {
    for (const section of ["services", "volumes", "networks"]) {
      const one = { [section]: { [name]: { labels: { a: "1" } } } };
      const two = { [section]: { [name]: { labels: { b: "2" } } } };
      expect(mergeValues(one, two)).toEqual({ [section]: { [name]: { labels: { a: "1", b: "2" } } } });
    }
  });

  it.each([
    "env_file",
    "dns",
    "dns_search",
    "tmpfs",
    "label_file",
  ])("one text of %s is a list of one", (key) => {
    const of = (value: unknown) => ({ services: { s: { [key]: value } } });
    for (const [a, b] of [
      ["x", "y"],
      [["x"], "y"],
      ["x", ["y"]],
    ])
      expect(mergeValues(of(a), of(b))).toEqual(of(["x", "y"]));
  });

  it.each([
    "command",
    "image",
    "environment",
    "ports",
    "healthcheck",
    "build",
  ])("null of %s in a later file changes nothing", (key) => {
    const one = { services: { s: { [key]: ["x"] } } };
    expect(mergeValues(one, { services: { s: { [key]: null } } })).toEqual(one);
  });
});

it.each([
  ["80/UDP", { hostAddress: "", containerPort: 80, protocol: "udp" }],
  ["::1:8080:80", { hostAddress: "::1", hostPort: 8080, containerPort: 80, protocol: "tcp" }],
  ["fd00::1:8080:80/Tcp", { hostAddress: "fd00::1", hostPort: 8080, containerPort: 80, protocol: "tcp" }],
])("the port %s is read", (text, port) => {
  expect(parsePort(text)).toEqual([expect.objectContaining(port)]);
});

it.each(["linux/x86_64", "x86-64", "linux/AMD64", "amd64"])("the platform %s is linux/amd64", (platform) => {
  const run = () => load({ "compose.yaml": `services: { a: { image: x, platform: ${platform} } }` });
  if (process.arch === "x64") expect(run().services.a!.image).toBe("x");
  else expect(run().services.a!.unavailable?.[0]?.message).toContain("this host runs linux/arm64");
});

describe("numbers", () => {
  const texts = [
    "-1001234567890123457",
    "18446744073709551615",
    "0x10",
    "0644",
    "1.10",
    "1e3",
    "0.12345678901234567891",
  ];
  it.each(texts)("%s is its source text in environment, labels and build args", (text) => {
    const { services } = load({
      "compose.yaml": `x-all: &all { N: ${text} }\nservices: { a: { image: x, environment: *all, labels: { <<: *all }, build: { context: ., args: { N: ${text} } } } }`,
    });
    const { environment, labels, build } = services.a!;
    expect([environment.N, labels.N, build!.args.N]).toEqual([text, text, text]);
  });

  it("keep all digits of any integer", () => {
    fc.assert(
      fc.property(fc.bigInt(), (number) => {
        const { services } = load({
          "compose.yaml": `services: { a: { image: x, environment: { N: ${number} } } }`,
        });
        expect(services.a!.environment.N).toBe(String(number));
      }),
    );
  });

  it(".inf is refused by its name", () => {
    expect(() => load({ "compose.yaml": "services: { a: { image: x, environment: { X: .inf } } }" })).toThrow(
      ".inf is not a finite number",
    );
  });
});

describe("a service whose profiles are not enabled", () => {
  it("is checked for its shape alone", () => {
    const { services, disabled } = load({
      "compose.yaml":
        "services: { a: { image: x }, b: { profiles: [dev], networks: [undeclared], depends_on: [nope], secrets: [none] } }",
    });
    expect(Object.keys(services)).toEqual(["a"]);
    expect(disabled).toEqual(["b"]);
    expect(() => load({ "compose.yaml": "services: { b: { profiles: [dev], imag: x } }" })).toThrow("imag");
  });

  it("is checked where its profile is on", () => {
    const text = "services: { a: { image: x }, b: { profiles: [dev], networks: [undeclared] } }";
    expect(() => load({ "compose.yaml": text }, { profiles: ["dev"] })).toThrow("undeclared");
  });

  it("cannot be the context of a build", () => {
    const text =
      "services: { base: { build: ., profiles: [p] }, app: { build: { context: ., additional_contexts: { base: 'service:base' } } } }";
    expect(() => load({ "compose.yaml": text })).toThrow(
      "the build of app needs base, whose profiles are not enabled: p",
    );
  });
});

describe("values that Compose accepts", () => {
  it("the last of two mounts at one place counts, with a warning", () => {
    const { services, warnings } = load({
      "compose.yaml": "services: { a: { image: x, volumes: ['/a:/d', '/b:/d/'] } }",
    });
    expect(services.a!.mounts).toEqual([expect.objectContaining({ source: "/b", target: "/d" })]);
    expect(warnings).toEqual([expect.stringContaining("earlier mounts at /d")]);
  });

  it("start-first with container_name is stop-first, with a warning", () => {
    const { services, warnings } = load({
      "compose.yaml":
        "services: { a: { image: x, container_name: foo, deploy: { update_config: { order: start-first } } } }",
    });
    expect(services.a!.update!.order).toBe("stop-first");
    expect(warnings).toEqual([expect.stringContaining("stop-first is used")]);
  });

  it("empty options of the local driver are none, and a device is relative to the file", () => {
    const { volumes } = load({
      "compose.yaml":
        "services: { a: { image: x } }\nvolumes: { v: { driver_opts: { type: '', o: '', device: '' } }, w: { driver_opts: { type: none, o: bind, device: ./some } } }",
    });
    expect(volumes.v!.device).toBeUndefined();
    expect(volumes.w!.device).toBe(join(folder, "some"));
  });

  it("entries of lists that come from blank variables are dropped, and arguments are kept", () => {
    const lists =
      "ports volumes cap_add cap_drop group_add expose dns dns_opt dns_search tmpfs security_opt devices extra_hosts env_file label_file profiles links external_links volumes_from environment labels configs secrets networks depends_on";
    const text = `services: { a: { image: x, command: ['\${NO-}', y], healthcheck: { test: [CMD, '\${NO-}'] }, build: { context: ., tags: ['\${NO-}'], cache_from: ['\${NO-}'], args: ['\${NO-}'] }, ${lists
      .split(" ")
      .map((key) => `${key}: ['\${NO-}']`)
      .join(", ")} } }`;
    const { a } = load({ "compose.yaml": text }).services;
    expect(a!.command).toEqual(["", "y"]);
    expect(a!.healthcheck?.test).toEqual(["CMD", ""]);
    expect([a!.ports, a!.mounts, a!.capAdd, a!.environment, a!.labels]).toEqual([[], [], [], {}, {}]);
    expect(() => load({ "compose.yaml": "services: { a: { image: x, cap_add: [''] } }" })).toThrow(
      "capability",
    );
  });

  it("blank entries are dropped", () => {
    const text = "services: { a: { image: x, dns: '${NO-}', dns_search: ['${NO-}'], tmpfs: '${NO-}' } }";
    const { dns, dnsSearch, mounts } = load({ "compose.yaml": text }).services.a!;
    expect([dns, dnsSearch, mounts]).toEqual([[], [], []]);
  });
});

it.each([
  ["volumes: { v: { name: 'my data/x' } }", 'invalid name "my data/x"'],
  ["volumes: { 'a b': {} }", '"a b" is not a valid name under volumes'],
  ["networks: { n: { name: 'a/b' } }", 'invalid name "a/b"'],
  [
    "networks: { n: { name: one, external: { name: two } } }",
    "name and external.name cannot be used together",
  ],
])("%s is refused at its place", (text, message) => {
  expect(() => load({ "compose.yaml": `services: { a: { image: x } }\n${text}` })).toThrow(message);
});

it("several documents of one file are merged, the later over the earlier", () => {
  const { services } = load({
    "compose.yaml":
      "services: { a: { image: x, environment: { A: '1' } } }\n---\nservices: { a: { image: y }, b: { image: x } }\n---\n",
  });
  expect(Object.keys(services)).toEqual(["a", "b"]);
  expect(services.a).toMatchObject({ image: "y", environment: { A: "1" } });
});

it("a later document's problems have their place", () => {
  expect(() =>
    load({ "compose.yaml": "services: { a: { image: x } }\n---\nservices: { a: { imag: y } }\n" }),
  ).toThrow("compose.yaml:3:18");
});
