/**
 * The client for one registry (OCI distribution specification): authentication, retries, redirects. Tokens and passwords are
 * sent to the registry itself and to its token server, and never with a redirect.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Dispatcher, request } from "undici";
import { z } from "zod";
import { BayError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { readAnswer, tryJson, USER_AGENT } from "./answer.ts";
import { parseChallenges } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import { baseOf, dispatcherFor, type Endpoint } from "./endpoint.ts";
import { unreachableMessage } from "./refusals.ts";
import { denied, RegistryError } from "./registry-error.ts";
import { TokenAuth } from "./token-auth.ts";

export interface RegistryRequest {
  method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  headers?: Record<string, string>;
  /** Called for each attempt. */
  body?: () => Dispatcher.DispatchOptions["body"];
  /** `repository:NAME:pull`, and for a mount that of the other repository, too. */
  scopes: readonly string[];
  /** Status codes that are not errors. */
  expect: readonly number[];
  signal?: AbortSignal | undefined;
}

export interface RegistryResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Dispatcher.ResponseData["body"];
  /** The URL of the response, after redirects. */
  url: URL;
}

const errorAnswer = z.object({
  errors: z.array(z.object({ code: z.string().optional(), message: z.string().optional() })),
});

const TRIES = 5;
/** Fewer attempts for a mirror, because another endpoint follows. */
const MIRROR_TRIES = 2;
const FIRST_PAUSE = 250;
const MAX_PAUSE = 60_000;
const MAX_REDIRECTS = LIMITS.image.redirects;

export class RegistryClient {
  /** The host and port of the endpoint; a URL from the registry may lead to another one. */
  #home = "";
  readonly #auth: TokenAuth;

  constructor(
    readonly endpoint: Endpoint,
    readonly credentials: Credentials | undefined,
  ) {
    this.#auth = new TokenAuth(endpoint, credentials);
  }

  /**
   * Sends a request; `path` begins with `/v2/` or is a URL from the registry. Retries temporary failures: interrupted
   * connections, 429 (after the time in Retry-After) and 5xx. Throws RegistryError, or ABORTED.
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
    const authorization = await this.#auth.header(options);
    const response = await this.#send(url, options, authorization);
    // a redirect target that asks for credentials gets none
    if (response.status !== 401 || response.url.host !== this.#home) return response;
    const challenges = [response.headers["www-authenticate"] ?? []].flat().flatMap(parseChallenges);
    if (!this.#auth.challenged(challenges, options.scopes, authorization)) return response;
    await response.body.dump();
    return this.#send(url, options, await this.#auth.header(options));
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
          // credentials are sent only to the registry
          ...(authorization && isHome ? { authorization } : {}),
        },
        body: body?.() ?? null,
        dispatcher: this.endpoint.dispatcher ?? dispatcherFor(url.host, isHome && this.endpoint.insecure),
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

  async #refusal({ status, body, url }: RegistryResponse): Promise<RegistryError> {
    const text = await readAnswer(body, 64 << 10).catch(() => Buffer.alloc(0));
    if (status === 401 || status === 403)
      return denied(this.endpoint, this.credentials, status, status === 401 && !this.#auth.hasTokens);
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

/** Removes characters of a response that could control a terminal. */
function printable(text: string): string {
  return text.slice(0, 500).replace(/\p{C}/gu, " ");
}

/** The delay in Retry-After, in milliseconds; the header has seconds or a date. */
function retryAfter({ headers }: RegistryResponse): number | undefined {
  const text = [headers["retry-after"] ?? []].flat()[0];
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : undefined;
}

/** Retrying does not help for an unknown name, a closed port or an invalid certificate. */
function isFinal(cause: unknown): boolean {
  const { code = "" } = cause as { code?: string };
  return (
    code === "ENOTFOUND" ||
    code === "ECONNREFUSED" ||
    /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ERR_SSL/.test(code)
  );
}
