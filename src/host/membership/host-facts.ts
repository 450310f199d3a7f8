/** What this host says of itself when it becomes a member. */
import { cpus, hostname, networkInterfaces, totalmem } from "node:os";
import { BayError } from "../../core/errors.ts";
import { TLS_PORT } from "../../core/host-address.ts";
import { type HostFacts, hostFacts } from "../model/member.ts";

export interface FactOptions {
  name?: string | undefined;
  address?: string | undefined;
  port?: number | undefined;
  labels?: Record<string, string> | undefined;
}

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64", arm64: "arm64" };

/** Throws BAD_MEMBER, which names every problem. `reached`: the local address of a connection to the cluster. */
export function ownFacts(options: FactOptions, reached?: string): HostFacts {
  const facts = {
    name: options.name ?? plainHostName(),
    address: options.address ?? reached ?? onlyAddress(),
    port: options.port ?? TLS_PORT,
    labels: options.labels ?? {},
    platform: { os: "linux", arch: ARCHITECTURES[process.arch] ?? process.arch },
    capacity: { cpus: cpus().length, memoryBytes: totalmem() },
  };
  const parsed = hostFacts.safeParse(facts);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new BayError("BAD_MEMBER", problems.join("; "));
}

const plainHostName = () => hostname().split(".")[0]!.toLowerCase();

/** The address of this host that is no loopback and no bridge's. Throws BAD_MEMBER if there are several or none. */
function onlyAddress(): string {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    /^(bay|docker|br-|virbr|veth)/.test(name) ? [] : addresses,
  );
  const found = all
    .filter(({ internal, family }) => !internal && family === "IPv4")
    .map(({ address }) => address);
  if (found.length === 1) return found[0]!;
  throw new BayError(
    "BAD_MEMBER",
    found.length === 0
      ? "this host has no address that other hosts can reach"
      : `this host has several addresses: ${found.join(", ")}`,
    { hint: "set the one that other hosts use with --address" },
  );
}
