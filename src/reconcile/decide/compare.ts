/**
 * Comparing a container with its desired configuration, field by field. Each field has its name in the stack
 * file, and says whether it can change on the live container or needs a replacement. Pure.
 */
import { type ContainerConfig, type HookConfig, withoutAnonymousNames } from "../../container/index.ts";
import { redacted, withoutPasswords } from "../../core/redaction.ts";
import { FIELDS, type Field, json, type Shown } from "./fields.ts";
import { showHooks } from "./shown-fields.ts";

export interface FieldChange {
  /** The name in the stack file: mem_limit, environment.DEBUG. */
  field: string;
  from: string;
  to: string;
  live: boolean;
  /** Shown instead of values that are secret. */
  text?: string;
}

/** All fields that differ. The recorded config may hold names that bay chose, such as those of anonymous volumes. */
export function compareConfigs(
  recorded: ContainerConfig,
  wanted: ContainerConfig,
  chosen: { id: string; anonymousVolumes: readonly string[] },
): FieldChange[] {
  const desired = withoutCovered(wanted, recorded);
  const actual = withoutChosen(recorded, desired, chosen);
  return FIELDS.flatMap((field) => {
    if (field.entries) return listChanges(field, field.entries(actual), field.entries(desired));
    const from = field.parts(actual);
    const to = field.parts(desired);
    if (field.name === "ports") return portChanges(Object.keys(from), Object.keys(to));
    const isWhole = field.core !== undefined && (isEmpty(from) || isEmpty(to));
    const parts = isWhole ? [field.core!] : [...new Set([...Object.keys(from), ...Object.keys(to)])];
    return parts
      .filter((part) => from[part] !== to[part])
      .map((part) => ({
        field: part === "" ? field.name : `${field.name}.${part}`,
        from: show(field.name, part, from[part]),
        to: show(field.name, part, to[part]),
        live: field.live,
        ...(isContent(field.name, from[part], to[part]) ? { text: "content changed" } : {}),
      }));
  });
}

/** Whether only the content of a secret or a config differs. */
function isContent(field: string, from: Shown, to: Shown): boolean {
  const withoutDigest = (shown: string) => shown.replace(/ [0-9a-f]{12} /, " ");
  const isFile = field === "secrets" || field === "configs";
  return isFile && from !== undefined && to !== undefined && withoutDigest(from) === withoutDigest(to);
}

const isEmpty = (parts: Record<string, Shown>) => Object.keys(parts).length === 0;

function listChanges({ name, live }: Field, from: readonly string[], to: readonly string[]): FieldChange[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return [];
  const gone = from.filter((entry) => !to.includes(entry));
  const fresh = to.filter((entry) => !from.includes(entry));
  if (gone.length + fresh.length === 0)
    return [{ field: name, from: show(name, "", json(from)), to: show(name, "", json(to)), live }];
  return [
    ...gone.map((entry) => ({ field: name, from: show(name, "", entry), to: "(none)", live })),
    ...fresh.map((entry) => ({ field: name, from: "(none)", to: show(name, "", entry), live })),
  ];
}

/** Pairs removed and added entries: first those with the same target, then in order. */
function portChanges(from: readonly string[], to: readonly string[]): FieldChange[] {
  const gone = from.filter((port) => !to.includes(port));
  const fresh = to.filter((port) => !from.includes(port));
  const targetOf = (port: string) => port.slice(port.lastIndexOf(":") + 1);
  const change = (before: string | undefined, after: string | undefined) => ({
    field: "ports",
    from: before ?? "(none)",
    to: after ?? "(none)",
    live: true,
  });
  const paired = gone.map((before) => {
    const same = fresh.findIndex((after) => targetOf(after) === targetOf(before));
    return [before, ...(same === -1 ? [] : fresh.splice(same, 1))] as const;
  });
  const changes = paired.map(([before, after]) => change(before, after ?? fresh.shift()));
  return [...changes, ...fresh.map((after) => change(undefined, after))];
}

/** Volumes of the image that are mounted from another container instead. */
function withoutCovered(desired: ContainerConfig, { mounts }: ContainerConfig): ContainerConfig {
  const taken = new Set(
    mounts.flatMap((mount) => (mount.type === "volume" && mount.from !== undefined ? [mount.target] : [])),
  );
  if (taken.size === 0) return desired;
  const isCovered = (mount: ContainerConfig["mounts"][number]) =>
    mount.type === "volume" && mount.isOfImage === true && taken.has(mount.target);
  return { ...desired, mounts: desired.mounts.filter((mount) => !isCovered(mount)) };
}

function withoutChosen(
  recorded: ContainerConfig,
  desired: ContainerConfig,
  chosen: { id: string; anonymousVolumes: readonly string[] },
): ContainerConfig {
  const isDefaultName =
    desired.hostname === "" &&
    (recorded.hostname === chosen.id.slice(0, 12) || recorded.networkMode === "host");
  return {
    ...recorded,
    hostname: isDefaultName ? "" : recorded.hostname,
    mounts: withoutAnonymousNames(recorded.mounts, chosen.anonymousVolumes),
  };
}

function show(field: string, part: string, value: Shown): string {
  if (value === undefined) return "(none)";
  if (field === "post_start" || field === "pre_stop")
    return withoutPasswords(showHooks(JSON.parse(value) as HookConfig[]));
  // changed content is reported, but never shown
  const text =
    value === "" ? '""' : field === "secrets" ? value.replace(/ [0-9a-f]{12} /, " (hidden) ") : value;
  return redacted(field, part, text);
}
