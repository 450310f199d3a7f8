/** Image routes of the Docker Engine API: list, inspect, pull, push, tag, load, save, remove, prune. */
import { rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { z } from "zod";
import { BayError, messageOf } from "../../errors.ts";
import {
  type Credentials,
  canonicalReference,
  familiarReference,
  type ImageRecord,
  isUntagged,
  type PullProgress,
  parseReference,
} from "../../image/index.ts";
import { type Call, parseJson, type Route, route, sendJson, startStream } from "../http.ts";
import type { Services } from "../server.ts";
import { drained } from "./log-stream.ts";
import { parseFilters } from "./shapes.ts";

const authHeader = z.object({
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
});

/** An archive that the client, on this same host, only names. */
const loadBody = z.object({ path: z.string().startsWith("/") });

/** The client's credentials for the image's registry. Throws BAD_REQUEST. */
function credentialsOf({ request }: Call): Credentials | undefined {
  const header = [request.headers["x-registry-auth"] ?? []].flat()[0];
  if (!header) return undefined;
  const parsed = authHeader.safeParse(parseJson(Buffer.from(header, "base64url")));
  if (!parsed.success) throw new BayError("BAD_REQUEST", "X-Registry-Auth is not what Docker's clients send");
  const { username, password, identitytoken } = parsed.data;
  if (identitytoken) return { username: "", password: "", identityToken: identitytoken };
  return username ? { username, password: password ?? "" } : undefined;
}

const STATUS: Record<PullProgress["status"], string> = {
  waiting: "Waiting",
  downloading: "Downloading",
  unpacking: "Extracting",
  exists: "Already exists",
  done: "Pull complete",
};

/** Docker's line about a layer. */
const layerLine = (
  status: string,
  { digest, current, total }: { digest: string; current?: number; total?: number },
) => ({
  status,
  progressDetail: total === undefined ? {} : { current, total },
  id: digest.slice(7, 19),
});

/** A stream as Docker's: lines of progress, an error at its end where there is one. */
async function streamed(
  call: Call,
  action: (write: (value: unknown) => void, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const write = startStream(call.response);
  const abort = new AbortController();
  call.response.on("close", () => call.response.writableFinished || abort.abort());
  try {
    await action(write, abort.signal);
  } catch (error) {
    const { code = "INTERNAL", hint } = error instanceof BayError ? error : {};
    const message = messageOf(error);
    write({ error: message, errorDetail: { message, code, ...(hint ? { hint } : {}) } });
  }
  call.response.end();
}

export function imageRoutes({ manager }: Services): Route[] {
  const { images } = manager;
  const usersOf = ({ id }: ImageRecord) => manager.list().filter(({ config }) => config.imageId === id);
  const namesOf = (id: string) => {
    const all = images.records.list().filter((record) => record.id === id);
    const named = all.filter(({ reference }) => !isUntagged(reference));
    return {
      RepoTags: named
        .filter(({ reference }) => !reference.includes("@"))
        .map(({ reference }) => familiarReference(reference)),
      RepoDigests: named.flatMap(({ reference, pulled }) => {
        if (!pulled) return [];
        const { registry, repository } = parseReference(reference);
        return [`${familiarReference(`${registry}/${repository}`)}@${pulled.digest}`];
      }),
    };
  };
  const byId = () => [...new Map(images.records.list().map((record) => [record.id, record])).values()];

  /** Takes an image away, or a name of it. Throws IMAGE_IN_USE. */
  const remove = async (text: string, force: boolean) => {
    const record = images.records.need(text);
    const names = images.records.list().filter(({ id }) => id === record.id);
    const isById = !names.some(
      ({ reference }) => familiarReference(reference) === familiarReference(safe(text)),
    );
    const gone = isById ? names : [record];
    const [user] = gone.length === names.length ? usersOf(record) : [];
    if (user && !force)
      throw new BayError("IMAGE_IN_USE", `the image ${text} is used by the container ${user.config.name}`, {
        hint: "remove that container first",
      });
    const answers: object[] = gone.map(({ reference }) => ({ Untagged: familiarReference(reference) }));
    for (const each of gone) {
      if (user) images.records.untag(each);
      else images.records.forget(each);
    }
    if (!user) await images.sweep();
    if (gone.length === names.length && !user) answers.push({ Deleted: record.id });
    manager.events.publish("image", "delete", record.id, { name: record.reference });
    return answers;
  };
  const inspect = (reference: string) => {
    const record = images.records.need(reference);
    return { record, config: images.configOf(record) };
  };

  return [
    route("GET", "/images/json", ({ response }) =>
      sendJson(
        response,
        200,
        byId().map((record) => ({
          Id: record.id,
          ...namesOf(record.id),
          Created: Math.floor(Date.parse(record.createdAt) / 1000),
          Size: record.size,
          SharedSize: -1,
          Labels: {},
          Containers: usersOf(record).length,
        })),
      ),
    ),
    route("GET", "/images/*/json", ({ response, parts }) => {
      const { record, config } = inspect(parts[0]!);
      sendJson(response, 200, {
        Id: record.id,
        ...namesOf(record.id),
        Created: config.created ?? record.createdAt,
        Author: config.author ?? "",
        Size: record.size,
        Architecture: config.architecture,
        Variant: config.variant ?? "",
        Os: config.os,
        Config: config.config ?? {},
        RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
        Descriptor: record.manifest,
      });
    }),
    route("GET", "/images/*/history", ({ response, parts }) => {
      const { record, config } = inspect(parts[0]!);
      const sizes = images.layersOf(record).map(({ size }) => size);
      const rows = (config.history ?? []).map((entry) => ({
        Id: "<missing>",
        Created: Math.floor(Date.parse(entry.created ?? "1970-01-01T00:00:00Z") / 1000),
        CreatedBy: entry.created_by ?? "",
        Comment: entry.comment ?? "",
        Size: entry.empty_layer ? 0 : (sizes.shift() ?? 0),
        Tags: null,
      }));
      sendJson(
        response,
        200,
        rows.reverse().map((row, index) => (index === 0 ? { ...row, Id: record.id } : row)),
      );
    }),
    route("POST", "/images/create", async (call) => {
      const { query } = call;
      const from = query.get("fromImage");
      if (!from)
        throw new BayError(
          "UNSUPPORTED",
          "importing a file system as an image over the API is not supported yet",
          {
            hint: "use rootfs: under images: in the stack file",
          },
        );
      const tag = query.get("tag");
      const reference = tag ? `${from}${tag.startsWith("sha256:") ? "@" : ":"}${tag}` : from;
      parseReference(reference);
      const before = images.records.find(reference);
      await streamed(call, async (write, signal) => {
        write({ status: `Pulling from ${parseReference(reference).repository}`, id: tag ?? "latest" });
        const image = await images.pull(reference, {
          platform: query.get("platform") || undefined,
          credentials: credentialsOf(call),
          onProgress: (progress) => write(layerLine(STATUS[progress.status], progress)),
          signal,
        });
        manager.events.publish("image", "pull", image.id, { name: familiarReference(image.reference) });
        write({ status: `Digest: ${image.pulled?.digest}` });
        const state = before?.id === image.id ? "Image is up to date" : "Downloaded newer image";
        write({ status: `Status: ${state} for ${familiarReference(image.reference)}` });
      });
    }),
    route("POST", "/images/*/push", async (call) => {
      const { parts, query } = call;
      const tag = query.get("tag");
      const reference = tag ? `${parts[0]}:${tag}` : parts[0]!;
      const record = images.records.need(reference);
      await streamed(call, async (write, signal) => {
        const { digest, size } = await images.push(record, {
          credentials: credentialsOf(call),
          onProgress: (progress) => write(layerLine(progress.status, progress)),
          signal,
        });
        write({ status: `${parseReference(record.reference).tag ?? ""}: digest: ${digest} size: ${size}` });
      });
    }),
    route("POST", "/images/*/tag", ({ response, parts, query }) => {
      const tag = query.get("tag");
      images.records.tag(parts[0]!, `${query.get("repo") ?? ""}${tag ? `:${tag}` : ""}`);
      response.writeHead(201).end();
    }),
    route("POST", "/bay/v1/images/load", async (call) => {
      const { path } = loadBody.parse(await call.json());
      await streamed(call, (write) => load(path, write));
    }),
    route("POST", "/images/load", async (call) => {
      const file = images.layers.temporary();
      try {
        await receive(call, file);
        await streamed(call, (write) => load(file, write));
      } finally {
        rmSync(file, { force: true });
      }
    }),
    route("GET", "/images/get", (call) =>
      save(
        call,
        call.query.getAll("names").flatMap((names) => names.split(",")),
      ),
    ),
    route("GET", "/images/*/get", (call) => save(call, [call.parts[0]!])),
    route("POST", "/images/prune", async ({ response, query }) => {
      const isAll = parseFilters(query.get("filters")).get("dangling")?.includes("false") ?? false;
      const unused = images.records
        .list()
        .filter((record) => usersOf(record).length === 0 && (isAll || isUntagged(record.reference)));
      for (const record of unused) images.records.forget(record);
      const swept = await images.sweep();
      sendJson(response, 200, {
        ImagesDeleted: unused.map(({ reference, id }) =>
          isUntagged(reference) ? { Deleted: id } : { Untagged: familiarReference(reference) },
        ),
        SpaceReclaimed: swept.bytes,
      });
    }),
    route("DELETE", "/images/*", async ({ response, parts, query }) =>
      sendJson(
        response,
        200,
        await remove(parts[0]!, query.get("force") === "1" || query.get("force") === "true"),
      ),
    ),
    route("GET", "/bay/v1/images/verify", async ({ response }) =>
      sendJson(response, 200, await images.verify()),
    ),
  ];

  async function load(path: string, write: (value: unknown) => void): Promise<void> {
    for (const { reference, id } of await images.loadArchive(path))
      write({
        stream: isUntagged(reference)
          ? `Loaded image ID: ${id}\n`
          : `Loaded image: ${familiarReference(reference)}\n`,
      });
  }

  async function save({ response }: Call, names: readonly string[]): Promise<void> {
    const records = names.map((name) => ({ record: images.records.need(name), name: safe(name) }));
    response.writeHead(200, { "Content-Type": "application/x-tar" });
    try {
      await images.saveArchive(records, async (bytes) => {
        if (response.destroyed) throw new BayError("ABORTED", "the client went away");
        if (!response.write(bytes)) await drained(response);
      });
      response.end();
    } catch {
      // an archive that ends without its end is seen by the client
      response.destroy();
    }
  }
}

/** Writes the body to a file. Not by pipeline(), which closes the connection with the request. */
async function receive({ request }: Call, path: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    for await (const part of request) await file.write(part as Buffer);
  } finally {
    await file.close();
  }
}

/** The canonical form of what may be a name; an ID stays as it is. */
function safe(text: string): string {
  try {
    return canonicalReference(text);
  } catch {
    return text;
  }
}
