/** Questions about each container of a list, which may be removed before its question arrives: `--rm`, or another client. */
import { hasCode } from "../core/errors.ts";

/** Requests at the same time: each is a connection to bayd. */
const AT_ONCE = 16;

/** The answers in the order of the rows, without those of containers that no longer exist. Throws what `ask` throws otherwise. */
export async function askEach<Row, Answer>(
  rows: readonly Row[],
  ask: (row: Row) => Promise<Answer>,
  atOnce = AT_ONCE,
): Promise<Answer[]> {
  const answers: Answer[][] = [];
  const left = rows.entries();
  // the askers share one iterator: each takes the next row when it has its answer
  const asker = async () => {
    for (const [index, row] of left) {
      try {
        answers[index] = [await ask(row)];
      } catch (error) {
        if (!hasCode(error, "CONTAINER_NOT_FOUND")) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, rows.length) }, asker));
  return answers.flat();
}
