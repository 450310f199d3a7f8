/** Receivers of log lines: the journal and syslog. Each accepts messages until it reports that it is full. */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { messageOf } from "../../core/errors.ts";
import {
  LOCAL_SYSLOG,
  parseSyslogAddress,
  type RemoteDriver,
  type SyslogAddress,
  syslogFormat,
} from "../../core/log-options.ts";
import { UnixDatagram } from "../../linux/index.ts";

export interface Receiver {
  /**
   * Returns whether it accepted the message. `passed` is called when the kernel has it, so that the end of this process does
   * not lose it; the calls are in the order of the messages.
   */
  send(message: Buffer, passed: () => void): boolean;
  close(): void;
  /** It is open whether or not anything receives the messages (UDP), and reports a failure only some time after a message. */
  isBlind?: boolean;
}

export interface ReceiverNews {
  /** Called when it accepts messages, for the first time or again. */
  ready: () => void;
  /** Called when it has failed; a new one has to be opened. */
  failed: (why: string) => void;
}

export type OpenReceiver = (news: ReceiverNews) => Receiver;

const JOURNAL = "/run/systemd/journal/socket";
/** The most bytes that are queued in a connection. */
const WAITING = 256 << 10;
const CONNECT_TIMEOUT = 10_000;
const TRY_AGAIN = 50;

/** Returns how to open a driver's receiver, and its name for messages. */
export function receiverOf(
  driver: RemoteDriver,
  options: Readonly<Record<string, string>>,
): { name: string; open: OpenReceiver } {
  if (driver === "journald") {
    const path = process.env.BAY_JOURNAL_SOCKET || JOURNAL;
    return { name: path, open: (news) => datagrams([path], news) };
  }
  const address = parseSyslogAddress(options["syslog-address"])!;
  const name = options["syslog-address"] || LOCAL_SYSLOG[0]!;
  // with TLS the length precedes a message (RFC 5425, 4.3), otherwise a newline follows it (RFC 6587, 3.4.2)
  const isCounted = address.kind === "tls" && /^rfc5424/.test(syslogFormat(options));
  const frame = isCounted
    ? (message: Buffer) => Buffer.concat([Buffer.from(`${message.length} `), message])
    : (message: Buffer) => Buffer.concat([message, Buffer.from("\n")]);
  return { name, open: (news) => openSyslog(address, options, frame, news) };
}

type Frame = (message: Buffer) => Buffer;

function openSyslog(
  address: SyslogAddress,
  options: Readonly<Record<string, string>>,
  frame: Frame,
  news: ReceiverNews,
): Receiver {
  const { kind, path, host, port } = address;
  switch (kind) {
    case "unixgram":
      return datagrams(path === "" ? LOCAL_SYSLOG : [path], news);
    case "unix":
      // most syslog sockets are datagram sockets, even if the address says unix://
      return isDatagram(path) ? datagrams([path], news) : stream(connect(path), "connect", frame, news);
    case "udp":
      return udp(host, port, news);
    case "tcp":
      return stream(connect({ host, port }), "connect", frame, news);
    case "tls": {
      const file = (key: string) => (options[key] ? readFileSync(options[key]) : undefined);
      const socket = connectTls({
        host,
        port,
        servername: /^[\d.:]+$/.test(host) || host.includes(":") ? "" : host,
        ca: file("syslog-tls-ca-cert"),
        cert: file("syslog-tls-cert"),
        key: file("syslog-tls-key"),
        rejectUnauthorized: !/^(1|t|true)$/i.test(options["syslog-tls-skip-verify"] ?? ""),
      });
      return stream(socket, "secureConnect", frame, news);
    }
  }
}

function isDatagram(path: string): boolean {
  try {
    new UnixDatagram(path).close();
    return true;
  } catch {
    return false;
  }
}

/** Opens the first of the paths that has a receiver. Throws if none has. */
function datagrams(paths: readonly string[], news: ReceiverNews): Receiver {
  let socket: UnixDatagram | undefined;
  let why: unknown;
  for (const path of paths) {
    try {
      socket ??= new UnixDatagram(path);
    } catch (error) {
      why ??= error;
    }
  }
  if (!socket) throw why;
  const open = socket;
  let timer: NodeJS.Timeout | undefined;
  setImmediate(news.ready);
  return {
    send: (message, passed) => {
      try {
        if (open.send(message)) {
          passed();
          return true;
        }
        // there is no notification when a receiver of datagrams has room again
        timer = setTimeout(news.ready, TRY_AGAIN);
        timer.unref();
      } catch (error) {
        setImmediate(() => news.failed(messageOf(error)));
      }
      return false;
    },
    close: () => {
      clearTimeout(timer);
      open.close();
    },
  };
}

function udp(host: string, port: number, news: ReceiverNews): Receiver {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  let isOpen = false;
  socket.on("error", (error) => news.failed(messageOf(error)));
  socket.connect(port, host, () => {
    isOpen = true;
    news.ready();
  });
  socket.unref();
  return {
    isBlind: true,
    send: (message, passed) => {
      if (!isOpen) return false;
      if (socket.getSendQueueSize() > WAITING) {
        setTimeout(news.ready, TRY_AGAIN).unref();
        return false;
      }
      // datagrams that the network refuses are lost
      socket.send(message, (error) => {
        if (error) news.failed(messageOf(error));
        passed();
      });
      return true;
    },
    close: () => socket.close(),
  };
}

function stream(socket: Socket, opened: string, frame: Frame, news: ReceiverNews): Receiver {
  let isOpen = false;
  const fail = (why: string) => {
    isOpen = false;
    socket.destroy();
    news.failed(why);
  };
  socket.setTimeout(CONNECT_TIMEOUT, () => {
    if (!isOpen) fail("no answer");
  });
  socket.once(opened, () => {
    socket.setTimeout(0);
    isOpen = true;
    news.ready();
  });
  socket.on("drain", news.ready);
  socket.on("error", (error) => fail(messageOf(error)));
  socket.on("close", () => {
    if (isOpen) fail("the connection was closed");
  });
  socket.resume(); // replies of a receiver are ignored
  return {
    send: (message, passed) => {
      if (!isOpen || socket.writableLength > WAITING) return false;
      socket.write(frame(message), (error) => {
        if (!error) passed();
      });
      return true;
    },
    close: () => {
      isOpen = false;
      socket.end();
      setTimeout(() => socket.destroy(), CONNECT_TIMEOUT).unref();
    },
  };
}
