/** `POST /build` of the Docker Engine API without BuildKit sessions: the request is an archive, and the response is lines. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type BuildNews, type BuildRequest, isGitUrl, readCacheSource } from "../../../build/index.ts";
import { BayError } from "../../../core/errors.ts";
import { familiarReference, parseReference } from "../../../image/index.ts";
import { type Route, route } from "../http.ts";
import type { Services } from "../server.ts";
import { type Parameters, parameters } from "./parameters.ts";
import { withBodyFile } from "./transfers.ts";

export function engineBuildRoutes({ manager, builder, repositories }: Services): Route[] {
  return [
    route("POST", "/build", async (call) => {
      const given = parameters("POST /build", call.query);
      if (given.version === "2")
        throw new BayError(
          "UNSUPPORTED",
          "builds with BuildKit sessions are not supported; use DOCKER_BUILDKIT=0 docker build, or bay image build",
        );
      for (const reference of given.t) parseReference(reference);
      const { remote = "", q: isQuiet } = given;
      mkdirSync(repositories.directory, { recursive: true, mode: 0o700 });
      const archive = join(repositories.directory, `.body-${process.hrtime.bigint()}`);
      const request = requestOf(given, contextOf(remote, archive));
      await withBodyFile(call, { file: archive, hasBody: remote === "" }, async (write, signal) => {
        const image = await (await builder()).build(request, (news) => isQuiet || tell(write, news), signal);
        manager.events.publish("image", "build", image.id, { name: image.reference });
        // as in Docker: clients of quiet builds print the only line
        if (isQuiet) return write({ stream: `${image.id}\n` });
        write({ aux: { ID: image.id } });
        write({ stream: `Successfully built ${image.id.slice(7, 19)}\n` });
        for (const tag of request.tags) write({ stream: `Successfully tagged ${familiarReference(tag)}\n` });
      });
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

type Given = Parameters<"POST /build">;

function requestOf(given: Given, context: BuildRequest["context"]): BuildRequest {
  const { networkmode: network = "default", shmsize: shmSize = 0, ulimits } = given;
  return {
    context,
    dockerfile: { path: given.dockerfile ?? "" },
    ignore: undefined,
    target: given.target || undefined,
    args: withoutNulls(given.buildargs),
    contexts: {},
    labels: withoutNulls(given.labels),
    tags: given.t,
    platform: given.platform,
    cacheFrom: (given.cachefrom ?? []).map((text) => readCacheSource(text, "/")),
    cacheTo: [],
    noCache: given.nocache,
    noCacheFilter: [],
    pull: given.pull,
    network: network === "host" || network === "none" ? network : "bridge",
    extraHosts: given.extrahosts
      .flatMap((entries) => entries.split(","))
      .filter(Boolean)
      .map((entry) => entry.replace(/^([^:=]+)[:=]/, "$1=")),
    shmSize: shmSize > 0 ? shmSize : undefined,
    ulimits: Object.fromEntries(
      (ulimits ?? []).map(({ Name, Soft, Hard }) => [Name, { soft: Soft, hard: Hard }]),
    ),
    secrets: {},
    ssh: {},
    insecure: false,
    hostNetwork: network === "host",
  };
}

/** The client sends null for a variable that it does not have. */
const withoutNulls = (given: Given["buildargs"]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(given ?? {}).flatMap(([key, value]) => (value === null ? [] : [[key, value] as const])),
  );
