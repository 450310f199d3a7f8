import type { Context } from "../../context.ts";
import { containersOf } from "../../named-containers.ts";
import { parseTime } from "../../options.ts";
import { escaped, print } from "../../ui/output.ts";

interface EventLine {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  timeNano: number;
}

export async function events(
  context: Context,
  services: string[],
  options: { json?: boolean; since?: string; until?: string },
): Promise<void> {
  const client = await context.client();
  const stack = await context.stackName();
  if (services.length > 0) await containersOf(context, services); // throws UNKNOWN_SERVICE
  const parameters = new URLSearchParams({
    filters: JSON.stringify({ label: [`com.docker.compose.project=${stack}`] }),
  });
  const since = parseTime(options.since);
  const until = parseTime(options.until);
  if (since) parameters.set("since", since);
  if (until) parameters.set("until", until);
  for await (const event of client.lines<EventLine>("GET", `/events?${parameters}`)) {
    const service = event.Actor.Attributes["com.docker.compose.service"] ?? "";
    if (services.length > 0 && !services.includes(service)) continue;
    const time = new Date(event.timeNano / 1e6).toISOString();
    const { name = "" } = event.Actor.Attributes;
    if (options.json)
      print(
        JSON.stringify({
          time,
          type: event.Type,
          service,
          id: event.Actor.ID,
          action: event.Action,
          attributes: event.Actor.Attributes,
        }),
      );
    else print(escaped(`${time} ${event.Type} ${event.Action} ${name || event.Actor.ID}`));
  }
}
