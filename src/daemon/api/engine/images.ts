/**
 * Image routes of the Docker Engine API: list, inspect, history, tag, remove, prune. image-transfer.ts has pull, push and
 * archives.
 */
import { join } from "node:path";
import { imagesOf } from "../../../container/index.ts";
import { BayError } from "../../../core/errors.ts";
import {
  familiarReference,
  type ImageRecord,
  isUntagged,
  layerName,
  nameOrId,
  parseReference,
  registryDigests,
} from "../../../image/index.ts";
import { type Route, route, sendJson } from "../http.ts";
import type { Services } from "../server.ts";
import { ageAndLabelTest, booleanFilter } from "./filters.ts";
import { imageFilter } from "./list-filters.ts";
import { parameters } from "./parameters.ts";
import { withTag } from "./query.ts";
import { referencePattern } from "./reference-pattern.ts";
import { imageView } from "./views.ts";

export function imageRoutes({ manager, stacks }: Services): Route[] {
  const { images } = manager;
  const usersOf = ({ id }: ImageRecord) =>
    manager.list().filter(({ config }) => imagesOf(config).includes(id));
  const namesOf = (id: string) => {
    const all = images.records.list().filter((record) => record.id === id);
    const named = all.filter(({ reference }) => !isUntagged(reference));
    return {
      RepoTags: images.records.tagsOf(id),
      RepoDigests: [
        ...new Set(
          named.flatMap((record) => {
            const { registry, repository } = parseReference(record.reference);
            const name = familiarReference(`${registry}/${repository}`);
            return registryDigests(record).map((digest) => `${name}@${digest}`);
          }),
        ),
      ],
    };
  };
  const byId = () => [...new Map(images.records.list().map((record) => [record.id, record])).values()];

  /** Removes an image, or one of its names. Throws IMAGE_IN_USE. */
  const remove = async (text: string, force: boolean) => {
    const record = images.records.need(text);
    const names = images.records.list().filter(({ id }) => id === record.id);
    const isById =
      images.records.byId(text) !== undefined &&
      !names.some(({ reference }) => familiarReference(reference) === familiarReference(nameOrId(text)));
    const gone = isById ? names : [record];
    const [user] = gone.length === names.length ? usersOf(record) : [];
    if (user && !force)
      throw new BayError("IMAGE_IN_USE", `the image ${text} is used by the container ${user.config.name}`, {
        hint: "remove the container first",
      });
    const answers: object[] = gone.map(({ reference }) => ({ Untagged: familiarReference(reference) }));
    for (const each of gone) {
      if (user) images.records.untag(each);
      else images.records.forget(each);
    }
    if (!user) await images.sweep();
    for (const { reference } of gone)
      manager.events.publish("image", "untag", record.id, { name: familiarReference(reference) });
    if (gone.length === names.length && !user) {
      answers.push({ Deleted: record.id });
      manager.events.publish("image", "delete", record.id, { name: record.id });
    }
    return answers;
  };
  const layerDirectories = (diffIds: readonly string[]) =>
    diffIds
      .map((diffId) => join(images.layers.directory, layerName(diffId)))
      .reverse()
      .join(":");
  const inspect = (reference: string) => {
    const record = images.records.need(reference);
    return { record, config: images.configOf(record) };
  };

  return [
    route("GET", "/images/json", ({ response, query }) => {
      const { filters, filter } = parameters("GET /images/json", query);
      const matches = imageFilter(filters, (name) => images.records.need(name).createdAt);
      // Docker's old form of a reference
      const isNamed = filter ? referencePattern(filter) : () => true;
      // with a filter by name, only the matching names of an image are shown
      const patterns = (filters.get("reference") ?? []).map(referencePattern);
      const isAskedFor = (tag: string) => patterns.length === 0 || patterns.some((test) => test(tag));
      const shown = byId().filter((record) => {
        const view = imageView(manager, record);
        return matches(view) && (!filter || view.names.some(isNamed));
      });
      sendJson(
        response,
        200,
        shown.map((record) => {
          const { RepoTags, RepoDigests } = namesOf(record.id);
          const tags = RepoTags.filter(isAskedFor);
          const repositories = new Set(tags.map((tag) => tag.replace(/:[^/:]*$/, "")));
          return {
            Id: record.id,
            ParentId: "",
            RepoTags: tags,
            RepoDigests: RepoDigests.filter(
              (digest) => isAskedFor(digest) || repositories.has(digest.split("@", 1)[0]!),
            ),
            Created: Math.floor(Date.parse(record.createdAt) / 1000),
            Size: record.size,
            SharedSize: -1,
            Labels: {},
            Containers: usersOf(record).length,
          };
        }),
      );
    }),
    route("GET", "/images/*/json", ({ response, parts }) => {
      const { record, config } = inspect(parts[0]!);
      sendJson(response, 200, {
        Id: record.id,
        ...namesOf(record.id),
        Parent: "",
        Comment: config.history?.at(-1)?.comment ?? "",
        Created: config.created ?? record.createdAt,
        DockerVersion: "",
        Author: config.author ?? "",
        Size: record.size,
        Architecture: config.architecture,
        Variant: config.variant ?? "",
        Os: config.os,
        Config: config.config ?? {},
        // Docker removed it in API 1.45; docker-compose 1.29 reads its volumes
        ContainerConfig: config.config ?? {},
        RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
        GraphDriver: {
          Name: "overlay2",
          Data: { LowerDir: layerDirectories(config.rootfs.diff_ids) },
        },
        Metadata: { LastTagTime: record.createdAt },
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
    route("POST", "/images/*/tag", ({ response, parts, query }) => {
      const { repo, tag } = parameters("POST /images/*/tag", query);
      if (!repo)
        throw new BayError("BAD_REQUEST", "the parameter repo (the new name of the image) is required");
      const name = withTag(repo, tag);
      images.records.tag(parts[0]!, name);
      manager.events.publish("image", "tag", images.records.need(name).id, {
        name: familiarReference(nameOrId(name)),
      });
      response.writeHead(201).end();
    }),
    route("POST", "/images/prune", async ({ response, query }) => {
      const { filters } = parameters("POST /images/prune", query);
      const isAll = booleanFilter(filters, "dangling") === false;
      const matches = ageAndLabelTest(filters);
      const byLabel = filters.has("label") || filters.has("label!");
      const { images: needed } = stacks.needed(); // by revisions of stacks that can be restored
      const unused = images.records
        .list()
        .filter(
          (record) =>
            usersOf(record).length === 0 && !needed.has(record.id) && (isAll || isUntagged(record.reference)),
        )
        .filter((record) => {
          const labels = byLabel ? (images.configOf(record).config?.Labels ?? {}) : {};
          return matches({ createdAt: record.createdAt, labels });
        });
      for (const record of unused) images.records.forget(record);
      const swept = await images.sweep({ unfinished: true });
      manager.events.publish("image", "prune", "", { reclaimed: String(swept.bytes) });
      sendJson(response, 200, {
        ImagesDeleted: unused.map(({ reference, id }) =>
          isUntagged(reference) ? { Deleted: id } : { Untagged: familiarReference(reference) },
        ),
        SpaceReclaimed: swept.bytes,
      });
    }),
    route("DELETE", "/images/*", async ({ response, parts, query }) =>
      sendJson(response, 200, await remove(parts[0]!, parameters("DELETE /images/*", query).force)),
    ),
    route("GET", "/bay/v1/images/verify", async ({ response }) =>
      sendJson(response, 200, await images.verify()),
    ),
  ];
}
