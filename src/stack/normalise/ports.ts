/** Published ports in Compose's short form: `[[HOST:]PUBLISHED:]TARGET[/PROTOCOL]`, with ranges. */
import { addressVersion } from "../../core/ip.ts";

export interface PortMapping {
  hostAddress: string;
  hostPort: number | undefined;
  /** The last port of a range that begins at `hostPort`, of which each container takes the first free one. */
  hostPortEnd?: number;
  containerPort: number;
  protocol: "tcp" | "udp";
  /** ingress: every host of the stack has the port. Only ports of a stack with hosts have a mode. */
  mode?: "ingress" | "host";
}

type Range = [first: number, last: number];

function range(text: string): Range | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first >= 1 && last <= 65535 && first <= last ? [first, last] : undefined;
}

/** The mappings, or a sentence that says what is wrong with the text. */
export function parsePort(text: string): PortMapping[] | string {
  const [main = "", written = "tcp", ...rest] = text.split("/");
  const protocol = written.toLowerCase();
  if (rest.length > 0 || (protocol !== "tcp" && protocol !== "udp"))
    return `the protocol of ${text} must be tcp or udp`;
  const match = /^(?:(?:(\[[0-9a-fA-F:.]+\]|[^:[\]]*|[0-9a-fA-F]*:[0-9a-fA-F:.]*):)?([^:]*):)?([^:]+)$/.exec(
    main,
  );
  if (!match) return `invalid port mapping ${text}: expected [HOST:]PUBLISHED:TARGET`;
  const [, host = "", published = "", target = ""] = match;
  return expandPorts(host.replace(/^\[|\]$/g, ""), published, target, protocol);
}

/** Expands ranges: of equal length, or a range of published ports for one target, from which a free port is chosen. */
export function expandPorts(
  hostAddress: string,
  published: string,
  target: string,
  protocol: "tcp" | "udp",
): PortMapping[] | string {
  const targets = range(target);
  if (!targets) return `invalid port ${target}: expected 1 to 65535`;
  if (hostAddress && addressVersion(hostAddress) === undefined) return `invalid host address: ${hostAddress}`;
  if (published === "" || published === "0") {
    return numbers(targets).map((containerPort) => ({
      hostAddress,
      hostPort: undefined,
      containerPort,
      protocol,
    }));
  }
  const ports = range(published);
  if (!ports) return `invalid port ${published}: expected 1 to 65535`;
  if (targets[0] === targets[1] && ports[0] !== ports[1])
    return [{ hostAddress, hostPort: ports[0], hostPortEnd: ports[1], containerPort: targets[0], protocol }];
  if (ports[1] - ports[0] !== targets[1] - targets[0])
    return `the ranges ${published} and ${target} differ in length`;
  return numbers(targets).map((containerPort, index) => ({
    hostAddress,
    hostPort: ports[0] + index,
    containerPort,
    protocol,
  }));
}

function numbers([first, last]: Range): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
