/** Frames as they are on a link, sent and received by a test. */
import { close, syscall, trySyscall } from "../../src/linux/libc.ts";
import { inNamespace } from "../../src/linux/netns.ts";

const [AF_PACKET, SOCK_RAW_NONBLOCK, ETH_P_ALL] = [17, 3 | 0o4000, 0x0300];

/** A packet socket (packet(7)) on the links of a network namespace. */
export class Wire {
  readonly fd: number;
  constructor(namespace: string) {
    this.fd = inNamespace(namespace, () => syscall("socket", [AF_PACKET, SOCK_RAW_NONBLOCK, ETH_P_ALL]));
  }

  send(frame: Buffer, index: number): void {
    const to = Buffer.alloc(20); // struct sockaddr_ll
    to.writeUInt16LE(AF_PACKET, 0);
    to.writeInt32LE(index, 4);
    to.writeUInt8(6, 11);
    frame.copy(to, 12, 0, 6);
    syscall("sendto", [this.fd, frame, frame.length, 0, to, to.length]);
  }

  /** Frames that have come since the last call. */
  received(): Buffer[] {
    const frames: Buffer[] = [];
    for (;;) {
      const bytes = Buffer.alloc(2048);
      const count = trySyscall("recvfrom", this.fd, bytes, bytes.length, 0, null, null);
      if (count <= 0) return frames;
      frames.push(bytes.subarray(0, count));
    }
  }

  close(): void {
    close(this.fd);
  }
}
