/** The name servers of the host. */
import { readFileSync } from "node:fs";

/** The host's DNS servers (resolv.conf(5)). */
export function hostNameServers(): string[] {
  return readFileSync("/etc/resolv.conf", "utf8")
    .split("\n")
    .flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
}
