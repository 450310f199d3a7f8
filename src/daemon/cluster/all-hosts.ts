/**
 * The Engine API over all hosts of the cluster, below /bay/v1/cluster/api: lists and events of all hosts together, and requests
 * about one container where that container is. So the command works on all containers of a stack from any member.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { findByNameOrId } from "../../container/index.ts";
import { messageOf } from "../../core/errors.ts";
import type { Cluster, Member, RemoteContainer } from "../../host/index.ts";
import { compile, labelMeaning, parseFilters } from "../api/engine/filters.ts";
import { CONTAINER_FILTERS } from "../api/engine/list-filters.ts";
import { goneSignal, sendJson } from "../api/http.ts";
import { askJson, readLines } from "./member-client.ts";

const PREFIX = "/bay/v1/cluster/api";
/** Milliseconds within which a host lists its containers. */
const LIST_TIMEOUT = 10_000;
/** Exec sessions whose host is remembered. */
const MAX_SESSIONS = 10_000;

/** The path below the prefix; undefined if the URL does not begin with it. */
export const allHostsPath = (url: string): string | undefined =>
  url.startsWith(`${PREFIX}/`) ? url.slice(PREFIX.length) : undefined;

export class AllHosts {
  /** The hosts of exec sessions, by ID. */
  readonly #sessions = new Map<string, string>();

  constructor(
    readonly cluster: Cluster,
    /** Whether this host has a container with this name or ID. */
    readonly isLocal: (container: string) => boolean,
  ) {}

  /** The member that a request about one container concerns; undefined for this host. */
  hostOf(path: string): Member | undefined {
    const [, kind, name] = /^(?:\/v[\d.]+)?\/(containers|exec)\/([^/?]+)/.exec(path) ?? [];
    if (name === undefined) return undefined;
    const id = decodeURIComponent(name);
    const host = kind === "exec" ? this.#sessions.get(id) : this.isLocal(id) ? undefined : this.#ownerOf(id);
    return host === undefined
      ? undefined
      : this.cluster.membership.others.find((member) => member.name === host);
  }

  #ownerOf(nameOrId: string): string | undefined {
    return findByNameOrId(this.cluster.remoteContainers(), ({ name }) => name, nameOrId)?.host;
  }

  /** Remembers where an exec session is, which later requests name without its container. */
  noteSession(host: string, id: string): void {
    this.#sessions.set(id, host);
    if (this.#sessions.size > MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value!);
  }

  /** Serves lists and events of all hosts. Returns false for other requests. */
  async serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (request.method !== "GET") return false;
    if (/^\/containers\/json(\?|$)/.test(path)) return this.#list(path, response);
    if (/^\/events(\?|$)/.test(path)) return this.#events(path, response);
    return false;
  }

  async #list(path: string, response: ServerResponse): Promise<true> {
    const lists = await Promise.all(
      this.cluster.membership.members.map(async (member) => {
        try {
          const rows = await askJson(this.cluster, member, "GET", path, { timeout: LIST_TIMEOUT });
          return (rows as Record<string, unknown>[]).map((row) => ({ ...row, Host: member.name }));
        } catch (error) {
          return this.#lastKnown(member, path, messageOf(error));
        }
      }),
    );
    sendJson(response, 200, lists.flat());
    return true;
  }

  /** What a host that does not answer had when it was last heard. */
  #lastKnown({ name }: Member, path: string, why: string): object[] {
    const filters = parseFilters(new URL(path, "http://bayd").searchParams.get("filters"), CONTAINER_FILTERS);
    // the other filters concern what only the host itself knows
    const ofLabels = new Map([...filters].filter(([key]) => key === "label" || key === "label!"));
    const test = compile(ofLabels, labelMeaning(labelsOf));
    return this.cluster
      .remoteContainers()
      .filter(({ host }) => host === name)
      .map((container) => unknownRow(container, why))
      .filter(test);
  }

  async #events(path: string, response: ServerResponse): Promise<true> {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const signal = goneSignal(response);
    const options = { signal };
    const write = (line: string) => void (response.writable && response.write(`${line}\n`));
    const follow = (member: Member) => readLines(this.cluster, member, "GET", path, options, write);
    // the events of a host that goes away end, those of the others continue
    const followed = this.cluster.membership.members.map((member) => follow(member).catch(() => {}));
    await Promise.all(followed);
    response.end();
    return true;
  }
}

const labelsOf = ({ Labels }: ReturnType<typeof unknownRow>): Record<string, string> => Labels;

function unknownRow({ id, name, host, stack, service, number }: RemoteContainer, why: string) {
  return {
    Id: id,
    Names: [`/${name}`],
    Image: "",
    ImageID: "",
    Command: "",
    Created: 0,
    State: "unknown",
    Status: `Unknown: ${why}`,
    Labels: {
      "com.docker.compose.project": stack ?? "",
      "com.docker.compose.service": service ?? "",
      "com.docker.compose.container-number": String(number ?? 0),
      "com.docker.compose.oneoff": "False",
    },
    HostConfig: { NetworkMode: "" },
    Ports: [],
    Host: host,
  };
}
