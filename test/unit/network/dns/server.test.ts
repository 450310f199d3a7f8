/** The DNS server of a container on real sockets, without a network namespace. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { type DecodedPacket, decode, encode, type Packet } from "dns-packet";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bindSocket } from "../../../../src/linux/index.ts";
import { ContainerDns } from "../../../../src/network/dns/server.ts";
import { framed } from "../../../../src/network/dns/upstream.ts";

let dns: ContainerDns;
let ports: { udp: number; tcp: number };
const names: Record<string, string[]> = {
  web: ["10.9.0.2", "10.9.0.3"],
  gone: [],
  many: Array.from({ length: 100 }, (_, at) => `10.9.1.${at}`),
};

beforeEach(() => {
  const [udp, tcp] = [bindSocket("udp", "127.0.0.1"), bindSocket("tcp", "127.0.0.1")];
  ports = { udp: udp.port, tcp: tcp.port };
  dns = new ContainerDns(
    { udp: udp.fd, tcp: tcp.fd },
    { addresses: (name) => names[name], nameOf: (address) => (address === "10.9.0.2" ? "web" : undefined) },
    () => [],
  );
});
afterEach(() => {
  dns.close();
  dns.close(); // a second time changes nothing
});

const question = (name: string, type: "A" | "AAAA" | "PTR" = "A") =>
  encode({ type: "query", id: 7, flags: 0x100, questions: [{ type, name }] } as Packet);
const overUdp = async (message: Buffer): Promise<DecodedPacket> => {
  const client = createSocket("udp4");
  const answer = once(client, "message");
  client.send(message, ports.udp, "127.0.0.1");
  const [bytes] = (await answer) as [Buffer];
  client.close();
  return decode(bytes);
};
const overTcp = async (message: Buffer): Promise<DecodedPacket> => {
  const client = connect(ports.tcp, "127.0.0.1");
  client.end(framed(message));
  const parts: Buffer[] = [];
  for await (const part of client) parts.push(part as Buffer);
  return decode(Buffer.concat(parts).subarray(2));
};
const addresses = ({ answers = [] }: DecodedPacket) =>
  answers.map((answer) => ("data" in answer ? String(answer.data) : ""));
const rcode = (packet: DecodedPacket) => (packet as unknown as { rcode: string }).rcode;

describe("the DNS server of a container", () => {
  it("answers with the addresses of a name, in turn, over UDP and TCP", async () => {
    const first = addresses(await overUdp(question("web")));
    const second = addresses(await overTcp(question("web")));
    expect([...first].sort()).toEqual(["10.9.0.2", "10.9.0.3"]);
    expect(second).toEqual([...first].reverse());
  });

  it("knows the name of an address, and a name without a container", async () => {
    expect(addresses(await overUdp(question("2.0.9.10.in-addr.arpa", "PTR")))).toEqual(["web"]);
    const gone = await overUdp(question("gone"));
    expect([gone.id, addresses(gone)]).toEqual([7, []]);
  });

  it("cuts a datagram, and sends the whole answer over TCP", async () => {
    expect((await overUdp(question("many"))).flag_tc).toBe(true);
    expect(addresses(await overTcp(question("many")))).toHaveLength(100);
  });

  it("fails for other names if there is no upstream server", async () => {
    expect(rcode(await overUdp(question("example.org")))).toBe("SERVFAIL");
    expect(rcode(await overTcp(question("example.org")))).toBe("SERVFAIL");
  });

  it("survives messages that are no question", async () => {
    const client = createSocket("udp4");
    for (const bytes of [Buffer.from([1]), Buffer.alloc(12, 255), Buffer.alloc(600)])
      client.send(bytes, ports.udp, "127.0.0.1");
    const hostile = connect(ports.tcp, "127.0.0.1");
    hostile.on("error", () => {});
    hostile.write(Buffer.from([0, 0, 1, 2, 3]));
    await once(hostile, "close");
    expect(addresses(await overUdp(question("web")))).toHaveLength(2);
    client.close();
  });
});
