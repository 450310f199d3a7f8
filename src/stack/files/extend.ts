/** `extends` of a service: another service, of the same file or of another, below its own keys (Compose specification, 05-services.md). */
import { dirname, resolve } from "node:path";
import { nearest } from "../../core/diagnostics.ts";
import { extendsSchema } from "../schema/include.ts";
import type { FileReader } from "./file-reader.ts";
import { isMapping, mergeValues } from "./merge.ts";
import { rebaseService } from "./rebase.ts";
import { isWithin, rootOf } from "./remote.ts";

type Mapping = Record<string, unknown>;

/** A file's services with what they extend. `file` is its path, used for relative paths and to detect cycles. */
export function resolveExtends(value: unknown, file: string, reader: FileReader): unknown {
  if (!isMapping(value) || !isMapping(value.services)) return value;
  const { services } = value;
  const extended: Mapping = {};
  reader.origins.copy(services, extended);
  for (const name of Object.keys(services)) extended[name] = extend(services, name, file, reader, []);
  const whole = { ...value, services: extended };
  reader.origins.copy(value, whole);
  return whole;
}

function extend(
  services: Mapping,
  name: string,
  file: string,
  reader: FileReader,
  open: readonly string[],
): unknown {
  const service = services[name];
  if (!isMapping(service) || service.extends === undefined) return service;
  const { origins } = reader;
  const { extends: given, ...rest } = service;
  const own: Mapping = rest;
  origins.copy(service, own);
  const leave = () => {
    for (const each of [...open.map((path) => path.slice(path.lastIndexOf("#") + 1)), name])
      reader.shared.state.unextended.add(each);
    return own;
  };
  const bad = (message: string, hint?: string) => {
    const place = origins.of(service, "extends")[0]?.place;
    reader.report({
      severity: "error",
      code: "BAD_EXTENDS",
      message: `services.${name}.extends: ${message}`,
      ...(hint ? { hint } : {}),
      ...(place ? { place } : {}),
    });
    return leave();
  };
  const parsed = extendsSchema.safeParse(given);
  if (!parsed.success) return bad("expected the name of a service, or service and file");
  const wish = typeof parsed.data === "string" ? { service: parsed.data } : parsed.data;
  const other = wish.file === undefined ? file : resolve(dirname(file), wish.file);
  const root = rootOf(reader.shared.remote, file);
  if (root !== undefined && !isWithin(root, other))
    return bad(`the file ${wish.file} is outside of the fetched files`);
  const here = `${file}#${name}`;
  if (open.includes(here)) return bad("circular extends");
  const base = wish.file === undefined ? services : servicesOf(reader.read(other));
  if (!base && reader.isBroken(other)) return leave();
  if (!base) return bad(`the file ${other} does not exist, or has no services`);
  if (!Object.hasOwn(base, wish.service)) {
    const close = nearest(wish.service, Object.keys(base));
    return bad(`the service ${wish.service} does not exist`, close ? `did you mean ${close}?` : undefined);
  }
  const found = extend(base, wish.service, other, reader, [...open, here]);
  if (!isMapping(found)) return own;
  if (wish.file !== undefined) rebaseService(found, dirname(other));
  return mergeValues(found, own, origins, "", 2);
}

const servicesOf = (value: unknown): Mapping | undefined =>
  isMapping(value) && isMapping(value.services) ? value.services : undefined;
