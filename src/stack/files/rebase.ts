/** Converting the paths of a file in another directory from relative to absolute. */
import { resolve } from "node:path";
import { REMOTE } from "../normalise/build.ts";
import { isMapping } from "./merge.ts";

type Mapping = Record<string, unknown>;

/** Makes a service's paths absolute, in place. Absolute paths are unchanged, so it can be applied twice. */
export function rebaseService(service: Mapping, directory: string): void {
  const placed = (text: unknown) => (typeof text === "string" ? resolve(directory, text) : text);
  const context = (text: unknown) => (typeof text === "string" && REMOTE.test(text) ? text : placed(text));
  const { build, develop } = service;
  if (typeof build === "string") service.build = context(build);
  else if (isMapping(build)) {
    build.context = context(build.context ?? ".");
    rebaseContexts(build, context);
  }
  for (const key of ["env_file", "label_file"]) service[key] = eachPath(service[key], placed);
  if (Array.isArray(service.volumes))
    service.volumes.forEach((mount, index, all) => {
      all[index] = rebaseMount(mount, directory);
    });
  if (isMapping(develop) && Array.isArray(develop.watch))
    for (const rule of develop.watch) if (isMapping(rule)) rule.path = placed(rule.path);
  for (const key of ["env_file", "label_file"]) if (service[key] === undefined) delete service[key];
}

function rebaseContexts(build: Mapping, context: (text: unknown) => unknown): void {
  const { additional_contexts: contexts } = build;
  if (isMapping(contexts))
    for (const [name, value] of Object.entries(contexts)) contexts[name] = context(value);
  else if (Array.isArray(contexts))
    contexts.forEach((entry, index) => {
      const [name, value] = String(entry).split(/=(.*)/s);
      contexts[index] = `${name}=${context(value ?? "")}`;
    });
}

/** A path, a list of paths, or mappings that contain one. */
function eachPath(value: unknown, placed: (text: unknown) => unknown): unknown {
  if (typeof value === "string") return placed(value);
  if (!Array.isArray(value)) return value;
  value.forEach((entry, index) => {
    if (isMapping(entry)) entry.path = placed(entry.path);
    else value[index] = placed(entry);
  });
  return value;
}

function rebaseMount(mount: unknown, directory: string): unknown {
  if (typeof mount === "string") {
    const [source = "", ...rest] = mount.split(":");
    return /^\.{1,2}(\/|$)/.test(source) && rest.length > 0
      ? [resolve(directory, source), ...rest].join(":")
      : mount;
  }
  if (
    isMapping(mount) &&
    mount.type === "bind" &&
    typeof mount.source === "string" &&
    !mount.source.startsWith("~")
  )
    mount.source = resolve(directory, mount.source);
  return mount;
}

/** Like `rebaseService`, for a whole file. */
export function rebaseFile(file: Mapping, directory: string): void {
  const each = (section: unknown, action: (entry: Mapping) => void) => {
    if (isMapping(section)) for (const entry of Object.values(section)) if (isMapping(entry)) action(entry);
  };
  each(file.services, (service) => rebaseService(service, directory));
  for (const section of [file.secrets, file.configs])
    each(section, (given) => {
      if (typeof given.file === "string") given.file = resolve(directory, given.file);
    });
  each(file.volumes, ({ driver_opts: options }) => {
    if (!isMapping(options) || typeof options.device !== "string" || options.device === "") return;
    if (/(^|,)r?bind(,|$)/.test(String(options.o ?? ""))) options.device = resolve(directory, options.device);
  });
  each(file.images, (image) => {
    if (typeof image.rootfs === "string") image.rootfs = resolve(directory, image.rootfs);
    if (typeof image.archive === "string") image.archive = resolve(directory, image.archive);
    else if (isMapping(image.archive) && typeof image.archive.path === "string")
      image.archive.path = resolve(directory, image.archive.path);
  });
}
