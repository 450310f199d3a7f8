/** Who a container runs as: `user[:group]` by name or number, looked up in the image's own files (passwd(5), group(5)). */
import { join } from "node:path";
import { BayError } from "../errors.ts";
import { readImageFile } from "../image/index.ts";

export interface Account {
  uid: number;
  gid: number;
  /** Its own group first. */
  groups: number[];
  home: string;
}

const MAX_ID = 2 ** 32 - 2;

function numeric(text: string): number | undefined {
  return /^\d+$/.test(text) && Number(text) <= MAX_ID ? Number(text) : undefined;
}

/** Reads a file of the container by path; undefined where it has none. */
export type ReadFile = (path: string) => string | undefined;

/** Throws UNKNOWN_USER, UNKNOWN_GROUP. An empty user is root. */
export function resolveUser(user: string, groupAdd: readonly string[], read: ReadFile): Account {
  const [name = "", groupName] = (user || "0").split(":");
  const rows = (path: string) => (read(path) ?? "").split("\n").map((line) => line.split(":"));
  const passwd = rows("etc/passwd");
  const groups = rows("etc/group");
  const id = numeric(name);
  const row = passwd.find((fields) => (id === undefined ? fields[0] === name : fields[2] === String(id)));
  if (id === undefined && !row) {
    throw new BayError("UNKNOWN_USER", `the image has no user ${name}`, {
      hint: "name one of its /etc/passwd, or give a number",
    });
  }
  const gidOf = (wanted: string): number => {
    const number = numeric(wanted) ?? numeric(groups.find((fields) => fields[0] === wanted)?.[2] ?? "");
    if (number === undefined) throw new BayError("UNKNOWN_GROUP", `the image has no group ${wanted}`);
    return number;
  };
  const account = row?.[0];
  const member = groupName
    ? []
    : groups.filter((fields) => account && (fields[3] ?? "").split(",").includes(account));
  const gid = groupName ? gidOf(groupName) : Number(row?.[3] ?? 0);
  // its own group is among them: a setgid program would else take from it what a file denies the group
  const groupIds = new Set([gid, ...member.map((fields) => Number(fields[2])), ...groupAdd.map(gidOf)]);
  return {
    uid: id ?? Number(row![2]),
    gid,
    groups: [...groupIds].filter(Number.isInteger),
    home: row?.[5] || "/",
  };
}

/**
 * `USER[:GROUP]` of COPY --chown, in directories that lie over each other, the topmost first. A number without a group is
 * the group's number too. Throws UNKNOWN_USER, UNKNOWN_GROUP.
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
