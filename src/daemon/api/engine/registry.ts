/** Routes of the Docker Engine API that ask a registry: auth and distribution; and the credentials that clients send along. */
import { z } from "zod";
import { BayError } from "../../../core/errors.ts";
import { type Credentials, checkLogin, findCredentials, parseReference, web } from "../../../image/index.ts";
import { type Call, goneSignal, type Route, route, sendJson } from "../http.ts";
import { parseJson, parseWith } from "../request-body.ts";

const secret = z
  .string()
  .max(64 << 10)
  .optional();
/** bay's own command adds `source`: where it found them. */
const authHeader = z.object({
  username: secret,
  password: secret,
  identitytoken: secret,
  source: z.string().max(4096).default("the header X-Registry-Auth"),
});

/** The body of `POST /auth` (AuthConfig); clients also send what they keep about the registry. */
export const authBody = z.looseObject({
  username: secret,
  password: secret,
  identitytoken: secret,
  serveraddress: z.string().max(4096).optional(),
});

/** The client's credentials for the image's registry. Throws BAD_REQUEST. */
export function credentialsOf({ request }: Call): Credentials | undefined {
  const header = [request.headers["x-registry-auth"] ?? []].flat()[0];
  if (!header) return undefined;
  const given = parseJson(Buffer.from(header, "base64url"), "X-Registry-Auth");
  const { source, ...auth } = parseWith(authHeader, given, "X-Registry-Auth");
  return readCredentials(auth, source);
}

function readCredentials(
  { username, password, identitytoken }: Omit<z.output<typeof authHeader>, "source">,
  source: string,
): Credentials | undefined {
  if (identitytoken) return { username: "", password: "", identityToken: identitytoken, source };
  return username ? { username, password: password ?? "", source } : undefined;
}

/** The registry of an address such as `https://index.docker.io/v1/`. Throws BAD_REQUEST. */
function registryOf(address: string): string {
  const host = address.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");
  if (["", "index.docker.io", "registry-1.docker.io"].includes(host)) return "docker.io";
  if (/^[\w.-]+(:\d{1,5})?$|^\[[\da-fA-F:.]+\](:\d{1,5})?$/.test(host)) return host;
  throw new BayError(
    "BAD_REQUEST",
    `serveraddress: expected the host of a registry, got ${JSON.stringify(address)}`,
  );
}

export function registryRoutes(): Route[] {
  return [
    route("POST", "/auth", async (call) => {
      const { serveraddress = "", ...auth } = await call.body(authBody);
      const credentials = readCredentials(auth, "the request");
      const given = credentials ?? { username: "", password: "" };
      await checkLogin(registryOf(serveraddress), given, goneSignal(call.response));
      sendJson(call.response, 200, { Status: "Login Succeeded", IdentityToken: "" });
    }),
    route("GET", "/distribution/*/json", async (call) => {
      const reference = parseReference(call.parts[0]!);
      const given = credentialsOf(call);
      const { mediaType, digest, size, platforms } = await web.describeImage(
        reference,
        async (host) => (host === reference.registry ? given : undefined) ?? findCredentials(host),
        goneSignal(call.response),
      );
      sendJson(call.response, 200, {
        Descriptor: { mediaType, digest, size },
        Platforms: platforms,
      });
    }),
  ];
}
