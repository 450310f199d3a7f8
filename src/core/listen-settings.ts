/** The keys of daemon.json that say where bayd listens, as Docker's has them: hosts, tls, tlsverify, tlscacert, tlscert, tlskey. Pure. */
import { messageOf } from "./errors.ts";
import {
  formatHostAddress,
  type HostAddress,
  isLoopback,
  PLAIN_PORT,
  parseHostAddress,
  TLS_PORT,
} from "./host-address.ts";

interface Keys {
  hosts: string[];
  tls?: boolean | undefined;
  tlsverify?: boolean | undefined;
  tlscacert?: string | undefined;
  tlscert?: string | undefined;
  tlskey?: string | undefined;
}

/** The paths of PEM files. */
export interface TlsFiles {
  cert: string;
  key: string;
  /** The authority that signs the certificates of clients; undefined if they need none. */
  ca: string | undefined;
}

export interface TcpListener {
  /** An address or a name of this host; 0.0.0.0 and :: for all addresses. */
  host: string;
  port: number;
  /** Undefined for plain TCP, which is possible only on a loopback address. */
  tls: TlsFiles | undefined;
}

export interface ListenSettings {
  /** Unix sockets beside bayd's own. */
  sockets: string[];
  tcp: TcpListener[];
}

export const NO_LISTENERS: ListenSettings = { sockets: [], tcp: [] };

const KEY_OF_FILE = { cert: "tlscert", key: "tlskey", ca: "tlscacert" } as const;

function addressesOf({
  hosts,
}: Keys): { text: string; address: HostAddress | undefined; problem?: string }[] {
  return hosts.map((text) => {
    try {
      return { text, address: parseHostAddress(text, "hosts") };
    } catch (error) {
      return { text, address: undefined, problem: messageOf(error) };
    }
  });
}

const usesTls = ({ tls, tlsverify }: Keys): boolean => tls === true || tlsverify === true;

/** Everything that is wrong with the keys together. */
export function hostsProblems(keys: Keys): string[] {
  const addresses = addressesOf(keys);
  const problems = addresses.flatMap(({ text, address, problem }) =>
    problem !== undefined ? problem : (problemOf(text, address!, keys) ?? []),
  );
  const shown = addresses.flatMap(({ address }) => (address ? formatHostAddress(address) : []));
  const twice = shown.find((text, index) => shown.indexOf(text) !== index);
  if (twice !== undefined) problems.push(`hosts: ${twice} is given twice`);
  if (keys.tlsverify === true && keys.tls === false) problems.push("tls: false contradicts tlsverify: true");
  if (!usesTls(keys)) {
    const without = Object.values(KEY_OF_FILE).filter((key) => keys[key] !== undefined);
    if (without.length > 0) problems.push(`${without.join(", ")}: expected tlsverify: true beside it`);
    return problems;
  }
  const needed = keys.tlsverify ? (["cert", "key", "ca"] as const) : (["cert", "key"] as const);
  for (const kind of needed) {
    const key = KEY_OF_FILE[kind];
    if (keys[key] === undefined)
      problems.push(`${keys.tlsverify ? "tlsverify" : "tls"}: the key ${key} is missing`);
  }
  return problems;
}

function problemOf(text: string, address: HostAddress, keys: Keys): string | undefined {
  if (address.kind === "ssh")
    return `hosts: bayd cannot listen on ${text}: sshd does, and runs bay dial-stdio`;
  if (address.kind === "unix" || isLoopback(address.host)) return undefined;
  if (keys.tlsverify) return undefined;
  return usesTls(keys)
    ? `hosts: ${text} needs tlsverify: without it, anyone who can reach the port has root access to this host`
    : `hosts: ${text} needs tlsverify: plain TCP is possible only on 127.0.0.1 and ::1, because anyone who can reach the port has root access to this host`;
}

/** The listeners. Keys with problems give none. */
export function readListenSettings(keys: Keys): ListenSettings {
  if (hostsProblems(keys).length > 0) return NO_LISTENERS;
  const tls = usesTls(keys)
    ? { cert: keys.tlscert!, key: keys.tlskey!, ca: keys.tlsverify ? keys.tlscacert : undefined }
    : undefined;
  const addresses = addressesOf(keys).map(({ address }) => address!);
  return {
    sockets: addresses.flatMap((address) => (address.kind === "unix" ? address.path : [])),
    tcp: addresses.flatMap((address) =>
      address.kind === "tcp"
        ? { host: address.host, port: address.port ?? (tls ? TLS_PORT : PLAIN_PORT), tls }
        : [],
    ),
  };
}

/** What plain listeners mean, for the log and `bay info`. */
export const plainWarnings = ({ tcp }: ListenSettings): string[] =>
  tcp
    .filter(({ tls }) => tls?.ca === undefined)
    .map(
      ({ host, port }) =>
        `hosts: ${formatHostAddress({ kind: "tcp", host, port })} does not require client certificates: it gives root access to every process and user of this host, and to every container with network_mode: host`,
    );

/** For `bay info`. */
export function shownListen({ sockets, tcp }: ListenSettings): Record<string, string> {
  const hosts = [
    ...sockets.map((path) => `unix://${path}`),
    ...tcp.map(({ host, port }) => formatHostAddress({ kind: "tcp", host, port })),
  ];
  const tls = tcp.find((listener) => listener.tls)?.tls;
  return {
    hosts: hosts.join(", ") || "bayd's own socket",
    ...(tcp.length > 0 ? { tlsverify: String(tls?.ca !== undefined) } : {}),
    ...(tls ? { tlscert: tls.cert, tlskey: tls.key, ...(tls.ca ? { tlscacert: tls.ca } : {}) } : {}),
  };
}
