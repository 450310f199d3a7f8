/** `RUN --mount=type=…` (Dockerfile reference): comma-separated KEY=VALUE, in CSV where a value has commas. */
import { posix } from "node:path";
import { csvFields } from "../../core/csv.ts";
import { nearest } from "../../core/diagnostics.ts";
import { BayError } from "../../core/errors.ts";

export type RunMount =
  | { type: "bind"; target: string; source: string; from: string | undefined; readOnly: boolean }
  | {
      type: "cache";
      target: string;
      id: string;
      sharing: "shared" | "private" | "locked";
      readOnly: boolean;
      from: string | undefined;
      source: string;
      mode: number;
      uid: number;
      gid: number;
    }
  | { type: "tmpfs"; target: string; size: number | undefined }
  | {
      type: "secret" | "ssh";
      /** Undefined for a secret that is only an environment variable. */
      target: string | undefined;
      /** The environment variable that holds the secret. */
      env: string | undefined;
      id: string;
      required: boolean;
      mode: number;
      uid: number;
      gid: number;
    };

const KEYS: Record<RunMount["type"], readonly string[]> = {
  bind: ["target", "source", "from", "readonly"],
  cache: ["target", "source", "from", "readonly", "id", "sharing", "mode", "uid", "gid"],
  tmpfs: ["target", "size"],
  secret: ["target", "id", "env", "required", "mode", "uid", "gid"],
  ssh: ["target", "id", "required", "mode", "uid", "gid"],
};
const SAME: Record<string, string> = {
  dst: "target",
  destination: "target",
  src: "source",
  ro: "readonly",
};
const UNITS: Record<string, number> = { "": 1, b: 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 };

const bad = (message: string, hint?: string) =>
  new BayError("BAD_DOCKERFILE", `RUN --mount: ${message}`, hint ? { hint } : {});

/** Parses a mount; variables in `text` are replaced already. Throws BAD_DOCKERFILE. */
export function parseRunMount(text: string): RunMount {
  const fields = new Map<string, string>();
  let isWritable: boolean | undefined;
  for (const field of csvFields(text)) {
    const at = field.indexOf("=");
    const written = (at === -1 ? field : field.slice(0, at)).trim().toLowerCase();
    const value = at === -1 ? undefined : field.slice(at + 1);
    if (written === "rw" || written === "readwrite") {
      isWritable = yes(written, value);
      continue;
    }
    const key = SAME[written] ?? written;
    if (value === undefined && key !== "readonly" && key !== "required")
      throw bad(`${JSON.stringify(field)} has no value`, `${written}=VALUE`);
    fields.set(key, value ?? "true");
  }
  const type = fields.get("type") ?? "bind";
  fields.delete("type");
  if (!isType(type))
    throw bad(`unknown type ${JSON.stringify(type)}`, `expected one of ${Object.keys(KEYS).join(", ")}`);
  for (const key of fields.keys()) checkKey(type, key);
  if (isWritable !== undefined && type !== "bind" && type !== "cache")
    throw bad(`${type} does not support readwrite`);
  if (fields.has("readonly")) isWritable = !yes("readonly", fields.get("readonly"));
  return make(type, fields, isWritable);
}

/** Resolves a relative target in the working directory. Throws BAD_DOCKERFILE for the root. */
export function placeRunMount(mount: RunMount, workdir: string): RunMount {
  if (mount.target === undefined) return mount;
  const target = posix.resolve("/", workdir, mount.target);
  if (target === "/")
    throw bad(`the target ${JSON.stringify(mount.target)} is the root directory`, "name a directory");
  return { ...mount, target };
}

const isType = (text: string): text is RunMount["type"] => Object.hasOwn(KEYS, text);

function checkKey(type: RunMount["type"], key: string): void {
  if (KEYS[type].includes(key)) return;
  const close = nearest(key, KEYS[type]);
  throw bad(
    `type=${type} does not support ${JSON.stringify(key)}`,
    close ? `did you mean ${close}?` : `expected one of ${KEYS[type].join(", ")}`,
  );
}

function make(
  type: RunMount["type"],
  fields: ReadonlyMap<string, string>,
  isWritable: boolean | undefined,
): RunMount {
  const target = fields.get("target") ?? "";
  const source = fields.get("source") ?? "";
  const from = fields.get("from") || undefined;
  if (target === "" && type !== "secret" && type !== "ssh") throw bad(`type=${type} needs a target`);
  const numbers = (mode: number) => ({
    mode: whole(fields, "mode", mode, 8),
    uid: whole(fields, "uid", 0),
    gid: whole(fields, "gid", 0),
  });
  switch (type) {
    case "bind":
      return { type, target, source: source || "/", from, readOnly: isWritable !== true };
    case "tmpfs":
      return { type, target, size: sizeOf(fields.get("size")) };
    case "cache":
      return {
        type,
        target,
        source: source || "/",
        from,
        id: fields.get("id") ?? "",
        sharing: sharingOf(fields.get("sharing") ?? "shared"),
        readOnly: isWritable === false,
        ...numbers(0o755),
      };
    default: {
      const env = fields.get("env") || undefined;
      const id = fields.get("id") || (target === "" ? "" : target.slice(target.lastIndexOf("/") + 1));
      if (type === "secret" && id === "") throw bad("a secret needs an id or a target");
      return {
        type,
        id: id || "default",
        env,
        required: yes("required", fields.get("required") ?? "false"),
        target: target || (env ? undefined : type === "secret" ? `/run/secrets/${id}` : undefined),
        ...numbers(type === "secret" ? 0o400 : 0o600),
      };
    }
  }
}

function sharingOf(text: string): "shared" | "private" | "locked" {
  if (text === "shared" || text === "private" || text === "locked") return text;
  throw bad(`sharing: expected shared, private or locked, got ${JSON.stringify(text)}`);
}

function yes(key: string, value: string | undefined): boolean {
  if (value === undefined || value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw bad(`${key}: expected true or false, got ${JSON.stringify(value)}`);
}

function whole(fields: ReadonlyMap<string, string>, key: string, otherwise: number, base = 10): number {
  const text = fields.get(key);
  if (text === undefined) return otherwise;
  if (!(base === 8 ? /^[0-7]{1,7}$/ : /^\d{1,10}$/).test(text))
    throw bad(`${key}: invalid ${base === 8 ? "octal " : ""}number ${JSON.stringify(text)}`);
  return Number.parseInt(text, base);
}

function sizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([bkmg]?)b?$/i.exec(text) ?? [];
  if (number === undefined) throw bad(`invalid size ${JSON.stringify(text)}`, "for example 64m");
  return Math.round(Number(number) * UNITS[unit.toLowerCase()]!);
}
