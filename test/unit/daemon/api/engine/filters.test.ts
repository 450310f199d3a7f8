/** Filters of the Engine API: their answers equal a plain model's, and what has no meaning is refused. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compile, momentOf, parseFilters, untilOf } from "../../../../../src/daemon/api/engine/filters.ts";
import {
  CONTAINER_FILTERS,
  type ContainerView,
  containerFilter,
  EVENT_FILTERS,
  eventFilter,
  IMAGE_FILTERS,
  type ImageView,
  imageFilter,
  NETWORK_FILTERS,
  networkFilter,
  VOLUME_FILTERS,
  volumeFilter,
} from "../../../../../src/daemon/api/engine/list-filters.ts";
import { runs } from "../../../../support/property-runs.ts";

const word = fc.constantFrom("a", "b", "web", "db", "x1", "constructor", "toString");
const labels = fc.dictionary(word, word, { maxKeys: 3 });
const protocol = fc.constantFrom("tcp", "udp");
const port = fc.record({ port: fc.integer({ min: 79, max: 83 }), protocol });
const day = fc.integer({ min: 1, max: 9 }).map((number) => `2024-01-0${number}T00:00:00.000Z`);

const container: fc.Arbitrary<ContainerView> = fc.record({
  id: fc.constantFrom("aa11", "ab22", "bb33", "cc44"),
  name: fc.constantFrom("web-1", "web-2", "db-1", "a"),
  labels,
  status: fc.constantFrom("created", "running", "paused", "exited"),
  health: fc.constantFrom("none", "starting", "healthy", "unhealthy"),
  exitCode: fc.integer({ min: 0, max: 2 }),
  createdAt: day,
  image: fc.constant("box"),
  imageId: fc.constantFrom("sha256:1", "sha256:2"),
  networks: fc.array(fc.record({ name: word, id: fc.constantFrom("n1aa", "n2bb") }), { maxLength: 2 }),
  mounts: fc.array(fc.constantFrom("data", "/data", "logs"), { maxLength: 2 }),
  published: fc.array(port, { maxLength: 2 }),
  exposed: fc.array(port, { maxLength: 2 }),
});

const labelValue = fc.oneof(
  word,
  fc.tuple(word, word).map((pair) => pair.join("=")),
);
const portValue = fc.oneof(
  fc.integer({ min: 79, max: 83 }).map(String),
  fc.tuple(fc.integer({ min: 79, max: 83 }), protocol).map((pair) => pair.join("/")),
  fc.constantFrom("79-81/tcp", "80-83", "82-83/udp"),
);
const some = <T>(values: fc.Arbitrary<T>) => fc.array(values, { maxLength: 3 });
const containerFilters = fc.record(
  {
    label: some(labelValue),
    "label!": some(labelValue),
    id: some(fc.constantFrom("aa11", "^a", "b", "zz")),
    name: some(fc.constantFrom("web", "^web-1$", "^/web-1$", "d?b-[0-9]", "zzz")),
    status: some(fc.constantFrom("created", "running", "paused", "exited", "dead")),
    health: some(fc.constantFrom("none", "starting", "healthy", "unhealthy")),
    exited: some(fc.constantFrom("0", "1", "2", "137")),
    network: some(fc.oneof(word, fc.constantFrom("n1", "n2bb"))),
    volume: some(fc.constantFrom("data", "/data", "dat")),
    publish: some(portValue),
    expose: some(portValue),
    ancestor: some(fc.constantFrom("one", "two", "unknown")),
    before: some(fc.constantFrom("2024-01-03", "2024-01-06")),
    since: some(fc.constantFrom("2024-01-03", "2024-01-06")),
    "is-task": some(fc.constantFrom("true", "false")),
  },
  { requiredKeys: [] },
);

/** What each value means, written down once more and as plainly as can be. */
const model: Record<string, (container: ContainerView, value: string) => boolean> = {
  label: ({ labels: own }, value) => hasLabel(own, value),
  "label!": ({ labels: own }, value) => !hasLabel(own, value),
  id: ({ id }, value) => new RegExp(value).test(id),
  name: ({ name }, value) => new RegExp(value).test(name) || new RegExp(value).test(`/${name}`),
  status: ({ status }, value) => status === value,
  health: ({ health }, value) => health === value,
  exited: ({ status, exitCode }, value) => status === "exited" && String(exitCode) === value,
  network: ({ networks }, value) => networks.some(({ name, id }) => name === value || id.startsWith(value)),
  volume: ({ mounts }, value) => mounts.some((mount) => mount === value),
  publish: ({ published }, value) => hasPort(published, value),
  expose: ({ exposed }, value) => hasPort(exposed, value),
  ancestor: ({ imageId }, value) => (IDS[value] ?? []).includes(imageId),
  before: ({ createdAt }, value) => createdAt.slice(0, 10) < value,
  since: ({ createdAt }, value) => createdAt.slice(0, 10) > value,
  "is-task": (_container, value) => value === "false",
};
const IDS: Record<string, string[]> = { one: ["sha256:1", "sha256:2"], two: ["sha256:2"] };

function hasLabel(own: Readonly<Record<string, string>>, value: string): boolean {
  return Object.entries(own).some(([key, text]) => value === key || value === `${key}=${text}`);
}

function hasPort(ports: ContainerView["published"], value: string): boolean {
  const [range = "", wanted = "tcp"] = value.split("/");
  const [low = 0, high = low] = range.split("-").map(Number);
  return ports.some((one) => one.port >= low && one.port <= high && one.protocol === wanted);
}

const lookup = {
  createdAt: (name: string) => `${name}T00:00:00Z`,
  descendants: (image: string) => new Set(IDS[image] ?? []),
};

describe("filters of containers", () => {
  it("agree with a plain model: keys AND, values OR, labels AND", () => {
    fc.assert(
      fc.property(some(container), containerFilters, (containers, given) => {
        const filters = parseFilters(JSON.stringify(given), CONTAINER_FILTERS);
        const answer = containers.filter(containerFilter(filters, lookup));
        const expected = containers.filter((one) =>
          Object.entries(given).every(([key, values]) => {
            if (!values || values.length === 0) return true;
            const holds = (value: string) => model[key]!(one, value);
            return key.startsWith("label") ? values.every(holds) : values.some(holds);
          }),
        );
        expect(answer).toEqual(expected);
      }),
      runs(2000),
    );
  });

  it("read the older form, a map of maps, as the same", () => {
    const list = parseFilters('{"label":["a=b","c"]}', CONTAINER_FILTERS);
    expect(parseFilters('{"label":{"a=b":true,"c":true}}', CONTAINER_FILTERS)).toEqual(list);
  });
});

describe("undefined filters", () => {
  const routes = { CONTAINER_FILTERS, IMAGE_FILTERS, NETWORK_FILTERS, VOLUME_FILTERS, EVENT_FILTERS };
  it.each(Object.entries(routes))("are refused by the keys of %s", (_name, known) => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "nosuch")), (key) => {
        fc.pre(!known.includes(key) && key !== "");
        const text = `{${JSON.stringify(key)}:["1"]}`;
        expect(() => parseFilters(text, known)).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
      }),
    );
  });

  it.each([
    ['{"status":["nosuch"]}'],
    ['{"health":["nosuch"]}'],
    ['{"exited":["x"]}'],
    ['{"publish":["70000"]}'],
    ['{"publish":["90-80"]}'],
    ['{"is-task":["maybe"]}'],
    ['{"name":["("]}'],
    ['{"name":["(a)\\\\1"]}'],
    ['{"name":["(?=a)"]}'],
    ['{"label":"a"}'],
    ['{"label":[1]}'],
    ["[]"],
    ["{"],
    ["null1"],
  ])("are refused also where there is no container: %s", (text) => {
    const read = () => containerFilter(parseFilters(text, CONTAINER_FILTERS), lookup);
    expect(read).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }));
  });

  it("are rejected by a compiled set that does not define them", () => {
    expect(() => compile(new Map([["toString", ["x"]]]), {})).toThrow("invalid filter");
  });
});

describe("filters of images", () => {
  const image = (names: string[], own: Record<string, string> = {}, createdAt = "2024-01-05"): ImageView => ({
    id: "sha256:1",
    labels: () => own,
    createdAt,
    names,
  });
  const matches = (filters: object, one: ImageView) =>
    imageFilter(parseFilters(JSON.stringify(filters), IMAGE_FILTERS), () => "2024-01-03")(one);

  it.each([
    ["nginx", ["nginx:1.27"], true],
    ["nginx:1.27", ["nginx:1.27"], true],
    ["nginx:1.2", ["nginx:1.27"], false],
    ["ngin", ["nginx:1.27"], false],
    ["ngi*:1.*", ["nginx:1.27"], true],
    ["*", ["team/app:1"], false],
    ["*/*", ["team/app:1"], true],
    ["team/app", ["team/app:1"], true],
    ["host:5000/app", ["host:5000/app:1"], true],
    ["a[pq]p", ["app:1"], true],
    ["zzz", ["nginx:1.27", "other:1"], false],
    ["*", [], false],
    ["docker.io/library/nginx", ["nginx:1"], true],
  ])("reference %s of %j: %s", (pattern, names, expected) => {
    expect(matches({ reference: [pattern] }, image(names))).toBe(expected);
  });

  it("dangling selects images without any name", () => {
    expect(matches({ dangling: ["true"] }, image(["a:1"]))).toBe(false);
    expect(matches({ dangling: ["true"] }, image([]))).toBe(true);
    expect(matches({ dangling: ["false"] }, image([]))).toBe(false);
  });

  it("combine with AND", () => {
    const one = image(["a:1"], { x: "1", y: "2" });
    expect(matches({ label: ["x=1", "y"], reference: ["a"] }, one)).toBe(true);
    expect(matches({ label: ["x=1", "z"], reference: ["a"] }, one)).toBe(false);
    expect(matches({ label: ["x=1"], reference: ["b"] }, one)).toBe(false);
    expect(matches({ since: ["other"] }, one)).toBe(true);
    expect(matches({ before: ["other"] }, one)).toBe(false);
    expect(matches({ until: ["2024-01-04"] }, one)).toBe(false);
  });
});

describe("filters of networks, volumes and events", () => {
  const network = { id: "abcd", name: "one_default", driver: "bridge", labels: { p: "one" }, isUsed: true };
  const networks = (filters: object) =>
    networkFilter(parseFilters(JSON.stringify(filters), NETWORK_FILTERS))(network);
  const volumes = (filters: object) =>
    volumeFilter(parseFilters(JSON.stringify(filters), VOLUME_FILTERS))({ ...network, driver: "local" });
  const events = (filters: object) =>
    eventFilter(parseFilters(JSON.stringify(filters), EVENT_FILTERS))({
      type: "container",
      action: "health_status: healthy",
      id: "abcd",
      attributes: { name: "web", image: "box:1", p: "one" },
    });

  it.each([
    [{ name: ["zzz"] }, false],
    [{ name: ["one"] }, true],
    [{ label: ["p=nobody"] }, false],
    [{ label: ["p=one", "q"] }, false],
    [{ driver: ["bridge"], scope: ["local"], type: ["custom"], id: ["ab"] }, true],
    [{ type: ["builtin"] }, false],
    [{ dangling: ["true"] }, false],
  ])("networks %j: %s", (filters, expected) => expect(networks(filters)).toBe(expected));

  it.each([
    [{ name: ["zzz"] }, false],
    [{ label: ["p=nobody"] }, false],
    [{ dangling: ["false"], driver: ["local"], name: ["default$"] }, true],
    [{ driver: ["nfs"] }, false],
  ])("volumes %j: %s", (filters, expected) => expect(volumes(filters)).toBe(expected));

  it.each([
    [{ network: ["web"] }, false],
    [{ container: ["web"] }, true],
    [{ container: ["ab"] }, true],
    [{ container: [""] }, false],
    [{ type: ["container"], event: ["health_status"], image: ["box"], label: ["p=one"] }, true],
    [{ label: ["p=one", "p=two"] }, false],
    [{ event: ["die", "health_status: healthy"] }, true],
  ])("events %j: %s", (filters, expected) => expect(events(filters)).toBe(expected));
});

describe("times", () => {
  it.each(
    [["tomorrow"], ["1"], ["5 minutes"], ["2024-13-45"], ["foo 1"], [""]].slice(1),
  )("%s is read as Docker reads it, or refused", (text) => {
    if (text === "1") expect(momentOf("until", text)).toBe(1000);
    else expect(() => momentOf("until", text)).toThrow("invalid time");
  });

  it("refuses several", () => {
    expect(() => untilOf(new Map([["until", ["1h", "2h"]]]))).toThrow("more than once");
  });
});
