/** What a path of the host is. A file server that does not respond cannot stop bayd: each question has a time limit. */
import { stat } from "node:fs/promises";

/** `silent`: the file system does not respond. `unknown`: not asked, because others do not respond. */
export type FileKind = "directory" | "other" | "none" | "silent" | "unknown";

/** Milliseconds after which a path counts as silent. */
const LIMIT = 2000;
/** Questions at the same time. Each needs a thread of Node's pool of four, and one without an answer keeps its thread. */
const AT_ONCE = 2;

export class FileKinds {
  /** Questions without an answer by path: a path is asked about once at a time. */
  readonly #open = new Map<string, Promise<FileKind>>();
  readonly #waiting: (() => void)[] = [];
  #asked = 0;
  #silent = 0;

  constructor(
    readonly ask: (path: string) => Promise<FileKind> = askKernel,
    readonly limit = LIMIT,
  ) {}

  /** Answers within 2 seconds; at once for a path that did not respond to an earlier question. Follows links. */
  kindOf(path: string): Promise<FileKind> {
    const open = this.#open.get(path);
    if (open) return open;
    if (this.#silent >= AT_ONCE) return Promise.resolve("unknown");
    const answer = this.#question(path);
    this.#open.set(path, answer);
    return answer;
  }

  #question(path: string): Promise<FileKind> {
    return new Promise((resolve) => {
      let state: "waiting" | "asked" | "silent" = "waiting";
      const put = () => {
        state = "asked";
        this.#asked += 1;
        void this.ask(path).then((kind) => {
          clearTimeout(timer);
          if (state === "silent") this.#silent -= 1;
          this.#asked -= 1;
          this.#open.delete(path);
          resolve(kind);
          this.#next();
        });
      };
      const timer = setTimeout(() => {
        if (state === "asked") {
          state = "silent";
          this.#silent += 1;
          return resolve("silent");
        }
        this.#waiting.splice(this.#waiting.indexOf(put), 1);
        this.#open.delete(path);
        resolve("unknown");
      }, this.limit);
      this.#waiting.push(put);
      this.#next();
    });
  }

  #next(): void {
    if (this.#asked < AT_ONCE) this.#waiting.shift()?.();
  }
}

const askKernel = (path: string): Promise<FileKind> =>
  stat(path).then(
    (found) => (found.isDirectory() ? "directory" : "other"),
    () => "none",
  );
