/**
 * The endpoints of a registry: its mirrors first, then itself; with TLS unless the host's administrator configured otherwise.
 */
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import { BayError } from "../../core/errors.ts";
import { certificatesOf, hasCertificates, insecureHint, type RegistrySettings } from "./settings.ts";

export interface Endpoint {
  /** Without a trailing slash; for an insecure registry only `baseOf` knows the scheme. */
  base: string;
  /** HOST or HOST:PORT, the key of credentials and certificates. */
  host: string;
  /** Plain HTTP is used if TLS is not supported. */
  insecure: boolean;
  isMirror: boolean;
  /** Its own connections: a host of the cluster. */
  dispatcher?: Dispatcher;
}

const DOCKER_HUB = "registry-1.docker.io";
const CONNECT_TIME = 10_000;
const PROBE_TIME = 3000;
/** A registry that sends nothing for so many milliseconds has stalled. */
const STALL_TIME = Number(process.env.BAY_REGISTRY_STALL ?? 30_000);

const isLoopback = (host: string) => /^(localhost|127\.[\d.]+|\[::1\])(:\d+)?$/.test(host);

/** Throws BAD_REGISTRIES for a mirror that is not a URL. */
export function endpointsOf(registry: string, settings: RegistrySettings): Endpoint[] {
  const isInsecure = (host: string) => isLoopback(host) || settings.insecure.includes(host);
  const own = registry === "docker.io" ? DOCKER_HUB : registry;
  const mirrors = (settings.mirrors[registry] ?? []).map((text): Endpoint => {
    let url: URL;
    try {
      url = new URL(/^https?:\/\//.test(text) ? text : `https://${text}`);
    } catch {
      throw new BayError("BAD_REGISTRIES", `the mirror ${JSON.stringify(text)} of ${registry} is not a URL`);
    }
    const insecure = url.protocol === "http:" || isInsecure(url.host);
    if (url.protocol === "http:" && !isInsecure(url.host))
      throw new BayError("BAD_REGISTRIES", `the mirror ${text} uses plain HTTP`, {
        hint: `to allow that, ${insecureHint(url.host)}`,
      });
    return { base: url.href.replace(/\/$/, ""), host: url.host, insecure, isMirror: true };
  });
  const insecure = isInsecure(own);
  return [
    ...mirrors,
    { base: `${insecure ? "http" : "https"}://${own}`, host: registry, insecure, isMirror: false },
  ];
}

const schemes = new Map<string, string>();

/**
 * Returns the base URL with the scheme of an insecure registry: TLS if it supports it (verified if the administrator
 * configured a certificate), else plain HTTP.
 */
export async function baseOf({ base, host, insecure }: Endpoint): Promise<string> {
  if (!insecure) return `${base}/`;
  const known = schemes.get(base);
  if (known) return known;
  const rest = base.replace(/^https?:/, "");
  let found = `https:${rest}/`;
  if (!hasCertificates(host)) {
    try {
      const answer = await request(`${found}v2/`, {
        dispatcher: dispatcherFor(host, true),
        headersTimeout: PROBE_TIME,
      });
      await answer.body.dump();
    } catch {
      found = `http:${rest}/`;
    }
  }
  schemes.set(base, found);
  return found;
}

const dispatchers = new Map<string, Dispatcher>();

/** Connections to a host, through the proxies of the environment. Cached, because an image has many blobs. */
export function dispatcherFor(host: string, insecure: boolean): Dispatcher {
  const key = `${insecure ? "insecure" : "secure"} ${host}`;
  const known = dispatchers.get(key);
  if (known) return known;
  const { ca, cert, key: clientKey } = certificatesOf(host);
  const client = cert && clientKey ? { cert, key: clientKey } : {};
  const connect = {
    ca,
    ...client,
    rejectUnauthorized: !insecure || hasCertificates(host),
    timeout: CONNECT_TIME,
  };
  const options = { connect, requestTls: connect, headersTimeout: STALL_TIME, bodyTimeout: STALL_TIME };
  const dispatcher = isLoopback(host) ? new Agent(options) : new EnvHttpProxyAgent(options);
  dispatchers.set(key, dispatcher);
  return dispatcher;
}

/** Closes idle connections, and drops cached certificates, which may have changed by the next use. */
export async function closeConnections(): Promise<void> {
  const all = [...dispatchers.values()];
  dispatchers.clear();
  schemes.clear();
  await Promise.allSettled(all.map((dispatcher) => dispatcher.close()));
}
