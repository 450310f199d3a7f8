/** `POST /build` of the Docker Engine API, in the form that is without BuildKit's sessions: an archive in, lines out. */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type BuildNews, type BuildRequest, isGitUrl, readCacheSource } from "../../build/index.ts";
import { BayError } from "../../errors.ts";
import { familiarReference } from "../../image/index.ts";
import { type Route, route } from "../http.ts";
import { issueText, parseJson } from "../request-body.ts";
import type { Services } from "../server.ts";
import { integer, readQuery } from "./query.ts";
import { receive, streamed } from "./transfers.ts";

const texts = z.record(
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

export function engineBuildRoutes({ manager, builder, repositories }: Services): Route[] {
  return [
    route("POST", "/build", async (call) => {
      const { query } = call;
      if (query.get("version") === "2")
        throw new BayError("UNSUPPORTED", "builds by BuildKit's sessions are not supported", {
          hint: "DOCKER_BUILDKIT=0 docker build, or bay image build",
        });
      const remote = query.get("remote") ?? "";
      mkdirSync(repositories.directory, { recursive: true, mode: 0o700 });
      const archive = join(repositories.directory, `.body-${process.hrtime.bigint()}`);
      try {
        if (remote === "") await receive(call, archive);
        const request = requestOf(query, contextOf(remote, archive));
        await streamed(call, async (write, signal) => {
          const image = await (await builder()).build(request, (news) => tell(write, news), signal);
          manager.events.publish("image", "build", image.id, { name: image.reference });
          write({ aux: { ID: image.id } });
          write({ stream: `Successfully built ${image.id.slice(7, 19)}\n` });
          for (const tag of request.tags)
            write({ stream: `Successfully tagged ${familiarReference(tag)}\n` });
        });
      } finally {
        if (existsSync(archive)) rmSync(archive, { force: true });
      }
    }),
  ];
}

function contextOf(remote: string, archive: string): BuildRequest["context"] {
  if (remote === "" || remote === "client-session") return { kind: "archive", path: archive };
  return isGitUrl(remote) ? { kind: "git", url: remote } : { kind: "web", url: remote };
}

function tell(write: (line: unknown) => void, { kind, title, text = "" }: BuildNews): void {
  if (kind === "started") write({ stream: `${title}\n` });
  else if (kind === "cached") write({ stream: `${title}\n ---> Using cache\n` });
  else if (kind === "output") write({ stream: text });
  else if (kind === "note") write({ stream: `${text}\n` });
}

/** Throws BAD_REQUEST. */
function requestOf(query: URLSearchParams, context: BuildRequest["context"]): BuildRequest {
  const given = (name: string) => query.get(name) || undefined;
  const isYes = (name: string) => ["1", "true"].includes(query.get(name) ?? "");
  const map = (name: string) =>
    Object.fromEntries(
      Object.entries(json(query, name, texts) ?? {}).flatMap(([key, value]) =>
        value === null ? [] : [[key, value] as const],
      ),
    );
  const network = given("networkmode") ?? "default";
  if (!["default", "bridge", "host", "none"].includes(network))
    throw new BayError(
      "BAD_REQUEST",
      `invalid networkmode ${JSON.stringify(network)}: expected default, host or none`,
    );
  const { shmsize: shmSize = 0 } = readQuery(query, { shmsize: integer(0, 2 ** 40) });
  return {
    context,
    dockerfile: { path: given("dockerfile") ?? "" },
    ignore: undefined,
    target: given("target"),
    args: map("buildargs"),
    contexts: {},
    labels: map("labels"),
    tags: query.getAll("t").filter((tag) => tag !== ""),
    platform: given("platform"),
    cacheFrom: (json(query, "cachefrom", z.array(z.string()).nullable()) ?? []).map((text) =>
      readCacheSource(text, "/"),
    ),
    cacheTo: [],
    noCache: isYes("nocache"),
    noCacheFilter: [],
    pull: isYes("pull"),
    network: network === "host" || network === "none" ? network : "bridge",
    extraHosts: (given("extrahosts") ?? "")
      .split(",")
      .filter(Boolean)
      .map((entry) => entry.replace(/^([^:=]+)[:=]/, "$1=")),
    shmSize: shmSize > 0 ? shmSize : undefined,
    ulimits: Object.fromEntries(
      (json(query, "ulimits", ulimits) ?? []).map(({ Name, Soft, Hard }) => [
        Name,
        { soft: Soft, hard: Hard },
      ]),
    ),
    secrets: {},
    ssh: {},
    insecure: false,
    hostNetwork: network === "host",
  };
}

function json<T>(query: URLSearchParams, name: string, schema: z.ZodType<T>): T | undefined {
  const text = query.get(name);
  if (!text) return undefined;
  const parsed = schema.safeParse(parseJson(Buffer.from(text), name));
  if (parsed.success) return parsed.data;
  throw new BayError("BAD_REQUEST", issueText(parsed.error.issues, name));
}
