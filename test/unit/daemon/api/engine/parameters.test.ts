/** Every parameter of every route: what is wrong is 400, what is absent or empty is fine, what is unknown is refused. */
import { describe, expect, it } from "vitest";
import {
  checkQuery,
  parameters,
  parametersOf,
  ROUTES_WITH_QUERY,
} from "../../../../../src/daemon/api/engine/parameters.ts";
import { errorAnswer } from "../../../../../src/daemon/api/error-status.ts";
import { routesOf, type Services } from "../../../../../src/daemon/api/server.ts";

const FLAG = ["maybe", "-1", "2", "off"];
const NUMBER = ["x", "1.5", "1e3", "NaN", "0x1", "99999999999999999999"];
const COUNT = [...NUMBER, "-1"];
const NOTHING = ["1", "x", "true"];
const TIME = ["x", "-x", "1h1y", "99999999999999999999"];
const FILTERS = ["{", "[]", "1", '{"nosuch":["1"]}', '{"label":"x"}', '{"until":[1]}'];
const SIGNAL = ["SIGNOSUCH", "0", "65", "-9", "1.5"];
const REFERENCE = ["Upper", "a b", "../x", "a@sha256:1"];
const TAG = ["a b", "-x", "sha256:1", "x".repeat(200)];
const PLATFORM = ["a/b/c/d", "linux/ /", "../x"];
const MAP = ["{", "[]", "1", '{"a":1}', '{"a":["b"]}'];
/** Any text is one, up to a length. */
const TEXT: string[] = [];

/** Wrong values of each parameter, by its name, or by its route and its name. */
const WRONG: Readonly<Record<string, readonly string[]>> = {
  all: FLAG,
  author: TEXT,
  buildargs: MAP,
  buildid: TEXT,
  cachefrom: ["{", "{}", "1", "[1]"],
  cgroupparent: NOTHING,
  changes: TEXT,
  checkpoint: NOTHING,
  chunks: FLAG,
  "checkpoint-dir": NOTHING,
  comment: TEXT,
  condition: ["x", "running", "1"],
  container: TEXT,
  containers: FLAG,
  copyUIDGID: FLAG,
  cpuperiod: [...NOTHING, "-1"],
  cpuquota: [...NOTHING, "-1"],
  cpusetcpus: NOTHING,
  cpusetmems: NOTHING,
  cpushares: [...NOTHING, "-1"],
  detachKeys: TEXT,
  restarts: FLAG,
  details: NOTHING,
  devices: FLAG,
  digests: FLAG,
  dockerfile: TEXT,
  eventloop: ["x", "2", "true"],
  extrahosts: TEXT,
  filter: TEXT,
  filters: FILTERS,
  follow: FLAG,
  force: FLAG,
  forcerm: FLAG,
  fromImage: REFERENCE,
  fromSrc: TEXT,
  hijack: FLAG,
  h: [...COUNT, "65536"],
  isolation: [...NOTHING, "hyperv"],
  "keep-storage": COUNT,
  labels: MAP,
  limit: [...NUMBER, "-2", "1000001"],
  link: NOTHING,
  logs: FLAG,
  manifests: NOTHING,
  "max-used-space": COUNT,
  memory: [...NOTHING, "-1"],
  memswap: [...NOTHING, "-1"],
  message: TEXT,
  "min-free-space": NOTHING,
  "GET /bay/v1/image/:/archive name": TEXT,
  name: ["a", "a/b", "../../x", "x y", "-a"],
  names: TEXT,
  networkmode: ["x", "container:x", "1"],
  nocache: FLAG,
  noOverwriteDirNonDir: FLAG,
  noprune: FLAG,
  "one-shot": FLAG,
  only_ids: FLAG,
  outputs: NOTHING,
  path: TEXT,
  pause: FLAG,
  platform: PLATFORM,
  ps_args: TEXT,
  pull: FLAG,
  q: FLAG,
  quiet: FLAG,
  registry: NOTHING,
  remote: TEXT,
  repo: REFERENCE,
  "reserved-space": NOTHING,
  rm: FLAG,
  scope: ["swarm", "global", "1"],
  securityopt: NOTHING,
  session: TEXT,
  "shared-size": NOTHING,
  shmsize: COUNT,
  signal: SIGNAL,
  since: TIME,
  size: FLAG,
  source: TEXT,
  squash: NOTHING,
  stderr: FLAG,
  stdin: FLAG,
  stdout: FLAG,
  stream: FLAG,
  "POST /build t": TEXT,
  t: [...NUMBER, "-2", "2000001"],
  tag: TAG,
  tail: ["x", "1.5", "NaN", "99999999999999999999"],
  target: TEXT,
  term: TEXT,
  timestamps: FLAG,
  timeout: [...COUNT, "10001"],
  trunc_cmd: FLAG,
  type: ["x", "images"],
  ulimits: ["{", "{}", '[{"Name":"nofile"}]', '[{"Name":"nofile","Soft":-2,"Hard":1}]', '[{"Name":1}]'],
  until: TIME,
  v: FLAG,
  verbose: FLAG,
  version: ["0", "3", "x"],
  w: [...COUNT, "65536"],
};

/** Longer than any text. */
const TOO_LONG = "1".repeat(70_000);

const status = (route: string, query: URLSearchParams) => {
  try {
    checkQuery(route, query);
    return 200;
  } catch (error) {
    return errorAnswer(error).status;
  }
};

const pairs = ROUTES_WITH_QUERY.flatMap((route) => parametersOf(route).map((name) => [route, name] as const));

describe("parameters", () => {
  const services = { manager: { images: {} } } as unknown as Services;
  const { routes, hijacks } = routesOf(services);
  const names = [...routes, ...hijacks].map(({ name }) => name);

  it("belong to existing routes", () => {
    for (const route of ROUTES_WITH_QUERY) expect(names).toContain(route);
  });

  it.each(names)("%s rejects an unknown parameter", (route) => {
    expect(status(route, new URLSearchParams())).toBe(200);
    for (const unknown of ["nosuch", "__proto__", "constructor", ""])
      expect(status(route, new URLSearchParams([[unknown, "1"]])), unknown).toBe(400);
  });

  it.each(pairs)("%s rejects invalid values of %s", (route, name) => {
    const wrong = WRONG[`${route} ${name}`] ?? WRONG[name];
    expect(wrong, "the table of wrong values").toBeDefined();
    for (const value of [...wrong!, TOO_LONG])
      expect(status(route, new URLSearchParams([[name, value]])), value.slice(0, 100)).toBe(400);
  });

  it.each(pairs)("%s accepts an empty %s", (route, name) => {
    expect(status(route, new URLSearchParams([[name, ""]]))).toBe(200);
  });

  it("that bay does not support are accepted with a value that requests nothing", () => {
    const sent =
      "t=a&buildargs=%7B%22A%22%3Anull%7D&cachefrom=%5B%5D&cgroupparent=&cpuperiod=0&cpuquota=0&cpusetcpus=&cpusetmems=&cpushares=0&dockerfile=Dockerfile&labels=%7B%7D&memory=0&memswap=0&networkmode=default&rm=1&shmsize=0&target=&ulimits=null&version=1";
    expect(parameters("POST /build", new URLSearchParams(sent))).toMatchObject({
      t: ["a"],
      buildargs: { A: null },
      rm: true,
      shmsize: 0,
      networkmode: "default",
    });
  });

  it("that are not lists may be given only once", () => {
    expect(status("DELETE /containers/:", new URLSearchParams("force=0&force=1"))).toBe(400);
    expect(status("DELETE /containers/:", new URLSearchParams("force=1&force=1"))).toBe(200);
    expect(parameters("GET /images/get", new URLSearchParams("names=a&names=b")).names).toEqual(["a", "b"]);
  });
});
