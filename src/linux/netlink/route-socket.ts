/** A synchronous rtnetlink socket. It belongs to the network namespace in which it was created. */
import { BayError } from "../../core/errors.ts";
import { close, errnoName, SyscallError, syscall } from "../libc.ts";
import { decodeMessages, encodeMessage, type Message } from "./message.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const ENODEV = 19;
export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
export const NLM_F_EXCL = 0x200;
export const NLM_F_REPLACE = 0x100;

/** Shared by all sockets: received data is copied before the next call. */
const buffer = Buffer.alloc(65536);

export class RouteSocket {
  readonly #fd = syscall("socket", [AF_NETLINK, SOCK_RAW_CLOEXEC, 0]);
  #sequence = 0;

  /** Sends a change and waits for its acknowledgement. Throws `SyscallError`, naming `about`. */
  change(type: number, flags: number, body: Buffer, about: string): void {
    const sequence = this.#send(type, NLM_F_REQUEST | NLM_F_ACK | flags, body);
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence || message.type !== NLMSG_ERROR) continue;
        const errno = -message.body.readInt32LE(0);
        if (errno !== 0) throw new SyscallError("rtnetlink", errno, about);
        return;
      }
    }
  }

  /** Requests one object; returns undefined if it does not exist (ENODEV). Throws `SyscallError`, naming `about`. */
  get(type: number, body: Buffer, about: string): Message | undefined {
    const sequence = this.#send(type, NLM_F_REQUEST, body);
    for (;;) {
      const message = this.#receive().find((candidate) => candidate.sequence === sequence);
      if (!message) continue;
      if (message.type !== NLMSG_ERROR) return { ...message, body: Buffer.from(message.body) };
      const errno = -message.body.readInt32LE(0);
      if (errno === ENODEV) return undefined;
      throw new SyscallError("rtnetlink", errno, about);
    }
  }

  /** Sends a dump request and returns the bodies of the replies. */
  dump(type: number, body: Buffer): Message[] {
    const sequence = this.#send(type, NLM_F_REQUEST | NLM_F_DUMP, body);
    const answers: Message[] = [];
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_DONE) return answers;
        if (message.type === NLMSG_ERROR) {
          throw new BayError("NETLINK", `rtnetlink dump: ${errnoName(-message.body.readInt32LE(0))}`);
        }
        answers.push({ ...message, body: Buffer.from(message.body) });
      }
    }
  }

  #send(type: number, flags: number, body: Buffer): number {
    const sequence = ++this.#sequence;
    const bytes = encodeMessage({ type, flags, sequence, body });
    syscall("sendto", [this.#fd, bytes, bytes.length, 0, null, 0]);
    return sequence;
  }

  #receive(): Message[] {
    const length = syscall("recvfrom", [this.#fd, buffer, buffer.length, 0, null, null]);
    return decodeMessages(buffer.subarray(0, length));
  }

  close(): void {
    close(this.#fd);
  }
}
