/** Containers as lists show them. */
import type { ContainerRow } from "../named-containers.ts";

export interface Inspected {
  Id: string;
  Name: string;
  Created: string;
  Image: string;
  State: {
    Status: string;
    Pid: number;
    ExitCode: number;
    StartedAt: string;
    FinishedAt: string;
    OOMKilled: boolean;
    /** "out of memory", "killed by SIGTERM"; empty if it exited by itself. */
    EndedBy?: string;
    Health?: { Status: string };
  };
  Config: { Image: string; Labels: Record<string, string> };
}

const isUp = ({ State }: ContainerRow) => ["running", "paused", "restarting"].includes(State);

/** A stopped container publishes nothing. */
export const publishers = (row: ContainerRow) =>
  (isUp(row) ? row.Ports : [])
    .filter((port) => port.PublicPort !== undefined)
    .map((port) => ({
      URL: port.IP ?? "",
      TargetPort: port.PrivatePort,
      PublishedPort: port.PublicPort!,
      Protocol: port.Type,
    }));

const portText = ({ URL, TargetPort, PublishedPort, Protocol }: ReturnType<typeof publishers>[number]) =>
  `${URL.includes(":") ? `[${URL}]` : URL}:${PublishedPort}->${TargetPort}/${Protocol}`;

export const portsText = (row: ContainerRow): string => publishers(row).map(portText).join(", ");

const SHORT_COMMAND = 20;

/** In quotes, and cut to 20 characters as docker does, unless the whole command is requested. */
export function commandText({ Command }: ContainerRow, isWhole: boolean): string {
  const characters = [...Command];
  const isCut = !isWhole && characters.length > SHORT_COMMAND;
  return JSON.stringify(isCut ? `${characters.slice(0, SHORT_COMMAND - 1).join("")}…` : Command);
}
