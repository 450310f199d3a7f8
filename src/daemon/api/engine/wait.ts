/** `POST /containers/ID/wait` of the Docker Engine API. */
import {
  type BayEvent,
  type ContainerManager,
  type ContainerRecord,
  isRunning,
} from "../../../container/index.ts";
import type { Call } from "../http.ts";
import { parameters } from "./parameters.ts";

/** Responds with the exit code when the condition is met. Throws BAD_REQUEST. */
export async function sendEnd(manager: ContainerManager, record: ContainerRecord, call: Call): Promise<void> {
  const { condition = "not-running" } = parameters("POST /containers/:/wait", call.query);
  const { response } = call;
  response.writeHead(200, { "Content-Type": "application/json" });
  response.flushHeaders(); // docker run waits for the headers before it starts the container
  const isOver = condition === "not-running" && !isRunning(record);
  const code = isOver ? record.state.exitCode : await nextEnd(manager, record, condition, call);
  if (code !== undefined) response.end(`${JSON.stringify({ StatusCode: code })}\n`);
}

/** The exit code at the next end, or when the container is removed; undefined if the client disconnected before. */
function nextEnd(
  manager: ContainerManager,
  record: ContainerRecord,
  condition: string,
  { response }: Call,
): Promise<number | undefined> {
  return new Promise((resolve) => {
    const finish = (code: number | undefined) => {
      manager.off(`end:${record.id}`, onEnd);
      manager.events.off("event", onEvent);
      response.off("close", onClose);
      resolve(code);
    };
    const onEnd = (code: number) => condition !== "removed" && finish(code);
    const onEvent = ({ type, action, id }: BayEvent) => {
      if (type === "container" && action === "destroy" && id === record.id) finish(record.state.exitCode);
    };
    const onClose = () => finish(undefined);
    manager.on(`end:${record.id}`, onEnd);
    manager.events.on("event", onEvent);
    response.on("close", onClose);
    if (response.destroyed) onClose();
  });
}
