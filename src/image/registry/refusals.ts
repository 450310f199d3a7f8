/** Messages for a registry that cannot be reached or refuses a request: the cause, and the file or command to fix it. */
import { join } from "node:path";
import { configFolder } from "../../core/daemon-settings.ts";
import { messageOf } from "../../core/errors.ts";
import type { Credentials } from "./credentials.ts";
import { insecureHint } from "./settings.ts";

export interface Told {
  message: string;
  hint?: string;
}

/**
 * Describes a 401 or 403. `isLogin`: the credentials themselves were refused, by HTTP Basic or a token server; otherwise they
 * are valid but not sufficient.
 */
export function deniedMessage(host: string, credentials: Credentials | undefined, isLogin: boolean): Told {
  const login = `bay login ${host}`;
  if (!credentials)
    return {
      message: `${host} requires a login`,
      hint: `${login}; the image's name may also be wrong, or the image private`,
    };
  const { username, identityToken, source } = credentials;
  const user = identityToken ? "the login" : `the user name or password of ${JSON.stringify(username)}`;
  if (isLogin)
    return {
      message: `${host} rejected ${user}`,
      hint: source
        ? `they come from ${source}; "${login}" stores others, which are used first`
        : "check the user name (-u) and the password",
    };
  return {
    message: `${host} denies access${identityToken ? "" : ` to the user ${JSON.stringify(username)}`}`,
    hint: `check the name of the image, or log in as another user with "${login}"`,
  };
}

/** Describes a failed connection. */
export function unreachableMessage(host: string, cause: unknown): Told {
  const { code = "" } = cause as { code?: string };
  const text = messageOf(cause);
  const told = (why: string, hint?: string): Told => ({
    message: `${host} cannot be reached: ${why}`,
    ...(hint ? { hint } : {}),
  });
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT")
    return told("it does not answer");
  if (/wrong.version.number|packet length too long|http request|EPROTO/i.test(`${code} ${text}`))
    return told(
      "it does not use TLS",
      `the registry seems to use plain HTTP; to allow that, ${insecureHint(host)}`,
    );
  if (/before secure TLS connection/i.test(text))
    return told(text, `if the registry uses plain HTTP, ${insecureHint(host)}`);
  if (/certificate|self.signed|CERT|ALTNAME/i.test(`${code} ${text}`))
    return told(
      text,
      `put the certificate of its authority into ${join(configFolder(), "certs.d", host, "ca.crt")}, or ${insecureHint(host)}`,
    );
  if (code === "ENOTFOUND" || code === "ECONNREFUSED")
    return told(text, "check the registry's name and port");
  return told(text);
}
