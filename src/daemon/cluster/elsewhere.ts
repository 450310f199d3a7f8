/** Finds requests that concern other hosts of the cluster, and passes them on. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { z } from "zod";
import type { Cluster } from "../../host/index.ts";
import { locate } from "../api/routing.ts";
import { AllHosts, allHostsPath } from "./all-hosts.ts";
import { passOn, passOnUpgrade, type Target } from "./proxy.ts";

const ONE_HOST = /^\/bay\/v1\/hosts\/([^/?]+)\/api(\/.*)$/;
const NEW_SESSION = /^(?:\/v[\d.]+)?\/containers\/[^/?]+\/exec(\?|$)/;
/** An answer with the ID of a session is short. */
const MAX_SESSION = 4096;

export class Elsewhere {
  readonly #all: AllHosts;

  constructor(
    readonly cluster: Cluster,
    isLocal: (container: string) => boolean,
  ) {
    this.#all = new AllHosts(cluster, isLocal);
  }

  /**
   * The host that a request concerns. For one that this host serves after all, its URL becomes the one without the prefix.
   * Throws HOST_NOT_FOUND, NOT_A_MEMBER, and BAD_REQUEST if the URL is malformed.
   */
  #target(request: IncomingMessage): Target | undefined {
    const url = request.url ?? "";
    if (url.startsWith("/bay/v1/")) locate(url);
    const [, host, path] = ONE_HOST.exec(url) ?? [];
    if (host !== undefined && path !== undefined)
      return { member: this.cluster.membership.require(decodeURIComponent(host)), path };
    const below = allHostsPath(url);
    if (below === undefined) return undefined;
    const member = this.cluster.membership.self && this.#all.hostOf(below);
    if (member) return { member, path: below };
    request.url = below;
    return undefined;
  }

  /** Whether a request that takes its connection over concerns another host. Throws like `serve`. */
  concerns(request: IncomingMessage): boolean {
    return this.#target(request) !== undefined;
  }

  /** Serves the request if it concerns other hosts; returns false if this host serves it. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const isForAll = allHostsPath(request.url ?? "") !== undefined;
    const target = this.#target(request);
    if (target) {
      const isNewSession = request.method === "POST" && NEW_SESSION.test(target.path);
      const note = isNewSession ? (answer: IncomingMessage) => this.#noteSession(target, answer) : undefined;
      await passOn(this.cluster, target, request, response, note);
      return true;
    }
    if (!isForAll || !this.cluster.membership.self) return false;
    return this.#all.serve(request.url ?? "", request, response);
  }

  #noteSession({ member }: Target, answer: IncomingMessage): void {
    let text = "";
    answer.on("data", (part: Buffer) => {
      if (text.length < MAX_SESSION) text += part.toString("latin1");
    });
    answer.once("end", () => {
      const parsed = session.safeParse(parseOrNothing(text));
      if (parsed.success) this.#all.noteSession(member.name, parsed.data.Id);
    });
  }

  async serveUpgrade(request: IncomingMessage, client: { socket: Duplex; body: Buffer }): Promise<void> {
    await passOnUpgrade(this.cluster, this.#target(request)!, request, client);
  }
}

const session = z.object({ Id: z.string().max(128) });

function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
