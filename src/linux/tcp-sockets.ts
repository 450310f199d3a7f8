/** TCP sockets of a process's network namespace (proc_pid_net(5), /proc/PID/net/tcp and tcp6). */
import { readKernelFile } from "./kernel-file.ts";

export interface TcpSocket {
  localPort: number;
  state: "listening" | "connected" | "other";
}

/** States of include/net/tcp_states.h: an established connection, or one that only the other side has closed. */
const STATES: Readonly<Record<string, TcpSocket["state"]>> = {
  "01": "connected",
  "03": "connected",
  "08": "connected",
  "0A": "listening",
};

/** Returns none if the process has ended. */
export function tcpSockets(pid: number): TcpSocket[] {
  return ["tcp", "tcp6"].flatMap((file) => {
    try {
      return parseTcpSockets(readKernelFile(`/proc/${pid}/net/${file}`));
    } catch {
      return []; // the process has ended, or the host has no IPv6
    }
  });
}

export function parseTcpSockets(text: string): TcpSocket[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", , state = ""] = line.trim().split(/\s+/);
      const port = Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16);
      return Number.isInteger(port) ? [{ localPort: port, state: STATES[state] ?? ("other" as const) }] : [];
    });
}

/** The listening ports. */
export const listeningPorts = (sockets: readonly TcpSocket[]): Set<number> =>
  new Set(sockets.flatMap(({ state, localPort }) => (state === "listening" ? [localPort] : [])));
