/** The DNS server of real containers: floods, malformed packets, slow connections, and a bayd that is away. */

import { createSocket, type Socket } from "node:dgram";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decode, encode } from "dns-packet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inNamespace } from "../../src/linux/netns.ts";
import { isAlive, startTime } from "../../src/linux/process.ts";
import { bindSocket } from "../../src/linux/socket.ts";
import { Bay, eventually } from "../support/bay.ts";

const DNS = "127.0.0.11";

/** A client inside of a container's network namespace: the sockets stay there. */
class Client {
  readonly socket: Socket;
  readonly #waiting = new Map<number, (answer: Buffer) => void>();
  #id = 0;

  constructor(readonly namespace: string) {
    const { fd } = inNamespace(namespace, () => bindSocket("udp", "0.0.0.0"));
    this.socket = createSocket("udp4");
    this.socket.bind({ fd });
    this.socket.on("message", (answer) => {
      if (answer.length >= 2) this.#waiting.get(answer.readUInt16BE(0))?.(answer);
    });
  }

  send(message: Buffer): Promise<void> {
    return new Promise((resolve) => this.socket.send(message, 53, DNS, () => resolve()));
  }

  /** Asks once; undefined where no answer comes within the limit. */
  async ask(name: string, more: object = {}): Promise<ReturnType<typeof decode> | undefined> {
    const id = ++this.#id & 0xffff;
    const answer = new Promise<Buffer | undefined>((resolve) => {
      this.#waiting.set(id, resolve);
      setTimeout(resolve, 60_000, undefined).unref();
    });
    await this.send(encode({ type: "query", id, flags: 0x100, questions: [{ type: "A", name }], ...more }));
    const bytes = await answer;
    this.#waiting.delete(id);
    return bytes && decode(bytes);
  }

  close(): void {
    this.socket.close();
  }
}

describe("the DNS server of a container", () => {
  const bay = new Bay();
  const namespaceOf = (service: string) =>
    `/proc/${bay.ps().find(({ Service }) => Service === service)!.Pid}/ns/net`;
  let attacker: Client;
  let client: Client;
  beforeAll(() => {
    bay.busybox();
    bay
      .write(`
name: dns
images: { box: { rootfs: ../busybox } }
services:
  attacker: { image: box, command: sleep 1000, stop_grace_period: 0s }
  client: { image: box, command: sleep 1000, stop_grace_period: 0s }
  outer: { image: box, command: sleep 1000, stop_grace_period: 0s, dns: 127.0.0.153 }
  inner: { image: box, command: sleep 1000, stop_grace_period: 0s, dns: 127.0.0.153, networks: [inside] }
  many: { image: box, command: sleep 1000, stop_grace_period: 0s, scale: 40 }
networks: { inside: { internal: true } }
`)
      .ok("up", "-d");
    attacker = new Client(namespaceOf("attacker"));
    client = new Client(namespaceOf("client"));
  });
  afterAll(() => {
    attacker.close();
    client.close();
    bay.close();
  });
  const answers = async (count: number) => {
    for (let asked = 0; asked < count; asked++)
      expect(await client.ask("attacker"), `question ${asked}`).toMatchObject({ rcode: "NOERROR" });
  };
  /** What a bayd of old parsed for seconds. */
  const header = Buffer.from([0, 1, 1, 0, 0, 1, 255, 255, 255, 255, 255, 255]);
  const record = Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 255, 255]);
  const stalling = Buffer.concat([header, Buffer.from([1, 97, 0, 0, 1, 0, 1]), record]);

  it("answers one container while another sends malformed packets as fast as it can", async () => {
    const daemon = bay.daemonPid();
    let isOn = true;
    let sent = 0;
    const flood = (async () => {
      const packets = [stalling, Buffer.alloc(600, 0xc0), Buffer.alloc(1), header];
      while (isOn) {
        await attacker.send(packets[sent++ % packets.length]!);
        if (sent % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await answers(300);
    isOn = false;
    await flood;
    expect(sent).toBeGreaterThan(1000);
    expect(bay.daemonPid()).toBe(daemon);
    await eventually(
      async () => expect(await attacker.ask("client")).toMatchObject({ rcode: "NOERROR" }),
      120_000,
    );
  });

  it("answers one container while another floods, and bayd is killed and restarted in between", async () => {
    const file = join(bay.folder, "run", "bayd.pid");
    const before = bay.daemonPid();
    const start = startTime(before)!;
    let isOn = true;
    const flood = (async () => {
      while (isOn) {
        for (let count = 0; count < 64; count++) await attacker.send(stalling);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    try {
      await answers(20);
      process.kill(before, "SIGKILL");
      // asked before the next bayd is there: they wait in the sockets
      await answers(20);
      await eventually(() => {
        expect(isAlive(before, start)).toBe(false);
        expect(Number(readFileSync(file, "utf8"))).not.toBe(before);
      });
      await answers(100);
    } finally {
      isOn = false;
      await flood;
    }
  });

  it("answers while connections of another container are open and send nothing", async () => {
    const open = "for n in $(seq 40); do sleep 1000 | nc 127.0.0.11 53 & done; sleep 1000";
    const opener = bay.start(["exec", "-T", "attacker", "sh", "-c", open]);
    try {
      const connected = "grep -c ' 0B00007F:0035 01' /proc/net/tcp";
      await eventually(() => {
        expect(Number(bay.run(["exec", "-T", "attacker", "sh", "-c", connected]).out)).toBeGreaterThan(10);
      });
      await answers(50);
      expect(await attacker.ask("client")).toMatchObject({ rcode: "NOERROR" });
    } finally {
      opener.kill("SIGKILL");
    }
  });

  it("answers all questions of a connection that sends them at once", () => {
    const questions = [{ type: "A" as const, name: "attacker" }];
    const message = encode({ type: "query", id: 1, flags: 0x100, questions });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    writeFileSync(
      join(bay.folder, "questions"),
      Buffer.concat(Array(2000).fill(Buffer.concat([length, message]))),
    );
    bay.ok("cp", join(bay.folder, "questions"), "client:/tmp/questions");
    const { out } = bay.run([
      "exec",
      "-T",
      "client",
      "sh",
      "-c",
      "nc 127.0.0.11 53 < /tmp/questions | wc -c",
    ]);
    expect(Number(out)).toBe(2000 * (2 + message.length + 16));
  });

  it("truncates what does not fit into a datagram, unless EDNS allows more", async () => {
    expect(await client.ask("many")).toMatchObject({ flag_tc: true, answers: [] });
    const opt = { type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] };
    const whole = await client.ask("many", { additionals: [opt] });
    expect(whole).toMatchObject({ flag_tc: false });
    expect(whole!.answers).toHaveLength(40);
  });

  it("answers the questions that arrived while bayd did not run", async () => {
    const file = join(bay.folder, "run", "bayd.pid");
    const before = bay.daemonPid();
    const start = startTime(before)!;
    process.kill(before, "SIGSTOP");
    const asked = Array.from({ length: 20 }, () => client.ask("attacker"));
    await Promise.resolve();
    process.kill(before, "SIGKILL");
    await eventually(() => {
      expect(isAlive(before, start)).toBe(false);
      expect(Number(readFileSync(file, "utf8"))).not.toBe(before);
    });
    for (const answer of await Promise.all(asked)) expect(answer).toMatchObject({ rcode: "NOERROR" });
    await answers(5);
  });

  it("forwards no query from an internal network (CVE-2024-29018)", async () => {
    let asked = 0;
    const above = createSocket("udp4");
    above.on("message", (message, peer) => {
      asked += 1;
      above.send(
        encode({ type: "response", id: decode(message).id, questions: decode(message).questions }),
        peer.port,
        peer.address,
      );
    });
    await new Promise<void>((resolve) => above.bind(53, "127.0.0.153", resolve));
    const outer = new Client(namespaceOf("outer"));
    const inner = new Client(namespaceOf("inner"));
    try {
      expect(await inner.ask("secret.example.org")).toMatchObject({ rcode: "SERVFAIL" });
      expect(asked).toBe(0);
      expect(await outer.ask("example.org")).toMatchObject({ rcode: "NOERROR" });
      expect(asked).toBe(1);
    } finally {
      for (const each of [above, outer, inner]) each.close();
    }
  });
});
