/** The connection to one peer: dialled again whenever it ends, is silent, or misses a message. */
import type { ClientRequest, IncomingMessage } from "node:http";
import { isDeepStrictEqual } from "node:util";
import type { Member, SignedList } from "../model/member.ts";
import { MAX_LINE, parseMessage, SILENCE, type StreamMessage, type TunnelFacts } from "./messages.ts";
import { ContainerReceiver } from "./receiver.ts";

const PAUSES = [50, 100, 200, 400, 700];
/** The path of the stream on the peer. */
export const STREAM_PATH = "/bay/v1/host/stream";

export interface PeerEvents {
  /** Opens a request to the peer. */
  request: () => ClientRequest;
  changed: () => void;
  members: (signed: SignedList) => void;
}

export class PeerConnection {
  readonly receiver = new ContainerReceiver();
  /** When the peer last sent anything, in milliseconds since the epoch; undefined for never. */
  heardAt: number | undefined;
  version: string | undefined;
  tunnel: TunnelFacts = {};
  /** Why the last connection ended. */
  problem: string | undefined;
  #call: ClientRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #isOpen = true;
  #wasSilent = true;
  #silence: NodeJS.Timeout | undefined;

  constructor(
    readonly member: Member,
    readonly events: PeerEvents,
  ) {}

  /** True if the peer has not been heard for five seconds. */
  get isSilent(): boolean {
    return this.heardAt === undefined || Date.now() - this.heardAt > SILENCE;
  }

  start(): void {
    this.#dial();
  }

  close(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#call?.destroy();
  }

  #dial(): void {
    if (!this.#isOpen) return;
    this.receiver.begin();
    let call: ClientRequest;
    try {
      call = this.events.request();
    } catch (error) {
      return this.#ended(error);
    }
    this.#call = call;
    let why: unknown = new Error("the connection ended");
    call.on("error", (error) => {
      why = error;
    });
    // the only event that comes in every case: without a connection, without an answer, and after a part of it
    call.once("close", () => this.#ended(why));
    call.once("response", (response) => {
      response.once("error", (error) => {
        why = error;
      });
      this.#read(response, call);
    });
    this.#watch(call);
    call.end();
  }

  #read(response: IncomingMessage, call: ClientRequest): void {
    let rest = "";
    const fail = (error: Error) => {
      response.destroy(error);
      call.destroy();
    };
    if (response.statusCode !== 200) return fail(new Error(`it answered ${response.statusCode}`));
    response.setEncoding("utf8");
    response.on("data", (part: string) => {
      this.#watch(call);
      const lines = (rest + part).split("\n");
      rest = lines.pop()!;
      if (rest.length > MAX_LINE) return void fail(new Error("a line of its stream is too long"));
      for (const line of lines) {
        const message = parseMessage(line);
        if (!message) return void fail(new Error("its stream is malformed"));
        if (this.#take(message) === "gap") return void fail(new Error("its stream has a gap"));
      }
    });
  }

  #take(message: StreamMessage): "gap" | undefined {
    this.heardAt = Date.now();
    this.#failures = 0;
    this.problem = undefined;
    if (message.kind === "members") this.events.members(message.signed);
    const result = this.receiver.take(message);
    if (result === "gap") return "gap";
    if (message.kind === "host") {
      this.version = message.version;
      const told = message.tunnel ?? {};
      if (!isDeepStrictEqual(told, this.tunnel)) {
        this.tunnel = told;
        this.events.changed();
      }
    }
    const isBack = this.#wasSilent;
    this.#wasSilent = false;
    if (result === "changed" || isBack) this.events.changed();
    return undefined;
  }

  /** A connection through a network that drops everything never ends by itself. */
  #watch(call: ClientRequest): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#wasSilent = true;
      this.events.changed();
      call.destroy(new Error("no message arrived for 5 s"));
    }, SILENCE);
  }

  #ended(error: unknown): void {
    if (this.#call) this.problem = error instanceof Error ? error.message : String(error);
    this.#call = undefined;
    if (!this.#isOpen) return;
    clearTimeout(this.#silence);
    clearTimeout(this.#timer);
    const pause = PAUSES[Math.min(this.#failures, PAUSES.length - 1)]!;
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#dial(), pause);
  }
}
