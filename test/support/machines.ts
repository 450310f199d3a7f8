/** Machines of a test, as network namespaces (ip-netns(8)) that are joined by veth pairs. */
import { execFileSync, spawnSync } from "node:child_process";
import { HANGS_AFTER } from "./bay.ts";
import { own } from "./owned.ts";

const ip = (words: string) => execFileSync("ip", words.split(" "), { encoding: "utf8", stdio: "pipe" });

export class Machine {
  constructor(readonly name: string) {
    own("netns", name);
    ip(`netns add ${name}`);
    ip(`-n ${name} link set lo up`);
  }

  /** The file of its network namespace. */
  get file(): string {
    return `/run/netns/${this.name}`;
  }

  /** A link to another machine; each end has the name of the machine at the other. */
  join(other: Machine, own: string, others: string): void {
    ip(`link add ${other.name} netns ${this.name} type veth peer name ${this.name} netns ${other.name}`);
    for (const [end, link, address] of [
      [this, other, own],
      [other, this, others],
    ] as const) {
      ip(`-n ${end.name} addr add ${address} dev ${link.name}`);
      ip(`-n ${end.name} link set ${link.name} up`);
    }
  }

  ip(words: string): string {
    return ip(`-n ${this.name} ${words}`);
  }

  /** Runs a program in the machine's network; it has the mounts of the real host. */
  run(...command: string[]): { code: number; out: string } {
    return enter(this.file, command);
  }

  ok(...command: string[]): string {
    const { code, out } = this.run(...command);
    if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${out}`);
    return out;
  }

  close(): void {
    ip(`netns del ${this.name}`);
  }
}

/** Runs a program in a network namespace, by its file. */
export function enter(file: string, command: readonly string[]): { code: number; out: string } {
  const { status, stdout, stderr } = spawnSync("nsenter", [`--net=${file}`, ...command], {
    encoding: "utf8",
    timeout: HANGS_AFTER,
    killSignal: "SIGKILL",
  });
  return { code: status ?? -1, out: stdout + stderr };
}
