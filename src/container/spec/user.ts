/**
 * The user that a container runs as: `user[:group]` by name or number, looked up in the image's files (passwd(5), group(5)).
 */
import { join } from "node:path";
import { BayError } from "../../core/errors.ts";
import { readImageFile } from "../../image/index.ts";

export interface Account {
  uid: number;
  gid: number;
  /** The primary group comes first. */
  groups: number[];
  home: string;
}

const MAX_ID = 2 ** 32 - 2;

function numeric(text: string): number | undefined {
  return /^\d+$/.test(text) && Number(text) <= MAX_ID ? Number(text) : undefined;
}

/** An ID from the image's file. The kernel would truncate an ID beyond 32 bits to another one, such as root's. */
function idIn(text: string | undefined, file: "passwd" | "group", name: string | undefined): number {
  const id = numeric(text ?? "");
  if (id !== undefined) return id;
  throw new BayError(
    "BAD_ID",
    `invalid ID ${JSON.stringify(text ?? "")} of ${name} in the image's /etc/${file}`,
    { hint: `use a number from 0 to ${MAX_ID}` },
  );
}

/** Reads a file of the container by path; undefined if it does not exist. */
export type ReadFile = (path: string) => string | undefined;

/** Resolves a user. An empty user is root. Throws UNKNOWN_USER, UNKNOWN_GROUP, BAD_ID. */
export function resolveUser(user: string, groupAdd: readonly string[], read: ReadFile): Account {
  const [name = "", groupName] = (user || "0").split(":");
  const rows = (path: string) => (read(path) ?? "").split("\n").map((line) => line.split(":"));
  const passwd = rows("etc/passwd");
  const groups = rows("etc/group");
  const id = numeric(name);
  const row = passwd.find((fields) => (id === undefined ? fields[0] === name : fields[2] === String(id)));
  if (id === undefined && !row) {
    throw new BayError("UNKNOWN_USER", `the image has no user ${name}`, {
      hint: "use a user of its /etc/passwd, or a number",
    });
  }
  const gidOf = (wanted: string): number => {
    const entry = groups.find((fields) => fields[0] === wanted);
    const number = numeric(wanted) ?? (entry && idIn(entry[2], "group", wanted));
    if (number === undefined) throw new BayError("UNKNOWN_GROUP", `the image has no group ${wanted}`);
    return number;
  };
  const account = row?.[0];
  const member = groupName
    ? []
    : groups.filter((fields) => account && (fields[3] ?? "").split(",").includes(account));
  const gid = groupName ? gidOf(groupName) : row ? idIn(row[3], "passwd", row[0]) : 0;
  // with the primary group: otherwise a setgid program would escape the permissions that a file denies to the group
  const groupIds = new Set([
    gid,
    ...member.map((fields) => idIn(fields[2], "group", fields[0])),
    ...groupAdd.map(gidOf),
  ]);
  return {
    uid: id ?? idIn(row![2], "passwd", name),
    gid,
    groups: [...groupIds],
    home: row?.[5] || "/",
  };
}

/**
 * Resolves `USER[:GROUP]` of COPY --chown in stacked directories, the topmost first. For a number without a group, the group
 * has the same number. Throws UNKNOWN_USER, UNKNOWN_GROUP.
 */
export function resolveOwner(
  text: string,
  directory: string,
  lower: readonly string[],
): { uid: number; gid: number } {
  const directories = lower.map((name) => join(directory, name));
  const { uid, gid } = resolveUser(text, [], (path) => readImageFile(directories, path));
  return /^\d+$/.test(text) ? { uid, gid: uid } : { uid, gid };
}
