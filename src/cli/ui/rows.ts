/** Rows on a terminal that change while things go on, drawn by listr2. */

export interface Rows {
  /** A row's text while it goes on; a new row where there is none of this name. */
  set(id: string, text: string): void;
  done(id: string, text: string): void;
  fail(id: string, text: string): void;
  /** Call when no more comes: rows that are open are closed, as failed ones where something failed. */
  end(failed?: boolean): Promise<void>;
}

interface Row {
  settle: (error?: Error) => void;
  setText: (text: string) => void;
}

/** Each row is a task whose promise is settled from outside. */
export async function terminalRows(): Promise<Rows> {
  const { Listr } = await import("listr2");
  const rows = new Map<string, Row>();
  const list = new Listr<object>([], {
    concurrent: true,
    exitOnError: false,
    rendererOptions: { collapseErrors: false },
    fallbackRendererCondition: false,
    registerSignalListeners: false,
  });
  let running: Promise<unknown> | undefined;
  const add = (id: string, text: string): Row => {
    const row: Row = { settle: () => {}, setText: () => {} };
    const settled = new Promise<void>((resolve, reject) => {
      row.settle = (error) => (error ? reject(error) : resolve());
    });
    list.add({
      title: text,
      task: (_, task) => {
        row.setText = (title) => {
          task.title = title;
        };
        return settled;
      },
    });
    rows.set(id, row);
    return row;
  };
  const show = (id: string, text: string): Row => {
    const row = rows.get(id) ?? add(id, text);
    running ??= list.run().catch(() => {});
    row.setText(text);
    return row;
  };
  return {
    set: (id, text) => void show(id, text),
    done: (id, text) => show(id, text).settle(),
    fail: (id, text) => show(id, text).settle(new Error(text)),
    end: async (failed = false) => {
      for (const row of rows.values()) row.settle(failed ? new Error("broken off") : undefined);
      await running;
    },
  };
}
