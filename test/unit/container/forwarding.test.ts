/** Lines of containers that are sent to receivers of syslog and to the journal. The receivers are sockets of this test. */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Forwarder } from "../../../src/container/logs/forwarder.ts";
import { encoderOf } from "../../../src/container/logs/messages.ts";
import { receiverOf } from "../../../src/container/logs/receivers.ts";
import { SegmentWriter } from "../../../src/container/logs/segments.ts";
import { logOptionProblems, type RemoteDriver, syslogFormat } from "../../../src/core/log-options.ts";
import { listenForDatagrams } from "../../../src/linux/index.ts";

let folder: string;
const closing: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-forward-"));
});
afterEach(() => {
  for (const close of closing.splice(0)) close();
  rmSync(folder, { recursive: true });
});

const ID = "0123456789abcdef".repeat(4);
const config = {
  name: "shop-web-1",
  image: "web:1",
  imageId: `sha256:${"f".repeat(64)}`,
  args: ["run", "it"],
  env: ["TIER=front", "OTHER=1"],
  labels: { team: 'a "b"]' },
};

/** Writes lines as a container's log has them. */
function write(lines: string, stream = 0): void {
  const directory = join(folder, "logs");
  const writer = new SegmentWriter(directory, 1 << 30, 2);
  const { offset } = writer.target(stream);
  const name = stream === 0 ? "out" : "err";
  expect(offset).toBeGreaterThanOrEqual(0);
  appendFileSync(join(directory, `1.${name}`), lines);
  writer.note(stream, Buffer.byteLength(lines), Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  writer.close();
}

function forward(driver: RemoteDriver, options: Record<string, string>, isLate = false) {
  const warnings: string[] = [];
  const { name, open } = receiverOf(driver, options);
  const forwarder = new Forwarder({
    container: config.name,
    receiver: name,
    directory: join(folder, "logs"),
    isLate,
    encode: encoderOf(driver, { id: ID, config, options, hostname: "ship", pid: 7 }),
    open,
    warn: (text) => warnings.push(text),
  });
  closing.push(() => forwarder.stop());
  forwarder.grew();
  return { forwarder, warnings };
}

async function until<T>(get: () => T | undefined): Promise<T> {
  for (;;) {
    const value = get();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A receiver of streams, with what it got. */
function collect(): { got: () => string; take: (socket: Socket) => void } {
  let text = "";
  return {
    got: () => text,
    take: (socket) => {
      socket.setEncoding("utf8");
      socket.on("data", (part) => {
        text += part;
      });
      socket.on("error", () => {});
      closing.push(() => socket.destroy());
    },
  };
}

const HEAD = "1 2026-01-02T03:04:05Z ship 0123456789ab 7 0123456789ab";

describe("syslog", () => {
  it.each(["unix", "unixgram"])("over a datagram socket, by %s://", async (scheme) => {
    const path = join(folder, "log");
    const receiver = listenForDatagrams(path);
    closing.push(receiver.close);
    write("hello\n");
    write("oh\n", 1);
    forward("syslog", { "syslog-address": `${scheme}://${path}` });
    const messages = [await until(receiver.read), await until(receiver.read)].map(String);
    expect(messages.sort()).toEqual([`<27>${HEAD} - oh`, `<30>${HEAD} - hello`]);
  });

  it("over a stream unix socket", async () => {
    const { got, take } = collect();
    const server = createServer(take).listen(join(folder, "stream"));
    closing.push(() => server.close());
    write("a\nb\n");
    forward("syslog", { "syslog-address": `unix://${join(folder, "stream")}` });
    expect(await until(() => (got().split("\n").length > 2 ? got() : undefined))).toBe(
      `<30>${HEAD} - a\n<30>${HEAD} - b\n`,
    );
  });

  it("over udp, with a tag, a facility and microseconds", async () => {
    const socket = createSocket("udp4");
    closing.push(() => socket.close());
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const received = new Promise<string>((resolve) =>
      socket.once("message", (bytes) => resolve(String(bytes))),
    );
    write("hello\n");
    forward("syslog", {
      "syslog-address": `udp://127.0.0.1:${socket.address().port}`,
      "syslog-facility": "local7",
      "syslog-format": "rfc5424micro",
      tag: "{{.Name}}/{{ .ImageName }}",
      env: "TIER",
      "labels-regex": "^te",
    });
    expect(await received).toBe(
      '<190>1 2026-01-02T03:04:05.678000Z ship shop-web-1/web:1 7 shop-web-1/web:1 [container@32473 team="a \\"b\\"\\]" TIER="front"] hello',
    );
  });

  it("over tcp, again after the receiver was down, in RFC 3164's format", async () => {
    const { got, take } = collect();
    const first = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => first.listen(0, "127.0.0.1", resolve));
    const { port } = first.address() as AddressInfo;
    await new Promise((resolve) => first.close(resolve));
    write("hello\n");
    const { warnings } = forward("syslog", {
      "syslog-address": `tcp://127.0.0.1:${port}`,
      "syslog-format": "rfc3164",
    });
    await until(() => warnings[0]);
    expect(warnings[0]).toMatch(/^shop-web-1: its logs cannot be sent to tcp:.*ECONNREFUSED/);
    const second = createServer(take).listen(port, "127.0.0.1");
    closing.push(() => second.close());
    expect(await until(() => got() || undefined)).toMatch(
      /^<30>Jan {2}\d \d\d:04:05 ship 0123456789ab\[7\]: hello\n$/,
    );
    expect(warnings[1]).toContain("accepts its logs again");
  });

  it("over TLS, with the length before each message, if the certificate is valid", async () => {
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    execFileSync(
      "openssl",
      `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${key} -out ${cert}`.split(
        " ",
      ),
      { stdio: "ignore" },
    );
    const { got, take } = collect();
    const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, take);
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    closing.push(() => server.close());
    write("hello\n");
    const address = { "syslog-address": `tcp+tls://localhost:${(server.address() as AddressInfo).port}` };
    const unknown = forward("syslog", address);
    expect(await until(() => unknown.warnings[0])).toContain("self-signed");
    forward("syslog", { ...address, "syslog-tls-ca-cert": cert });
    const message = `<30>${HEAD} - hello`;
    expect(await until(() => got() || undefined)).toBe(`${message.length} ${message}`);
  });

  it("a receiver that accepts nothing does not block the container: lost lines are counted and reported", async () => {
    const server = createServer((socket) => {
      socket.pause();
      closing.push(() => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => server.close());
    const line = `${"x".repeat(63)}\n`;
    for (let round = 0; round < 16; round++) write(line.repeat(15_000));
    const { forwarder, warnings } = forward("syslog", {
      "syslog-address": `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    });
    const lost = await until(() => warnings.find((text) => text.includes("were not sent")));
    expect(Number(/: (\d+) log lines/.exec(lost)![1])).toBeGreaterThan(1000);
    forwarder.stop();
  });

  describe("after the end of bayd", () => {
    const address = () => ({ "syslog-address": `unix://${join(folder, "stream")}` });
    const listen = () => {
      const { got, take } = collect();
      const server = createServer(take).listen(join(folder, "stream"));
      closing.push(() => server.close());
      return { got, close: () => server.close() };
    };
    const lines = (text: string) => [...text.matchAll(/- (\S+)\n/g)].map(([, line]) => line);

    it("the next forwarder sends the unsent lines in order, including one that was incomplete", async () => {
      const absent = forward("syslog", address(), true);
      write("one\ntwo\nthr");
      absent.forwarder.grew();
      write("err\n", 1);
      absent.forwarder.stop();
      const { got } = listen();
      expect(Forwarder.hasRest(join(folder, "logs"), address()["syslog-address"])).toBe(true);
      const { forwarder } = forward("syslog", address(), true);
      await until(() => (lines(got()).length === 3 ? true : undefined));
      write("ee\nfour\n");
      forwarder.grew();
      await until(() => (lines(got()).includes("four") ? true : undefined));
      expect(lines(got()).filter((line) => line !== "err")).toEqual(["one", "two", "three", "four"]);
    });

    it("lines are not sent again after the position was saved", async () => {
      const { got } = listen();
      const first = forward("syslog", address(), true);
      write("one\n");
      first.forwarder.grew();
      await until(() => (lines(got()).length === 1 ? true : undefined));
      first.forwarder.stop();
      write("two\n");
      forward("syslog", address(), true);
      await until(() => (lines(got()).length === 2 ? true : undefined));
      expect(lines(got())).toEqual(["one", "two"]);
      await until(() =>
        Forwarder.hasRest(join(folder, "logs"), address()["syslog-address"]) ? undefined : true,
      );
    });

    it("reports lines that the log does not contain any more", () => {
      forward("syslog", address(), true).forwarder.stop();
      write("one\n");
      forward("syslog", address(), true).forwarder.stop();
      const logs = join(folder, "logs");
      const sent = { receiver: address()["syslog-address"], position: [at(1), at(1)] };
      writeFileSync(join(logs, "sent"), JSON.stringify(sent));
      for (const suffix of ["out", "idx"]) renameSync(join(logs, `1.${suffix}`), join(logs, `3.${suffix}`));
      expect(forward("syslog", address(), true).warnings[0]).toContain("were removed before they were sent");
    });
    const at = (segment: number) => ({ segment, offset: 0 });

    it("skips what the log contained before anything was sent, and ignores a damaged position", async () => {
      write("old\n");
      writeFileSync(join(folder, "logs", "sent"), '{"receiver":');
      const { got } = listen();
      const { forwarder } = forward("syslog", address(), true);
      write("new\n");
      forwarder.grew();
      await until(() => (lines(got()).length > 0 ? true : undefined));
      expect(lines(got())).toEqual(["new"]);
    });
  });

  it("has the format of syslog(3) at the host's own sockets, which accept no other, and RFC 5424 elsewhere", () => {
    const format = (address: string | undefined) =>
      syslogFormat(address === undefined ? {} : { "syslog-address": address });
    for (const own of [undefined, "", "unix:///dev/log", "unixgram:///run/systemd/journal/dev-log"])
      expect(format(own)).toBe("local");
    for (const other of ["unix:///srv/log", "udp://a:514", "tcp+tls://a"])
      expect(format(other)).toBe("rfc5424");
    expect(syslogFormat({ "syslog-address": "unix:///dev/log", "syslog-format": "rfc5424" })).toBe("rfc5424");
  });

  it("rejects unknown options", () => {
    const problems = (options: Record<string, string>) =>
      logOptionProblems("syslog", options).map(([key, message]) => `${key} ${message}`);
    expect(problems({ "syslog-address": "http://a" })[0]).toContain("expected unix://PATH");
    expect(problems({ "syslog-address": "udp://a:99999" })).toHaveLength(1);
    expect(problems({ "syslog-facility": "local9" })[0]).toContain("expected a facility");
    expect(problems({ "syslog-format": "cee" })[0]).toContain("expected rfc3164");
    expect(problems({ tag: "{{.Nme}}" })[0]).toContain("{{.Nme}} is not supported");
    expect(problems({ "env-regex": "(" })[0]).toContain("expected a regular expression");
    expect(problems({ "gelf-address": "a" })[0]).toContain("is not an option of the driver syslog");
    expect(logOptionProblems("journald", { "syslog-address": "udp://a" })).toHaveLength(1);
  });
});

it("sends fields to the journal in its native protocol", async () => {
  const path = join(folder, "journal");
  const receiver = listenForDatagrams(path);
  closing.push(receiver.close);
  process.env.BAY_JOURNAL_SOCKET = path;
  closing.push(() => {
    delete process.env.BAY_JOURNAL_SOCKET;
  });
  write(`${"y".repeat(20_000)}\n`, 1);
  forward("journald", { tag: "{{.Name}}", labels: "team" });
  const [first, second] = [await until(receiver.read), await until(receiver.read)].map(String);
  expect(first!.split("\n").slice(1)).toEqual([
    "PRIORITY=3",
    "SYSLOG_TIMESTAMP=2026-01-02T03:04:05.678000Z",
    "CONTAINER_PARTIAL_MESSAGE=true",
    "CONTAINER_ID=0123456789ab",
    `CONTAINER_ID_FULL=${ID}`,
    "CONTAINER_NAME=shop-web-1",
    "CONTAINER_TAG=shop-web-1",
    "IMAGE_NAME=web:1",
    "SYSLOG_IDENTIFIER=shop-web-1",
    'TEAM=a "b"]',
    "",
  ]);
  expect(first!.split("\n")[0]).toBe(`MESSAGE=${"y".repeat(16_384)}`);
  expect(second).not.toContain("PARTIAL");
});
