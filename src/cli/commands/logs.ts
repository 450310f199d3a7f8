import { BayError } from "../../errors.ts";
import { type Context, containersOf, numberOf } from "../context.ts";
import { parseTail, parseTime } from "../options.ts";
import { LogFollower } from "../ui/log-follower.ts";

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
  const { client, rows: all } = await containersOf(context, services);
  const rows = all.filter((row) => options.index === undefined || numberOf(row) === options.index);
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
  if (options.follow) await Promise.all(rows.map((row) => follower.follow(row, query)));
  else for (const row of rows) await follower.follow(row, query);
}
