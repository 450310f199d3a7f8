/** `GET /events` of the Docker Engine API: past events, then new ones, until a given time or without end. */
import type { BayEvent, ContainerManager, EventLog } from "../../../container/index.ts";
import { type Call, startStream } from "../http.ts";
import { EventChannel, lineOf, sendTo } from "./event-channel.ts";
import { eventFilter } from "./list-filters.ts";
import { parameters } from "./parameters.ts";

/** Channels that have followers, by the text of their filters. */
const channels = new WeakMap<EventLog, Map<string, EventChannel>>();

/** Throws BAD_REQUEST. */
export function sendEvents({ events }: Pick<ContainerManager, "events">, call: Call): void {
  const { filters: given, since, until } = parameters("GET /events", call.query);
  const matches = eventFilter(given);
  const filters = JSON.stringify([...given]);
  const { response } = call;
  startStream(response);
  const isWanted = (event: BayEvent) => matches(event) && (until === undefined || event.time <= until);
  if (since !== undefined)
    for (const event of events.since(since)) if (isWanted(event)) sendTo(response, lineOf(event));
  if (until !== undefined && until <= Date.now()) return void response.end();
  const open = channels.get(events) ?? new Map<string, EventChannel>();
  channels.set(events, open);
  const channel = open.get(filters) ?? new EventChannel(events, matches);
  open.set(filters, channel);
  channel.add(response);
  const finish = () => {
    channel.flush();
    response.end();
  };
  const cancel = until === undefined ? undefined : endAt(until, finish);
  response.once("close", () => {
    channel.remove(response);
    if (channel.isEmpty && open.get(filters) === channel) open.delete(filters);
    cancel?.();
  });
}

const LONGEST_TIMER = 2 ** 31 - 1;

/** Calls the action at a time that may be far in the future. Returns a function that cancels it. */
function endAt(moment: number, action: () => void): () => void {
  const wait = () => {
    const left = moment - Date.now();
    timer = left > LONGEST_TIMER ? setTimeout(wait, LONGEST_TIMER) : setTimeout(action, left);
  };
  let timer: NodeJS.Timeout | undefined;
  wait();
  return () => clearTimeout(timer);
}
