/** Rows on a terminal that change with the progress, drawn by listr2. */

export interface Rows {
  /** Sets the text of an active row; adds a row if none has this name. */
  set(id: string, text: string): void;
  /** Output lines of an active row: the last few of each are shown below the rows. */
  output(id: string, text: string): void;
  done(id: string, text: string): void;
  fail(id: string, text: string): void;
  /** Call it when the progress is complete: open rows are closed, as failed if something failed. */
  end(failed?: boolean): Promise<void>;
}

interface Row {
  settle: (error?: Error) => void;
  setText: (text: string) => void;
  setOutput: (text: string) => void;
}

/** How many lines of a row's output are shown. */
const OUTPUT_LINES = 6;

/** listr2 runs the first tasks of a list, so rows for later exist without a title, and listr2 does not draw those. */
const MOST_ROWS = 500;

/** Each row is a task whose promise is settled from outside. Rows beyond the first 500 are not drawn. */
export async function terminalRows(): Promise<Rows> {
  const { Listr } = await import("listr2");
  const rows = new Map<string, Row>();
  const free: Row[] = [];
  let haveBegun: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    haveBegun = resolve;
  });
  const list = new Listr<object>(
    Array.from({ length: MOST_ROWS }, () => ({
      task: (_, task) => {
        const row: Row = {
          settle: () => {},
          setText: (title) => {
            task.title = title;
          },
          setOutput: (output) => {
            task.output = output;
          },
        };
        free.push(row);
        if (free.length === MOST_ROWS) haveBegun();
        return new Promise<void>((resolve, reject) => {
          row.settle = (error) => (error ? reject(error) : resolve());
        });
      },
      rendererOptions: { bottomBar: OUTPUT_LINES },
    })),
    {
      concurrent: true,
      exitOnError: false,
      rendererOptions: { collapseErrors: false, formatOutput: "truncate" },
      fallbackRendererCondition: false,
      registerSignalListeners: false,
    },
  );
  const running = list.run().catch(() => {});
  await begun;
  const rowOf = (id: string): Row | undefined => {
    const row = rows.get(id) ?? free.shift();
    if (row) rows.set(id, row);
    return row;
  };
  const show = (id: string, text: string): Row | undefined => {
    const row = rowOf(id);
    row?.setText(text);
    return row;
  };
  return {
    set: (id, text) => void show(id, text),
    output: (id, text) => rows.get(id)?.setOutput(text),
    done: (id, text) => show(id, text)?.settle(),
    fail: (id, text) => show(id, text)?.settle(new Error(text)),
    end: async (failed = false) => {
      for (const row of rows.values()) row.settle(failed ? new Error("interrupted") : undefined);
      for (const row of free) row.settle();
      await running;
    },
  };
}
