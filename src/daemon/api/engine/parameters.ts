/**
 * The query parameters of every route: those in Docker's API reference (version 1.47), and additional ones that Docker's
 * clients send. A route without an entry has none. Others are rejected, because the client would not notice an ignored
 * parameter.
 */

import { z } from "zod";
import { BayError } from "../../../core/errors.ts";
import { LIMITS } from "../../../core/limits.ts";
import { BUILD_CACHE_FILTERS } from "./build-cache-filters.ts";
import { AGE_AND_LABELS } from "./filters.ts";
import {
  CONTAINER_FILTERS,
  EVENT_FILTERS,
  IMAGE_FILTERS,
  NETWORK_FILTERS,
  VOLUME_FILTERS,
} from "./list-filters.ts";
import {
  beginning,
  containerNameText,
  filters,
  flag,
  integer,
  json,
  moment,
  never,
  oneOf,
  platform,
  readQuery,
  referenceText,
  signal,
  tag,
  text,
  texts,
} from "./query.ts";

const MOST_LINES = LIMITS.request.tailLines;
/** Seconds of grace before a container is killed. */
const LONGEST_GRACE = LIMITS.request.graceSeconds;
const MOST_RESULTS = LIMITS.request.searchResults;
const MOST_NAMES = LIMITS.request.values;
const DISK_TYPES = ["container", "image", "volume", "build-cache"] as const;

const grace = () => ({ t: integer(-1, LONGEST_GRACE), signal: signal() });
const size = () => ({ h: integer(0, 65_535), w: integer(0, 65_535) });
const attached = () => ({
  detachKeys: text(256),
  logs: flag(),
  stream: flag(),
  stdin: flag(),
  stdout: flag(),
  stderr: flag(),
  hijack: flag(), // dockerode sends its own options; bay always takes the connection over
});
/** The rule of a watch: its path of the host, and its target. */
const watchRule = () => ({ source: text(), target: text() });
const ageAndLabels = () => ({ filters: filters(AGE_AND_LABELS) });

const named = z.record(
  z.string().max(4096),
  z
    .string()
    .max(64 << 10)
    .nullable(),
);
const limit = z.number().int().min(-1).max(Number.MAX_SAFE_INTEGER);
const ulimits = z
  .array(z.object({ Name: z.string().max(64), Soft: limit, Hard: limit }))
  .max(64)
  .nullable();
const cacheSources = z.array(z.string().max(4096)).max(64).nullable();

/** Each schema is created at its first request, because creating schemas takes longer than answering. */
const TABLE = {
  "GET /containers/json": () => ({
    all: flag(),
    limit: integer(-1, 1_000_000),
    size: flag(),
    filters: filters(CONTAINER_FILTERS),
    trunc_cmd: flag(), // docker-py sends it; Docker ignores it
  }),
  "POST /containers/create": () => ({ name: containerNameText(), platform: platform() }),
  "GET /containers/:/json": () => ({ size: flag() }),
  "GET /containers/:/top": () => ({ ps_args: text() }),
  "GET /containers/:/logs": () => ({
    follow: flag(),
    stdout: flag(),
    stderr: flag(),
    since: moment("since"),
    until: moment("until"),
    timestamps: flag(),
    tail: z.union([z.literal("all"), integer(-MOST_LINES, MOST_LINES)], {
      error: "expected all, or a number of lines",
    }),
    details: never("false", "0"),
    // sent by bay's own command: Docker's clients expect a frame for each line, and an end when the container ends
    chunks: flag(),
    restarts: flag(),
  }),
  "GET /containers/:/stats": () => ({ stream: flag(true), "one-shot": flag() }),
  "POST /containers/:/resize": size,
  "POST /containers/:/start": () => ({
    detachKeys: text(256),
    checkpoint: never(),
    "checkpoint-dir": never(),
  }),
  "POST /containers/:/stop": grace,
  "POST /containers/:/restart": grace,
  "POST /containers/:/kill": () => ({ signal: signal() }),
  "POST /containers/:/rename": () => ({ name: containerNameText() }),
  "POST /containers/:/attach": attached,
  "GET /containers/:/attach/ws": attached,
  "POST /containers/:/wait": () => ({ condition: oneOf("not-running", "next-exit", "removed") }),
  "DELETE /containers/:": () => ({ v: flag(), force: flag(), link: never("0", "false") }),
  "HEAD /containers/:/archive": () => ({ path: text() }),
  "GET /containers/:/archive": () => ({ path: text() }),
  "PUT /containers/:/archive": () => ({
    path: text(),
    noOverwriteDirNonDir: flag(),
    copyUIDGID: flag(),
  }),
  "POST /containers/prune": ageAndLabels,
  "POST /exec/:/resize": size,
  "GET /images/json": () => ({
    all: flag(),
    filters: filters(IMAGE_FILTERS),
    filter: text(), // Docker's old form of a reference
    digests: flag(), // digests are always shown
    "shared-size": never("0", "false"),
    manifests: never("0", "false"),
    only_ids: flag(), // docker-py sends it, and does the work itself
  }),
  "POST /build": () => ({
    dockerfile: text(),
    t: texts(MOST_NAMES),
    extrahosts: texts(MOST_NAMES, 64 << 10),
    remote: text(),
    q: flag(),
    nocache: flag(),
    cachefrom: json("cachefrom", cacheSources),
    pull: flag(),
    rm: flag(true), // builds have no containers that could remain
    forcerm: flag(),
    memory: never("0"),
    memswap: never("0"),
    cpushares: never("0"),
    cpusetcpus: never(),
    cpusetmems: never(),
    cpuperiod: never("0"),
    cpuquota: never("0"),
    cgroupparent: never(),
    buildargs: json("buildargs", named),
    shmsize: integer(0, 2 ** 40),
    squash: never("0", "false"),
    labels: json("labels", named),
    networkmode: oneOf("default", "bridge", "host", "none"),
    platform: platform(),
    target: text(255),
    outputs: never(),
    ulimits: json("ulimits", ulimits),
    securityopt: never("null", "[]"),
    isolation: never("default"),
    version: oneOf("1", "2"),
    session: text(255),
    buildid: text(255),
  }),
  "POST /build/prune": () => ({
    all: flag(),
    filters: filters(BUILD_CACHE_FILTERS),
    "keep-storage": integer(0, Number.MAX_SAFE_INTEGER),
    "max-used-space": integer(0, Number.MAX_SAFE_INTEGER),
    "reserved-space": never("0"),
    "min-free-space": never("0"),
  }),
  "POST /images/create": () => ({
    fromImage: referenceText(),
    fromSrc: text(),
    repo: referenceText(),
    tag: tag(),
    message: text(64 << 10),
    changes: texts(MOST_NAMES, 64 << 10),
    platform: platform(),
    registry: never(),
  }),
  "POST /images/*/push": () => ({ tag: tag(), platform: never() }),
  "POST /images/*/tag": () => ({ repo: referenceText(), tag: tag(), force: flag() }), // a tag is always moved
  "DELETE /images/*": () => ({ force: flag(), noprune: flag() }), // bay has no parent images without a name
  "GET /images/search": () => ({
    term: text(),
    limit: integer(1, MOST_RESULTS),
    filters: filters([]),
  }),
  "POST /images/prune": () => ({ filters: filters(["dangling", ...AGE_AND_LABELS]) }),
  "GET /images/get": () => ({ names: texts(MOST_NAMES), platform: never() }),
  "GET /images/*/get": () => ({ platform: never() }),
  "GET /images/*/json": () => ({ manifests: never("0", "false"), platform: never() }),
  "GET /images/*/history": () => ({ platform: never() }),
  "POST /images/load": () => ({ quiet: flag(), platform: never() }), // the response contains only the names
  "POST /commit": () => ({
    container: text(255),
    repo: referenceText(),
    tag: tag(),
    author: text(),
    comment: text(64 << 10),
    pause: flag(true),
    changes: texts(MOST_NAMES, 64 << 10),
  }),
  "GET /system/df": () => ({
    type: z
      .array(z.enum(["", ...DISK_TYPES], { error: `expected ${DISK_TYPES.join(", ")}` }))
      .max(4)
      .transform((types) => types.filter((type) => type !== "")),
  }),
  "GET /events": () => ({
    since: beginning("since"),
    until: moment("until"),
    filters: filters(EVENT_FILTERS),
  }),
  "POST /plugins/*/enable": () => ({ timeout: integer(0, MOST_RESULTS) }),
  "POST /plugins/*/disable": () => ({ force: flag() }),
  "POST /plugins/*/upgrade": () => ({ remote: text() }),
  "DELETE /plugins/*": () => ({ force: flag() }),
  "GET /networks": () => ({ filters: filters(NETWORK_FILTERS) }),
  "GET /networks/:": () => ({ verbose: flag(), scope: oneOf("local") }), // bay has no services of a swarm
  "POST /networks/prune": ageAndLabels,
  "GET /volumes": () => ({ filters: filters(VOLUME_FILTERS) }),
  "DELETE /volumes/:": () => ({ force: flag() }),
  "POST /volumes/prune": () => ({ filters: filters(["label", "label!", "all"]) }),
  "GET /bay/v1/daemon": () => ({ eventloop: oneOf("0", "1") }),
  "GET /bay/v1/watch/containers/:/synced": () => watchRule(),
  "POST /bay/v1/watch/containers/:/sync": () => watchRule(),
  "POST /bay/v1/daemon/stop": () => ({ containers: flag() }),
  "GET /bay/v1/volumes/:/backup": () => ({ pause: flag() }),
  "PUT /bay/v1/volumes/:/restore": () => ({ force: flag(), devices: flag() }),
  "GET /bay/v1/image/:/archive": () => ({ name: texts(MOST_NAMES) }),
} as const satisfies Record<string, () => z.ZodRawShape>;

export type RouteWithQuery = keyof typeof TABLE;
export type Parameters<R extends RouteWithQuery> = z.output<z.ZodObject<ReturnType<(typeof TABLE)[R]>>>;

/** Routes that have parameters. */
export const ROUTES_WITH_QUERY = Object.keys(TABLE) as RouteWithQuery[];

const made = new Map<string, z.ZodRawShape>();

function shapeOf(route: string): z.ZodRawShape {
  const known = made.get(route);
  if (known) return known;
  const shape = Object.hasOwn(TABLE, route) ? TABLE[route as RouteWithQuery]() : {};
  made.set(route, shape);
  return shape;
}

/** The schemas of a route's parameters by their names. */
export const parameterSchemas = (route: string): Record<string, z.ZodType> =>
  shapeOf(route) as Record<string, z.ZodType>;

/** Names of the parameters that a route has. */
export const parametersOf = (route: string): string[] => Object.keys(shapeOf(route));

/** Routes with a JSON body. docker-modem, the library of Node's clients, repeats the fields of the body as parameters. */
const ROUTES_WITH_BODY = new Set([
  "POST /containers/create",
  "POST /networks/create",
  "POST /volumes/create",
  "POST /containers/:/exec",
  "POST /containers/:/update",
  "POST /networks/:/connect",
  "POST /networks/:/disconnect",
  "POST /commit",
]);
/** Names of parameters begin with a small letter, and those of a body's fields with a capital one. */
const BODY_FIELD = /^[A-Z][A-Za-z0-9]*$/;

const read = new WeakMap<URLSearchParams, unknown>();

/** Checks the whole query of a request before its handler runs. Throws BAD_REQUEST and what the values' parsers throw. */
export function checkQuery(route: string, query: URLSearchParams): void {
  const shape = shapeOf(route);
  for (const key of new Set(query.keys())) {
    if (BODY_FIELD.test(key) && ROUTES_WITH_BODY.has(route)) {
      query.delete(key);
      continue;
    }
    if (!Object.hasOwn(shape, key))
      throw new BayError(
        "BAD_REQUEST",
        `unknown parameter ${JSON.stringify(key.slice(0, 100))} of ${route}`,
        {
          hint:
            Object.keys(shape).length > 0
              ? `expected one of ${Object.keys(shape).join(", ")}`
              : "the route has no parameters",
        },
      );
  }
  read.set(query, readQuery(query, shape));
}

/** The parameters of a request. Throws like `checkQuery` if that has not run. */
export function parameters<R extends RouteWithQuery>(route: R, query: URLSearchParams): Parameters<R> {
  if (!read.has(query)) checkQuery(route, query);
  return read.get(query) as Parameters<R>;
}
