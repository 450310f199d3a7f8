/** The name of a container that was created without one: an adjective and a noun. */
import { randomInt } from "node:crypto";
import type { ContainerManager } from "../../../../container/index.ts";

const ADJECTIVES =
  "amber brisk calm clear coastal deep early fair fresh gentle golden grey high keen late light long low mild northern open pale quick quiet salty silver slow southern steady still tall warm windy wide young";
const NOUNS =
  "anchor barge basin beacon berth bollard bridge buoy canal cape coast crane current cutter delta dinghy dock estuary ferry fjord gull harbour inlet island jetty keel lagoon lantern lighthouse mast mooring oar pier port quay reef rudder sail shore sloop strait tide tug wave wharf";

const pick = (words: string) => {
  const all = words.split(" ");
  return all[randomInt(all.length)]!;
};

/** A name that no container has. */
export function randomName({ find }: Pick<ContainerManager, "find">): string {
  for (let tries = 0; ; tries++) {
    const name = `${pick(ADJECTIVES)}_${pick(NOUNS)}${tries < 5 ? "" : randomInt(1_000_000)}`;
    if (find(name) === undefined) return name;
  }
}
