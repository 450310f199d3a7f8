/** The group that may use bayd's socket. */
import { readFileSync } from "node:fs";
import { BayError } from "../../core/errors.ts";

/** The GID of a group of the host. Throws NO_SOCKET_GROUP. */
export function groupId(name: string): number {
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((row) => row.startsWith(`${name}:`));
  if (!line)
    throw new BayError("NO_SOCKET_GROUP", `the group ${name} does not exist on this host`, {
      hint: `groupadd --system ${name}`,
    });
  return Number(line.split(":")[2]);
}
