/** The transport over TCP: TLS 1.3 with the certificates of both sides, or plain to this computer alone. */
import { Agent } from "node:http";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { BayError, messageOf } from "../../core/errors.ts";
import { isLoopback, PLAIN_PORT, type TcpAddress, TLS_PORT } from "../../core/host-address.ts";
import { alertProblem, certificateProblem } from "./tls-problems.ts";
import type { Transport } from "./transport.ts";

/** PEM texts. */
export interface ClientTls {
  /** The authorities that may sign the server's certificate; undefined for those of the system. */
  ca: string | undefined;
  cert: string | undefined;
  key: string | undefined;
  /** Check the server's certificate and name. */
  verify: boolean;
}

/** Milliseconds for the connection and the handshake. */
const CONNECT_TIMEOUT = 30_000;

class TcpAgent extends Agent {
  constructor(readonly open: () => Socket) {
    // several requests of one command use one connection; it does not keep the command running
    super({ keepAlive: true });
  }

  override createConnection(): Duplex {
    return this.open();
  }
}

export class TcpTransport implements Transport {
  readonly isRemote: boolean;
  readonly address: string;
  readonly #route: { agent: Agent; host: string };
  readonly #tls: ClientTls | undefined;
  readonly #host: string;
  readonly #port: number;

  /** Throws TLS_REQUIRED for a plain connection to another computer. */
  constructor({ host, port }: TcpAddress, tls: ClientTls | undefined) {
    this.#host = host;
    this.#tls = tls;
    this.#port = port ?? (tls ? TLS_PORT : PLAIN_PORT);
    const place = isIP(host) === 6 ? `[${host}]` : host;
    this.address = `tcp://${place}:${this.#port}`;
    // a forwarded port of this computer may be one of another
    this.isRemote = true;
    this.#route = { agent: new TcpAgent(() => this.#open(false)), host: place };
    if (!tls && !isLoopback(host))
      throw new BayError(
        "TLS_REQUIRED",
        `${this.address} needs TLS: unencrypted requests can be read and changed in transit`,
        {
          hint: "use --tlsverify with --tlscacert, --tlscert and --tlskey, or ssh://USER@HOST",
        },
      );
  }

  routeOf() {
    return this.#route;
  }

  /** An agent's idle connection ends with the server's side of it. */
  #open(allowHalfOpen: boolean): Socket {
    const place = { host: this.#host, port: this.#port, allowHalfOpen };
    const socket = this.#tls
      ? connectTls({ ...place, ...tlsOptions(this.#host, this.#tls) })
      : connectPlain(place);
    const timer = setTimeout(
      () =>
        socket.destroy(
          new BayError(
            "HOST_UNREACHABLE",
            `${this.address} did not answer within ${CONNECT_TIMEOUT / 1000} s`,
            {
              hint: "check the address, and any firewall between the hosts",
            },
          ),
        ),
      CONNECT_TIMEOUT,
    );
    const stop = () => clearTimeout(timer);
    socket.once(this.#tls ? "secureConnect" : "connect", stop).once("close", stop);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    return socket;
  }

  connect(): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const socket = this.#open(true);
      socket.once("error", (cause) => reject(this.explain(cause)));
      socket.once(this.#tls ? "secureConnect" : "connect", () => resolve(socket));
    });
  }

  explain(cause: unknown): unknown {
    if (cause instanceof BayError) return cause;
    const code = String((cause as { code?: unknown } | undefined)?.code ?? "");
    const rejected = certificateProblem(code);
    if (rejected !== undefined) return this.#badServer(code, rejected, cause);
    const refused = alertProblem(code, messageOf(cause));
    if (refused !== undefined)
      return new BayError("BAD_CERTIFICATE", `${this.address}: ${refused}`, {
        cause,
        hint: hintFor(refused),
      });
    if (code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_") || code === "EPROTO")
      return new BayError(
        "BAD_CERTIFICATE",
        `${this.address}: the TLS handshake failed: ${messageOf(cause)}`,
        { cause },
      );
    return this.#unreachable(code, cause) ?? cause;
  }

  #badServer(code: string, problem: string, cause: unknown): BayError {
    const names = code === "ERR_TLS_CERT_ALTNAME_INVALID" ? namesIn(cause) : undefined;
    const expected = names ? `; it is valid for ${names}` : "";
    return new BayError(
      "BAD_CERTIFICATE",
      `${this.address}: the certificate of the server ${problem}${expected}`,
      {
        cause,
        hint:
          SERVER_HINTS[code] ??
          "check that --tlscacert is the CA certificate of this host, and that the address is correct",
      },
    );
  }

  #unreachable(code: string, cause: unknown): BayError | undefined {
    const problem = NETWORK[code];
    return problem === undefined
      ? undefined
      : new BayError("HOST_UNREACHABLE", `${this.address} cannot be reached: ${problem[0]}`, {
          cause,
          hint: problem[1],
        });
  }
}

function tlsOptions(host: string, { ca, cert, key, verify }: ClientTls): ConnectionOptions {
  return {
    minVersion: "TLSv1.3",
    rejectUnauthorized: verify,
    // RFC 6066 has no addresses in server_name
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

const SERVER_HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "renew the certificate of that host, and run bay daemon reload there",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "use a name of the certificate in the address, or add this name to the certificate",
};

const hintFor = (problem: string): string =>
  problem.includes("speak TLS")
    ? "check the port, and whether tlsverify is set in daemon.json of that host"
    : "check --tlscert and --tlskey, or DOCKER_CERT_PATH";

/** The names for which the certificate is valid: Node's error has them. */
function namesIn(cause: unknown): string | undefined {
  const { subjectaltname } = (cause as { cert?: { subjectaltname?: string } }).cert ?? {};
  return subjectaltname?.slice(0, 500);
}

const NETWORK: Readonly<Record<string, readonly [problem: string, hint: string]>> = {
  ECONNREFUSED: [
    "the connection was refused",
    "check that bayd runs there and that hosts in its daemon.json has this port",
  ],
  ENOTFOUND: ["the host name cannot be resolved", "check the name"],
  EAI_AGAIN: ["the host name cannot be resolved at the moment", "check the DNS servers of this computer"],
  ETIMEDOUT: ["no answer", "check the address, and any firewall between the hosts"],
  EHOSTUNREACH: ["there is no route to the host", "check the network and the address"],
  ENETUNREACH: ["there is no route to the network", "check the network and the address"],
};
