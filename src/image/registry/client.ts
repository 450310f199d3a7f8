/**
 * Speaking to one registry (OCI distribution specification): authentication, retries, redirects. Tokens and
 * passwords go to the registry itself and to the token server that it names, and never along with a redirect.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Dispatcher, request } from "undici";
import { z } from "zod";
import type { ErrorCode } from "../../core/error-codes/table.ts";
import { BayError } from "../../core/errors.ts";
import { VERSION } from "../../core/version.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import { baseOf, dispatcherFor, type Endpoint } from "./endpoint.ts";
import { deniedMessage, unreachableMessage } from "./refusals.ts";

export interface RegistryRequest {
  method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  headers?: Record<string, string>;
  /** Called for each try. */
  body?: () => Dispatcher.DispatchOptions["body"];
  /** `repository:NAME:pull`, and for a mount that of the other repository too. */
  scopes: readonly string[];
  /** Statuses that are not errors. */
  expect: readonly number[];
  signal?: AbortSignal | undefined;
}

export interface RegistryResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Dispatcher.ResponseData["body"];
  /** Where the answer came from, after redirects. */
  url: URL;
}

/** A refusal, with the status and what the registry says of it. */
export class RegistryError extends BayError {
  constructor(
    code: ErrorCode,
    message: string,
    readonly status: number,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}

const tokenAnswer = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
});
const errorAnswer = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })),
});

const TRIES = 5;
/** After a mirror there is somebody else to ask. */
const MIRROR_TRIES = 2;
const FIRST_PAUSE = 250;
const MAX_PAUSE = 60_000;
const MAX_REDIRECTS = 5;
const MAX_ANSWER = 4 << 20;
const TOKEN_MARGIN = 10_000;
const DEFAULT_EXPIRY = 60;
const USER_AGENT = `bay/${VERSION}`;

/** Reads a small answer. Throws REGISTRY_ANSWER beyond 4 MiB. */
export async function readAnswer(body: RegistryResponse["body"], limit = MAX_ANSWER): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += (part as Buffer).length;
    if (size > limit) {
      body.destroy();
      throw new BayError("REGISTRY_ANSWER", `the registry's answer exceeds ${limit} bytes`);
    }
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts);
}

export class RegistryClient {
  readonly #tokens = new Map<string, { value: string; until: number }>();
  /** The host and port that the endpoint really is; a URL that the registry gave may lead elsewhere. */
  #home = "";
  /** The authentication challenge of the registry, once it has sent one. */
  #challenge: Challenge | undefined;

  constructor(
    readonly endpoint: Endpoint,
    readonly credentials: Credentials | undefined,
  ) {}

  /**
   * One request; `path` begins with `/v2/` or is a URL that the registry gave. Tries again what may pass: broken
   * connections, 429 (as long as Retry-After says) and the 5xx. Throws RegistryError, or ABORTED.
   */
  async request(path: string, options: RegistryRequest): Promise<RegistryResponse> {
    const base = await baseOf(this.endpoint);
    this.#home = new URL(base).host;
    const url = new URL(path, base);
    if (url.protocol !== "https:" && !this.endpoint.insecure)
      throw new RegistryError(
        "REGISTRY_FAILED",
        `${this.endpoint.host} refers to ${url.protocol}//${url.host}, which is not secure`,
        0,
      );
    for (let attempt = 1; ; attempt++) {
      if (options.signal?.aborted) throw new BayError("ABORTED", "the pull was interrupted");
      let failure: RegistryError;
      let pause = FIRST_PAUSE * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
      try {
        const response = await this.#authorized(url, options);
        if (options.expect.includes(response.status)) return response;
        failure = await this.#refusal(response);
        if (response.status !== 429 && response.status < 500) throw failure;
        pause = retryAfter(response) ?? pause;
      } catch (cause) {
        if (cause instanceof BayError) throw cause;
        if (options.signal?.aborted) throw new BayError("ABORTED", "the pull was interrupted", { cause });
        failure = this.#unreachable(cause);
        if (isFinal(cause)) throw failure;
      }
      if (attempt >= (this.endpoint.isMirror ? MIRROR_TRIES : TRIES) || pause > MAX_PAUSE) throw failure;
      await sleep(pause, undefined, { signal: options.signal }).catch(() => {});
    }
  }

  async #authorized(url: URL, options: RegistryRequest): Promise<RegistryResponse> {
    const response = await this.#send(url, options, await this.#authorization(options));
    // who else asks for a name on the way, is not told
    if (response.status !== 401 || response.url.host !== this.#home) return response;
    const challenges = [response.headers["www-authenticate"] ?? []].flat().flatMap(parseChallenges);
    const challenge =
      challenges.find(({ scheme }) => scheme === "bearer") ??
      challenges.find(({ scheme }) => scheme === "basic");
    if (!challenge) return response;
    await response.body.dump();
    this.#challenge = challenge;
    this.#tokens.delete(scopeKey(options.scopes));
    return this.#send(url, options, await this.#authorization(options));
  }

  /** The Authorization header, once the registry has asked for one. */
  async #authorization(options: RegistryRequest): Promise<string | undefined> {
    const challenge = this.#challenge;
    if (challenge?.scheme === "basic") return this.credentials && basic(this.credentials);
    if (challenge?.scheme !== "bearer") return undefined;
    const key = scopeKey(options.scopes);
    const known = this.#tokens.get(key);
    if (known && known.until > Date.now()) return `Bearer ${known.value}`;
    const token = await this.#fetchToken(challenge, options);
    this.#tokens.set(key, token);
    return `Bearer ${token.value}`;
  }

  /** Docker's token protocol: GET with Basic, or the OAuth2 refresh grant where an identity token is kept. */
  async #fetchToken(
    { parameters }: Challenge,
    { scopes, signal }: RegistryRequest,
  ): Promise<{ value: string; until: number }> {
    const { realm = "", service } = parameters;
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (!url || (url.protocol !== "https:" && !(url.protocol === "http:" && this.endpoint.insecure)))
      throw new RegistryError("REGISTRY_AUTH", `${this.endpoint.host} has no trusted token endpoint`, 401);
    const dispatcher = dispatcherFor(url.host, this.endpoint.insecure && url.protocol === "http:");
    const { credentials } = this;
    const form = new URLSearchParams();
    if (service) form.set("service", service);
    let answer: Dispatcher.ResponseData;
    if (credentials?.identityToken) {
      form.set("grant_type", "refresh_token");
      form.set("refresh_token", credentials.identityToken);
      form.set("client_id", "bay");
      form.set("scope", scopes.join(" "));
      const headers = { "content-type": "application/x-www-form-urlencoded", "user-agent": USER_AGENT };
      answer = await request(url, { method: "POST", headers, body: form.toString(), dispatcher, signal });
    } else {
      for (const [key, value] of form) url.searchParams.set(key, value);
      for (const scope of scopes) url.searchParams.append("scope", scope);
      const headers: Record<string, string> = { "user-agent": USER_AGENT };
      if (credentials) headers.authorization = basic(credentials);
      answer = await request(url, { headers, dispatcher, signal });
    }
    const text = (await readAnswer(answer.body, 1 << 20)).toString("utf8");
    if (answer.statusCode === 401 || answer.statusCode === 403) throw this.#denied(answer.statusCode, true);
    const parsed = answer.statusCode === 200 ? tokenAnswer.safeParse(tryJson(text)) : undefined;
    const value = parsed?.data?.token ?? parsed?.data?.access_token;
    if (!value)
      throw new RegistryError(
        "REGISTRY_AUTH",
        `the token server ${url.host} answered ${answer.statusCode} without a token`,
        answer.statusCode,
      );
    const seconds = parsed?.data?.expires_in ?? DEFAULT_EXPIRY;
    return { value, until: Date.now() + Math.max(0, seconds * 1000 - TOKEN_MARGIN) };
  }

  async #send(
    first: URL,
    { method = "GET", headers, body, signal }: RegistryRequest,
    authorization: string | undefined,
  ): Promise<RegistryResponse> {
    let url = first;
    for (let redirects = 0; ; redirects++) {
      const isHome = url.host === this.#home;
      const answer = await request(url, {
        method,
        headers: {
          "user-agent": USER_AGENT,
          ...headers,
          // credentials are sent to the registry only
          ...(authorization && isHome ? { authorization } : {}),
        },
        body: body?.() ?? null,
        dispatcher: dispatcherFor(url.host, isHome && this.endpoint.insecure),
        signal,
      });
      const location = [answer.headers.location ?? []].flat()[0];
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.statusCode) && location !== undefined;
      if (!isRedirect || method === "POST" || method === "PATCH" || method === "PUT")
        return { status: answer.statusCode, headers: answer.headers, body: answer.body, url };
      await answer.body.dump();
      if (redirects >= MAX_REDIRECTS)
        throw new RegistryError(
          "REGISTRY_FAILED",
          `${this.endpoint.host} has a redirect loop`,
          answer.statusCode,
        );
      const next = new URL(location, url);
      if (next.protocol !== "https:" && !(next.protocol === "http:" && this.endpoint.insecure))
        throw new RegistryError(
          "REGISTRY_FAILED",
          `${this.endpoint.host} redirects to ${next.protocol}//${next.host}, which is not secure`,
          answer.statusCode,
        );
      url = next;
    }
  }

  #denied(status: number, isLogin: boolean): RegistryError {
    const { message, ...options } = deniedMessage(this.endpoint.host, this.credentials, isLogin);
    return new RegistryError("REGISTRY_AUTH", message, status, options);
  }

  async #refusal({ status, body, url }: RegistryResponse): Promise<RegistryError> {
    const text = await readAnswer(body, 64 << 10).catch(() => Buffer.alloc(0));
    if (status === 401 || status === 403)
      return this.#denied(status, status === 401 && this.#challenge?.scheme !== "bearer");
    const parsed = errorAnswer.safeParse(tryJson(text.toString("utf8")));
    const said = parsed.data?.errors
      .map(({ code, message }) => message ?? code)
      .filter(Boolean)
      .join("; ");
    const code = status === 404 ? "NOT_IN_REGISTRY" : status === 429 ? "REGISTRY_LIMIT" : "REGISTRY_FAILED";
    const words = printable(said ? `: ${said}` : "");
    return new RegistryError(
      code,
      `${this.endpoint.host} answered ${status} to ${url.pathname}${words}`,
      status,
      {
        ...(status === 429 ? { hint: "it limits the number of pulls; log in, or try again later" } : {}),
      },
    );
  }

  #unreachable(cause: unknown): RegistryError {
    const { message, ...options } = unreachableMessage(this.endpoint.host, cause);
    return new RegistryError("REGISTRY_UNREACHABLE", message, 0, { cause, ...options });
  }
}

const scopeKey = (scopes: readonly string[]) => [...scopes].sort().join(" ");

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** What the other side says may be hostile to a terminal. */
function printable(text: string): string {
  return text.slice(0, 500).replace(/\p{C}/gu, " ");
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Milliseconds that Retry-After asks for, in seconds or as a date. */
function retryAfter({ headers }: RegistryResponse): number | undefined {
  const text = [headers["retry-after"] ?? []].flat()[0];
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : undefined;
}

/** An unknown name, a closed port or an invalid certificate does not improve by a retry. */
function isFinal(cause: unknown): boolean {
  const { code = "" } = cause as { code?: string };
  return (
    code === "ENOTFOUND" ||
    code === "ECONNREFUSED" ||
    /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ERR_SSL/.test(code)
  );
}
