/** The hosts of a stack: top-level `hosts`, or `x-bay-hosts` in files that Docker Compose reads too. */
import { addressVersion, canonicalAddress } from "../../core/ip.ts";
import type { ReportAt } from "../check/check.ts";
import { HOST_LIMITS, type StackHost, type StackHosts } from "../model/placement.ts";
import type { FileInput } from "../schema/schema.ts";
import { textMap } from "./service-reader.ts";

type Given = NonNullable<FileInput["hosts"]>;
type Bad = (path: (string | number)[], message: string, hint?: string) => void;

/** The hosts; undefined if the file does not mention any. Problems are reported at their places. */
export function readHosts(input: FileInput, report: ReportAt): StackHosts | undefined {
  const key = input.hosts === undefined ? "x-bay-hosts" : "hosts";
  const given = input[key];
  if (given === undefined) return undefined;
  const bad: Bad = (path, message, hint) =>
    report([key, ...path], {
      severity: "error",
      code: "BAD_VALUE",
      message: `${[key, ...path].join(".")}: ${message}`,
      ...(hint ? { hint } : {}),
    });
  if (input.hosts !== undefined && input["x-bay-hosts"] !== undefined)
    report(["x-bay-hosts"], {
      severity: "error",
      code: "BAD_VALUE",
      message: "x-bay-hosts: has the same meaning as hosts; use one of them",
    });
  if (given === "all") return "all";
  const entries = entriesOf(given, bad);
  if (entries.length === 0) bad([], "expected at least one host", "use all for all members");
  if (entries.length > HOST_LIMITS.hosts)
    bad([], `${entries.length} hosts; at most ${HOST_LIMITS.hosts} are allowed`);
  const hosts = Object.fromEntries(entries.map(([name, host]) => [name, readHost(name, host, bad)]));
  checkAddresses(hosts, bad);
  return hosts;
}

type HostInput = Exclude<Given, "all" | string[]>[string];

function entriesOf(given: Exclude<Given, "all">, bad: Bad): [string, HostInput][] {
  if (!Array.isArray(given)) return Object.entries(given);
  given.forEach((name, index) => {
    if (given.indexOf(name) < index) bad([index], `${name} is listed twice`);
  });
  return given.map((name) => [name, null]);
}

function readHost(name: string, host: HostInput, bad: Bad): StackHost {
  const labels = textMap(host?.labels);
  const count = Object.keys(labels).length;
  if (count > HOST_LIMITS.labels)
    bad([name, "labels"], `${count} labels; at most ${HOST_LIMITS.labels} are allowed`);
  for (const label of Object.keys(labels))
    if (!LABEL.test(label) || label.length > HOST_LIMITS.words)
      bad(
        [name, "labels", label],
        "the name of a label has letters, digits, - _ and . only, so that constraints can name it",
      );
  if (host?.address === undefined) return { address: undefined, labels };
  const parsed = parseHostAddress(host.address);
  if (parsed === undefined)
    bad(
      [name, "address"],
      `expected an IP address or a DNS name, with an optional port, got ${JSON.stringify(host.address)}`,
    );
  return { address: undefined, ...parsed, labels };
}

/** The part of a key after node.labels., as Docker's constraints allow it. */
const LABEL = /^[a-zA-Z0-9_.-]+$/;
const DNS_NAME =
  /^(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

/** `10.0.0.2`, `10.0.0.2:2376`, `fd00::2`, `[fd00::2]:2376`, `a.example:2376`; undefined if the text is invalid. */
export function parseHostAddress(text: string): { address: string; port?: number } | undefined {
  if (addressVersion(text) !== undefined) return { address: canonicalAddress(text) };
  const [, bracketed, plain = "", digits] = /^(?:\[([^[\]]*)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const name = bracketed ?? plain;
  const version = addressVersion(name);
  // only numbers and dots: an address that is not valid, and no DNS name
  const isName = bracketed === undefined && DNS_NAME.test(name) && !/^[\d.]+$/.test(name);
  if (bracketed === undefined ? version !== 4 && !isName : version !== 6) return undefined;
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined;
  const address = version === undefined ? name.toLowerCase() : canonicalAddress(name);
  return { address, ...(port === undefined ? {} : { port }) };
}

/** Two hosts may share an address only if their ports differ, as several hosts on one machine do. */
function checkAddresses(hosts: Record<string, StackHost>, bad: Bad): void {
  const owners = new Map<string, string>();
  for (const [name, { address, port }] of Object.entries(hosts)) {
    if (address === undefined) continue;
    const key = `${address} ${port}`;
    const owner = owners.get(key);
    if (owner !== undefined) bad([name, "address"], `${address} is also the address of ${owner}`);
    owners.set(key, name);
  }
}
