/** Long requests of bay's own routes: they answer with lines of JSON. */
import type { Asker } from "../../stacks/stack-locks.ts";
import { errorAnswer } from "../error-status.ts";
import { type Call, goneSignal, startStream } from "../http.ts";

/** Sends lines about the progress and what the command waits for, then one with the result or the error. */
export async function streamed(
  call: Call,
  action: (write: (value: unknown) => void, client: Pick<Asker, "signal" | "tell">) => Promise<unknown>,
): Promise<void> {
  const write = startStream(call.response);
  try {
    const result = await action((progress) => write({ progress }), {
      signal: goneSignal(call.response),
      tell: (waiting) => void write({ waiting }),
    });
    write({ result });
  } catch (error) {
    write({ error: errorAnswer(error).body });
  }
  call.response.end();
}
