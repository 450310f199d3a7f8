/** Where the containers of a service may run: `host`, deploy.mode, deploy.placement and the reserved CPUs. */
import { atPlace, nearest } from "../../core/diagnostics.ts";
import {
  HOST_LIMITS,
  type HostLabel,
  type PlacementConstraint,
  type ServicePlacement,
} from "../model/placement.ts";
import type { Service } from "../model/stack.ts";
import { parseConstraint, parseSpread } from "./constraints.ts";
import { optionalNumber, optionalText, type ServiceReader, strings } from "./service-reader.ts";

const PLACEMENT = ["deploy", "placement"];

/** What concerns several hosts; empty for a stack without hosts, for which `host` is an error. */
export function readPlacement(reader: ServiceReader): Pick<Service, "placement" | "endpointMode"> {
  const { deploy } = reader.input;
  const hosts = readHostNames(reader);
  if (reader.context.hosts === undefined) return {};
  const isGlobal = deploy?.mode === "global";
  const placement: ServicePlacement = {
    ...(hosts ? { hosts } : {}),
    constraints: readConstraints(reader),
    spread: readPreferences(reader),
    maxPerHost: readMaxPerHost(reader, isGlobal),
    isGlobal,
    reservedCpu: readReservedCpu(reader),
    platform: optionalText(reader.input.platform),
    where: whereOf(reader, hosts === undefined),
  };
  return {
    placement,
    ...(deploy?.endpoint_mode === undefined ? {} : { endpointMode: deploy.endpoint_mode }),
  };
}

function whereOf({ name, input, context }: ServiceReader, isFree: boolean): string {
  const own = isFree ? [] : input.host === undefined ? ["x-bay", "host"] : ["host"];
  const path = ["services", name, ...(isFree && input.deploy?.placement ? PLACEMENT : own)];
  return atPlace(context.locate(path), path.join("."));
}

/** Names under `host` or `x-bay.host`; undefined if there are none. */
function readHostNames(reader: ServiceReader): string[] | undefined {
  const { input, context } = reader;
  const ours = input["x-bay"]?.host;
  const given = input.host ?? ours;
  if (given === undefined) return undefined;
  const path = input.host === undefined ? ["x-bay", "host"] : ["host"];
  if (input.host !== undefined && ours !== undefined)
    reader.bad(["x-bay", "host"], "has the same meaning as host; use one of them");
  if (context.hosts === undefined) {
    reader.bad(path, "the file has no hosts", "declare them under hosts:");
    return undefined;
  }
  const names = strings(given);
  const at = (index: number) => (Array.isArray(given) ? [...path, index] : path);
  if (names.length === 0) reader.bad(path, "expected at least one host");
  if (names.length > HOST_LIMITS.hosts)
    reader.bad(path, `${names.length} hosts; at most ${HOST_LIMITS.hosts} are allowed`);
  const known = context.hosts === "all" ? undefined : Object.keys(context.hosts);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) < index) reader.bad(at(index), `${name} is listed twice`);
    if (!known || known.includes(name)) continue;
    const near = nearest(name, known);
    reader.unknown(
      at(index),
      `service ${reader.name} names the host ${name}, which is not declared`,
      near ? `did you mean ${near}?` : "declare it under hosts:",
    );
  }
  return names;
}

function readConstraints(reader: ServiceReader): PlacementConstraint[] {
  const all = reader.input.deploy?.placement?.constraints ?? [];
  const path = [...PLACEMENT, "constraints"];
  checkCount(reader, path, all.length, HOST_LIMITS.constraints);
  return all.slice(0, HOST_LIMITS.constraints).flatMap((given, index) => {
    const parsed = parseConstraint(String(given));
    const at = [...path, index];
    const whole = ["services", reader.name, ...at];
    if (!("message" in parsed))
      return [{ ...parsed, where: atPlace(reader.context.locate(whole), whole.join(".")) }];
    reader.bad(at, parsed.message, parsed.hint);
    return [];
  });
}

function readPreferences(reader: ServiceReader): HostLabel[] {
  const all = reader.input.deploy?.placement?.preferences ?? [];
  const path = [...PLACEMENT, "preferences"];
  checkCount(reader, path, all.length, HOST_LIMITS.preferences);
  return all.slice(0, HOST_LIMITS.preferences).flatMap(({ spread }, index) => {
    if (spread === undefined) {
      reader.bad([...path, index], "expected spread, the only strategy");
      return [];
    }
    const parsed = parseSpread(spread);
    if (!("message" in parsed)) return [parsed];
    reader.bad([...path, index, "spread"], parsed.message);
    return [];
  });
}

function checkCount(reader: ServiceReader, path: string[], count: number, most: number): void {
  if (count > most) reader.bad(path, `${count} entries; at most ${most} are allowed`);
}

/** 0 is no limit, as in Docker. */
function readMaxPerHost(reader: ServiceReader, isGlobal: boolean): number | undefined {
  const path = [...PLACEMENT, "max_replicas_per_node"];
  const most = optionalNumber(reader.input.deploy?.placement?.max_replicas_per_node);
  if (most === undefined || most === 0) return undefined;
  if (!Number.isSafeInteger(most) || most < 0) reader.bad(path, "expected a number of 0 or more");
  else if (isGlobal) reader.bad(path, "can only be used with mode replicated");
  return most;
}

/** Billionths of a CPU, in which Docker counts. */
function readReservedCpu(reader: ServiceReader): number | undefined {
  const cpus = optionalNumber(reader.input.deploy?.resources?.reservations?.cpus);
  if (cpus === undefined || cpus === 0) return undefined;
  const nanos = Math.round(cpus * 1e9);
  if (!Number.isSafeInteger(nanos) || nanos < 0)
    reader.bad(["deploy", "resources", "reservations", "cpus"], "expected a number of CPUs such as 0.5");
  return nanos;
}
