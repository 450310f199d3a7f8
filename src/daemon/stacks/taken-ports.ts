/** Ports of the host that are in use: by containers of other stacks, or by other programs (proc_pid_net(5)). */
import { readFileSync } from "node:fs";
import { type ContainerRecord, LABELS } from "../../container/index.ts";
import { fixedPorts, type HostPort, portsOverlap } from "../../core/published-ports.ts";
import { portOwner } from "../../network/index.ts";
import type { TakenPort } from "../../reconcile/index.ts";
import type { Stack } from "../../stack/index.ts";

/** The stack's published ports that are in use, with their owners. */
export function takenPorts(
  stack: Stack,
  own: readonly ContainerRecord[],
  foreign: readonly ContainerRecord[],
): TakenPort[] {
  const wanted = Object.values(stack.services).flatMap(({ ports }) => fixedPorts(ports));
  if (wanted.length === 0) return [];
  const isOneOff = ({ config }: ContainerRecord) => config.labels[LABELS.oneOff] === "True";
  const byOthers = [...foreign, ...own.filter(isOneOff)].flatMap(({ config, state }) => {
    const stackName = config.labels[LABELS.stack];
    const owner = `the container ${config.name}${stackName ? ` of the stack ${stackName}` : ""}`;
    return state.boundPorts.map(({ hostAddress, hostPort, protocol }) => ({
      hostAddress,
      hostPort,
      protocol,
      owner,
    }));
  });
  // bayd itself has the sockets of all published ports
  const published = [...own, ...foreign].flatMap(({ state }) => state.boundPorts);
  const sockets = hostSockets().filter(
    (socket) =>
      wanted.some((port) => portsOverlap(port, socket)) &&
      !published.some((port) => port.hostPort === socket.hostPort && port.protocol === socket.protocol),
  );
  const byPrograms = sockets.flatMap((socket) => {
    const owner = portOwner(socket.hostPort, socket.protocol) ?? "another program";
    // a port that was released a moment ago
    return owner.endsWith(`(pid ${process.pid})`) ? [] : [{ ...socket, owner }];
  });
  return [...byOthers, ...byPrograms];
}

/** Listening TCP sockets, and bound UDP sockets. */
function hostSockets(): HostPort[] {
  return (["tcp", "udp"] as const).flatMap((protocol) =>
    [protocol, `${protocol}6`].flatMap((file) => parseSockets(read(`/proc/net/${file}`), protocol)),
  );
}

const LISTENS = "0A";

export function parseSockets(text: string, protocol: "tcp" | "udp"): HostPort[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/);
      const [address = "", port = ""] = local.split(":");
      if (!/^[0-9A-F]{4}$/.test(port) || (protocol === "tcp" && state !== LISTENS)) return [];
      return [{ hostAddress: parseAddress(address), hostPort: Number.parseInt(port, 16), protocol }];
    });
}

/** Parses 32-bit words in the machine's byte order. IPv6 is not shortened: only equality and "::" matter. */
function parseAddress(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  if (bytes.length === 4) return [...bytes].join(".");
  if (bytes.every((byte) => byte === 0)) return "::";
  if (bytes.every((byte, at) => byte === (at === 15 ? 1 : 0))) return "::1";
  return (bytes.toString("hex").match(/.{4}/g) ?? []).map((word) => word.replace(/^0{1,3}/, "")).join(":");
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // the host has no IPv6
  }
}
