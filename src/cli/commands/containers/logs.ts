import { BayError } from "../../../core/errors.ts";
import type { Client } from "../../../daemon/index.ts";
import type { Context } from "../../context.ts";
import {
  type ContainerRow,
  chooseContainers,
  containersOf,
  listContainers,
  numberOf,
} from "../../named-containers.ts";
import { parseTail, parseTime } from "../../options.ts";
import { type FollowQuery, LogFollower } from "../../ui/log-follower.ts";
import { changesOf, patiently } from "../../ui/stack-changes.ts";

interface LogsOptions {
  follow?: boolean;
  timestamps?: boolean;
  tail: string;
  since?: string;
  until?: string;
  logPrefix?: boolean;
  color?: boolean;
  index?: number;
}

export async function logs(context: Context, services: string[], options: LogsOptions): Promise<void> {
  const tail = parseTail(options.tail);
  if (options.index !== undefined && services.length !== 1)
    throw new BayError("BAD_OPTION", "--index expects one service");
  const { client, rows: all, stack } = await containersOf(context, services);
  const isChosen = (row: ContainerRow) => options.index === undefined || numberOf(row) === options.index;
  const rows = all.filter(isChosen);
  const follower = new LogFollower(client, {
    prefix: options.logPrefix !== false,
    timestamps: options.timestamps ?? false,
    colour: options.color !== false,
  });
  const query = {
    tail,
    follow: options.follow ?? false,
    since: parseTime(options.since),
    until: parseTime(options.until),
  };
  if (!options.follow) for (const row of rows) await follower.follow(row, query);
  else if (query.until !== undefined || stack === undefined || all.some((row) => !isOf(row, stack)))
    await Promise.all(rows.map((row) => follower.follow(row, query)));
  else {
    // a container that is removed may be created again, so its service is remembered
    const known = [...context.knownServices, ...services];
    await followAll(client, stack, follower, query, (found) =>
      chooseContainers(found, stack, { services, known }).filter(isChosen),
    );
  }
}

const isOf = ({ Labels }: ContainerRow, stack: string) => Labels["com.docker.compose.project"] === stack;

/** Follows the existing containers and new ones until the command is interrupted. Throws DAEMON_LOST. */
async function followAll(
  client: Client,
  stack: string,
  follower: LogFollower,
  query: FollowQuery,
  choose: (rows: readonly ContainerRow[]) => ContainerRow[],
): Promise<void> {
  const followed = new Set<string>();
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  const turns = changesOf(client, stack);
  for (let isFirst = true; ; isFirst = false) {
    if ((await Promise.race([turns.next(), failed])).done) return;
    const rows = choose(await patiently(() => listContainers(client, stack)));
    for (const row of rows.filter(({ Id }) => !followed.has(Id))) {
      followed.add(row.Id);
      follower.follow(row, isFirst ? query : { tail: "all", follow: true }).catch(fail);
    }
  }
}
