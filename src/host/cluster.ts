/** The cluster as bayd sees it: its members, the connections to them, and what is known of their containers. */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import type { ClientRequest, IncomingMessage, RequestOptions, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { messageOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { VERSION } from "../core/version.ts";
import type { RemoteEndpoint, Underlay, UnderlayHost } from "../network/index.ts";
import { replaceFile, type Store } from "../store/index.ts";
import { connectToPeer, PeerAgent } from "./identity/peer-agent.ts";
import { type ListenerOptions, PeerListener } from "./identity/peer-listener.ts";
import { Membership } from "./membership/membership.ts";
import type { Member } from "./model/member.ts";
import {
  HEARTBEAT,
  type SharedContainer,
  type StreamMessage,
  sharedContainer,
  type TunnelFacts,
  tunnelFacts,
} from "./stream/messages.ts";
import { PeerConnection, STREAM_PATH } from "./stream/peer-connection.ts";
import { ContainerPublisher } from "./stream/publisher.ts";

/** Bytes that a slow peer may leave unread before its stream is closed; it then asks for the whole state. */
const MAX_UNSENT = LIMITS.cluster.unsent;
/** Milliseconds between two saves of the peers' state, which the next bayd reads. */
const NOTE_INTERVAL = 200;

export interface ClusterOptions extends Pick<ListenerOptions, "maxConnections" | "pending"> {
  root: string;
  run: string;
  store: Store;
  /** This host's containers. */
  containers: () => readonly SharedContainer[];
  /** What the tunnels of other hosts to this one need to know. */
  tunnel?: () => TunnelFacts;
  /** Something changed that overlay networks or names depend on. */
  changed: () => void;
  /** Serves a connection of a member. */
  serve: (socket: Socket, member: Member) => void;
  /** Serves a request to join. */
  join: (request: IncomingMessage, response: ServerResponse) => void;
  warn: (text: string) => void;
}

/** A container of another host. */
export interface RemoteContainer extends SharedContainer {
  host: string;
  /** Its host has not been heard for five seconds. */
  isSilent: boolean;
}

export class Cluster {
  readonly membership: Membership;
  readonly publisher: ContainerPublisher;
  readonly #agent = new PeerAgent();
  readonly #peers = new Map<string, PeerConnection>();
  readonly #listener: PeerListener;
  #changing: Promise<void> = Promise.resolve();
  #noting: NodeJS.Timeout | undefined;
  /** Peers that sent something since the last save. */
  readonly #unnoted = new Set<string>();
  #remote: readonly RemoteContainer[] | undefined;

  constructor(readonly options: ClusterOptions) {
    this.publisher = new ContainerPublisher(options.containers);
    this.membership = new Membership(options.root, options.store, () => void this.#membersChanged());
    this.#listener = new PeerListener({
      members: () => this.membership.members,
      serve: options.serve,
      join: options.join,
      warn: options.warn,
      maxConnections: options.maxConnections,
      pending: options.pending,
    });
  }

  /** Listens for the other hosts and connects to them, if this host is a member. */
  async start(): Promise<void> {
    await this.#membersChanged();
  }

  async close(): Promise<void> {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
    clearTimeout(this.#noting);
    this.#agent.close();
    await this.#listener.stop();
  }

  /** The other hosts, for overlay networks; undefined while this host is not a member. */
  get underlay(): Underlay | undefined {
    const { self } = this.membership;
    if (!self) return undefined;
    return {
      self: hostOf(self),
      peers: () => this.membership.others.map((member) => this.#peerOf(member)),
      endpoints: () => this.#endpoints(),
    };
  }

  #peerOf(member: Member): UnderlayHost {
    return { ...hostOf(member), ...this.#peers.get(member.id)?.tunnel };
  }

  #endpoints(): RemoteEndpoint[] {
    const slots = new Map(this.membership.others.map(({ name, slot }) => [name, slot]));
    return this.remoteContainers().flatMap(({ host, endpoints }) =>
      endpoints.map((endpoint) => ({ ...endpoint, slot: slots.get(host)! })),
    );
  }

  /** The containers of all other hosts, as last heard. */
  remoteContainers(): readonly RemoteContainer[] {
    this.#remote ??= [...this.#peers.values()].flatMap(({ member, receiver, isSilent }) =>
      receiver.containers.map((container) => ({ ...container, host: member.name, isSilent })),
    );
    return this.#remote;
  }

  /** The connection to a member; undefined for this host. */
  peer(id: string): PeerConnection | undefined {
    return this.#peers.get(id);
  }

  /** Opens a request to another member. Throws NOT_A_MEMBER. */
  request(member: Member, options: RequestOptions): ClientRequest {
    return this.#agent.request(this.membership.requireIdentity(), member, options);
  }

  /** Opens a connection to another member, for a client of its own. Throws NOT_A_MEMBER, HOST_UNREACHABLE. */
  connect(member: Member): Promise<Socket> {
    return connectToPeer(this.membership.requireIdentity(), member);
  }

  /** Sends the stream of this host to a peer, until the connection ends. */
  stream(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const write = (message: StreamMessage) => {
      if (response.writableLength > MAX_UNSENT) return void response.destroy();
      response.write(`${JSON.stringify(message)}\n`);
    };
    const tellMembers = () => {
      const { signed } = this.membership;
      if (signed) write({ kind: "members", signed });
    };
    let told = "";
    const tellHost = () => {
      const message: StreamMessage = { kind: "host", version: VERSION, tunnel: this.options.tunnel?.() };
      if (JSON.stringify(message) !== told) write(message);
      told = JSON.stringify(message);
    };
    tellHost();
    tellMembers();
    let revision = this.membership.signed;
    const unfollow = this.publisher.follow(write);
    const timer = setInterval(() => {
      if (revision !== this.membership.signed) tellMembers();
      revision = this.membership.signed;
      tellHost();
      write(this.publisher.heartbeat());
    }, HEARTBEAT);
    response.once("close", () => {
      clearInterval(timer);
      unfollow();
    });
  }

  /** One change at a time: the listener may be starting. */
  #membersChanged(): Promise<void> {
    this.#changing = this.#changing.then(() => this.#applyMembers());
    return this.#changing;
  }

  async #applyMembers(): Promise<void> {
    const { identity, self, others } = this.membership;
    try {
      if (identity && self) await this.#listener.start(identity, self.port);
      else await this.#listener.stop();
    } catch (error) {
      this.options.warn(messageOf(error));
    }
    this.#listener.enforce();
    this.#agent.keepOnly(others);
    this.#connect(self ? others : []);
    this.#changed();
  }

  #connect(members: readonly Member[]): void {
    for (const [id, peer] of this.#peers) {
      const member = members.find((each) => each.id === id);
      if (member && JSON.stringify(member) === JSON.stringify(peer.member)) continue;
      peer.close();
      this.#peers.delete(id);
      if (!member) rmSync(this.#noteFile(id), { force: true });
    }
    for (const member of members) {
      if (this.#peers.has(member.id)) continue;
      const peer = new PeerConnection(member, {
        request: () => this.request(member, { path: STREAM_PATH, headers: { host: member.name } }),
        changed: () => {
          this.#unnoted.add(member.id);
          this.#changed();
        },
        members: (signed) =>
          void this.membership
            .acceptList(signed)
            .then(
              (isRight) =>
                isRight || this.options.warn(`${member.name} sent a list of members that is not signed`),
            )
            .catch((error: unknown) => this.options.warn(messageOf(error))),
      });
      const { containers, tunnel } = this.#readNote(member.id);
      peer.receiver.restore(containers);
      peer.tunnel = tunnel;
      this.#peers.set(member.id, peer);
      peer.start();
    }
  }

  #changed(): void {
    this.#remote = undefined;
    this.options.changed();
    this.#noting ??= setTimeout(() => {
      this.#noting = undefined;
      this.#note();
    }, NOTE_INTERVAL);
  }

  #noteFile(id: string): string {
    return join(this.options.run, "peers", `${id}.json`);
  }

  /** Writes down what is known, so that the next bayd has it before its peers answer. */
  #note(): void {
    mkdirSync(join(this.options.run, "peers"), { recursive: true, mode: 0o700 });
    for (const id of this.#unnoted) {
      const peer = this.#peers.get(id);
      this.#unnoted.delete(id);
      if (!peer) continue;
      try {
        replaceFile(
          this.#noteFile(id),
          JSON.stringify({ containers: peer.receiver.containers, tunnel: peer.tunnel }),
          0o600,
        );
      } catch (error) {
        this.options.warn(`the state of the other hosts could not be saved: ${messageOf(error)}`);
      }
    }
  }

  #readNote(id: string): z.infer<typeof peerNote> {
    try {
      return peerNote.parse(JSON.parse(readFileSync(this.#noteFile(id), "utf8")));
    } catch {
      return { containers: [], tunnel: {} }; // there is none, or a reboot removed it
    }
  }
}

const peerNote = z.object({ containers: z.array(sharedContainer), tunnel: tunnelFacts });

const hostOf = ({ name, slot, address }: Member): UnderlayHost => ({ name, slot, address });
