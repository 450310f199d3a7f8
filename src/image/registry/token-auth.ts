/**
 * Authentication at a registry: HTTP Basic, or Docker's token protocol (distribution, "Token Authentication Specification")
 * with tokens that are cached until shortly before they expire.
 */
import { type Dispatcher, request } from "undici";
import { z } from "zod";
import { readAnswer, tryJson, USER_AGENT } from "./answer.ts";
import type { Challenge } from "./challenge.ts";
import type { RegistryRequest } from "./client.ts";
import type { Credentials } from "./credentials.ts";
import { dispatcherFor, type Endpoint } from "./endpoint.ts";
import { denied, RegistryError } from "./registry-error.ts";

const tokenAnswer = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
});

/** Milliseconds before its expiry from which a token is not used any more. */
const TOKEN_MARGIN = 10_000;
/** Seconds for which a token without an expiry is valid. */
const DEFAULT_EXPIRY = 60;

interface Token {
  value: string;
  until: number;
}

export class TokenAuth {
  readonly #tokens = new Map<string, Token>();
  /** Tokens that are being fetched: requests at the same time share one. */
  readonly #fetching = new Map<string, Promise<Token>>();
  /** The authentication challenge of the registry, after it has sent one. */
  #challenge: Challenge | undefined;

  constructor(
    readonly endpoint: Endpoint,
    readonly credentials: Credentials | undefined,
  ) {}

  /** Whether the registry uses tokens instead of the credentials themselves. */
  get hasTokens(): boolean {
    return this.#challenge?.scheme === "bearer";
  }

  /**
   * Called when the registry refused a request with the header `refused`: the next one is authenticated again. A token that
   * another request got meanwhile is kept. Returns false if no scheme is supported.
   */
  challenged(
    challenges: readonly Challenge[],
    scopes: readonly string[],
    refused: string | undefined,
  ): boolean {
    const challenge =
      challenges.find(({ scheme }) => scheme === "bearer") ??
      challenges.find(({ scheme }) => scheme === "basic");
    if (!challenge) return false;
    this.#challenge = challenge;
    const key = scopeKey(scopes);
    if (refused === `Bearer ${this.#tokens.get(key)?.value}`) this.#tokens.delete(key);
    return true;
  }

  /** The Authorization header, if the registry has asked for one. Gets a new token if there is none or it has expired. */
  async header(options: Pick<RegistryRequest, "scopes" | "signal">): Promise<string | undefined> {
    const challenge = this.#challenge;
    if (challenge?.scheme === "basic") return this.credentials && basic(this.credentials);
    if (challenge?.scheme !== "bearer") return undefined;
    const key = scopeKey(options.scopes);
    const known = this.#tokens.get(key);
    if (known && known.until > Date.now()) return `Bearer ${known.value}`;
    let fetching = this.#fetching.get(key);
    if (!fetching) {
      fetching = this.#fetchToken(challenge, options).finally(() => this.#fetching.delete(key));
      this.#fetching.set(key, fetching);
    }
    const token = await fetching;
    this.#tokens.set(key, token);
    return `Bearer ${token.value}`;
  }

  /** Docker's token protocol: GET with Basic, or the OAuth2 refresh grant for an identity token. */
  async #fetchToken(
    { parameters }: Challenge,
    { scopes, signal }: Pick<RegistryRequest, "scopes" | "signal">,
  ): Promise<Token> {
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
    if (answer.statusCode === 401 || answer.statusCode === 403)
      throw denied(this.endpoint, credentials, answer.statusCode, true);
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
}

const scopeKey = (scopes: readonly string[]) => [...scopes].sort().join(" ");

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
