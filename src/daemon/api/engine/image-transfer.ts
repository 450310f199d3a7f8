/** Routes of the Docker Engine API that move images: pull, import, push, search, load, save. */
import { z } from "zod";
import { changedConfig } from "../../../build/index.ts";
import { BayError } from "../../../core/errors.ts";
import {
  archives,
  familiarReference,
  findCredentials,
  isUntagged,
  nameOrId,
  type PullProgress,
  parseReference,
  web,
} from "../../../image/index.ts";
import { roomWarnings } from "../../../store/index.ts";
import { type Call, type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";
import { parameters } from "./parameters.ts";
import { withTag } from "./query.ts";
import { credentialsOf } from "./registry.ts";
import { sendArchive, streamed, withBodyFile } from "./transfers.ts";

/** An archive on this host, of which the client sends only the path. */
const loadBody = z.object({ path: z.string().max(4096).startsWith("/") });

/** A file on this host that the client created for an archive. */
const saveBody = z.object({
  names: z.array(z.string().max(4096)).min(1).max(1000),
  path: z.string().max(4096).startsWith("/"),
  dev: z.number().int().nonnegative(),
  ino: z.number().int().nonnegative(),
});

const STATUS: Record<PullProgress["status"], string> = {
  waiting: "Waiting",
  downloading: "Downloading",
  unpacking: "Extracting",
  exists: "Already exists",
  done: "Pull complete",
};

/** Docker's progress line for a layer. */
const layerLine = (
  status: string,
  { digest, current, total }: { digest: string; current?: number; total?: number },
) => ({
  status,
  progressDetail: total === undefined ? {} : { current, total },
  id: digest.slice(7, 19),
});

const DEFAULT_RESULTS = 25;

/** `HOST[:PORT]/TERM`; without a host, Docker Hub. */
function searchTerm(text: string): { registry: string; term: string } {
  const slash = text.indexOf("/");
  const host = slash === -1 ? text : text.slice(0, slash);
  const isHost = /[.:]/.test(host) || host === "localhost";
  if (isHost) return { registry: host, term: slash === -1 ? "" : text.slice(slash + 1) };
  return { registry: "docker.io", term: text };
}

export function imageTransferRoutes({ manager }: Services): Route[] {
  const { images } = manager;
  return [
    route("POST", "/images/create", async (call) => {
      const { query } = call;
      const { fromImage: from, fromSrc, tag, platform } = parameters("POST /images/create", query);
      if (fromSrc) return importImage(call, fromSrc);
      if (!from) throw new BayError("BAD_REQUEST", "the query names neither fromImage nor fromSrc");
      const reference = withTag(from, tag);
      const { repository } = parseReference(reference);
      const credentials = credentialsOf(call);
      const before = images.records.find(reference);
      await streamed(call, async (write, signal) => {
        write({ status: `Pulling from ${repository}`, id: tag ?? "latest" });
        const image = await images.registries.pull(reference, {
          platform,
          credentials,
          onProgress: (progress) => write(layerLine(STATUS[progress.status], progress)),
          signal,
        });
        manager.events.publish("image", "pull", image.id, { name: familiarReference(image.reference) });
        write({ status: `Digest: ${image.pulled?.digest}` });
        const state = before?.id === image.id ? "Image is up to date" : "Downloaded newer image";
        write({ status: `Status: ${state} for ${familiarReference(image.reference)}` });
        for (const warning of roomWarnings(manager.roots)) write({ status: `warning: ${warning}` });
      });
    }),
    route("GET", "/images/search", async (call) => {
      const { response, query } = call;
      const { term: wanted, limit = DEFAULT_RESULTS } = parameters("GET /images/search", query);
      const { registry, term } = searchTerm(wanted ?? "");
      const credentials = credentialsOf(call) ?? (await findCredentials(registry));
      const names = await web.searchRegistry(registry, term, limit, credentials);
      sendJson(
        response,
        200,
        names.map((name) => ({
          name,
          description: "",
          is_official: false,
          is_automated: false,
          star_count: 0,
        })),
      );
    }),
    route("POST", "/images/*/push", async (call) => {
      const { parts, query } = call;
      const { tag } = parameters("POST /images/*/push", query);
      const record = images.records.need(withTag(parts[0]!, tag));
      const credentials = credentialsOf(call);
      await streamed(call, async (write, signal) => {
        const { digest, size } = await images.registries.push(record, {
          credentials,
          onProgress: (progress) => write(layerLine(progress.status, progress)),
          signal,
        });
        manager.events.publish("image", "push", record.id, { name: familiarReference(record.reference) });
        write({ status: `${parseReference(record.reference).tag ?? ""}: digest: ${digest} size: ${size}` });
      });
    }),
    route("POST", "/bay/v1/images/load", async (call) => {
      const { path } = await call.ownBody(loadBody);
      await streamed(call, (write) => load(path, write));
    }),
    route("POST", "/images/load", (call) => {
      const file = images.layers.temporary();
      return withBodyFile(call, { file }, (write) => load(file, write));
    }),
    route("POST", "/bay/v1/images/save", async (call) => {
      const { names, ...target } = await call.ownBody(saveBody);
      const records = chosen(names);
      await streamed(call, (_, signal) =>
        archives.intoFile(target, signal, (sink) => images.archives.save(records, sink)),
      );
    }),
    route("GET", "/images/get", (call) =>
      save(
        call,
        parameters("GET /images/get", call.query).names.flatMap((names) => names.split(",")),
      ),
    ),
    route("GET", "/images/*/get", (call) => save(call, [call.parts[0]!])),
  ];

  /** Creates an image from a file system in the body, or at a URL; `changes` are instructions for its config. */
  async function importImage(call: Call, source: string): Promise<void> {
    const { repo, tag, changes, message, platform } = parameters("POST /images/create", call.query);
    const name = repo ? withTag(repo, tag) : undefined;
    if (name) parseReference(name);
    const config = changedConfig({}, changes);
    const file = images.layers.temporary();
    await withBodyFile(call, { file, hasBody: source === "-" }, async (write, signal) => {
      if (source !== "-") await web.fetchUrl(source, file, { signal });
      const image = await images.importTar(file, {
        name,
        comment: message || `Imported from ${source}`,
        platform,
        config,
      });
      manager.events.publish("image", "import", image.id, { name: name ?? image.id });
      write({ status: image.id });
    });
  }

  async function load(path: string, write: (value: unknown) => void): Promise<void> {
    for (const { reference, id } of await images.archives.load(path)) {
      const name = isUntagged(reference) ? id : familiarReference(reference);
      manager.events.publish("image", "load", id, { name });
      write({
        stream: isUntagged(reference)
          ? `Loaded image ID: ${id}\n`
          : `Loaded image: ${familiarReference(reference)}\n`,
      });
    }
  }

  /** Throws IMAGE_NOT_FOUND. */
  function chosen(names: readonly string[]) {
    return names.map((name) => ({ record: images.records.need(name), name: nameOrId(name) }));
  }

  async function save({ response }: Call, names: readonly string[]): Promise<void> {
    const records = chosen(names);
    for (const { record } of records)
      manager.events.publish("image", "save", record.id, { name: familiarReference(record.reference) });
    await sendArchive(response, (put) => images.archives.save(records, put));
  }
}
