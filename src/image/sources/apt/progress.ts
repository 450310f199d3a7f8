/** Converts the output of mmdebstrap and apt to short progress lines. */

/** Steps of mmdebstrap that take time. */
const STEP = /^I: (running apt-get update|downloading|extracting|installing|cleaning|creating)(.*)$/;
/** apt's status lines: `dlstatus:ITEM:PERCENT:TEXT` and `pmstatus:PACKAGE:PERCENT:TEXT`. */
const STATUS = /^(?:dlstatus|pmstatus):[^:]*:(\d+)(?:\.\d+)?:(.+)$/;
const MAX_LENGTH = 120;

/** The line that a user sees for one of mmdebstrap's; undefined for a line without progress. */
export function progressLine(line: string): string | undefined {
  const [, action, rest = ""] = STEP.exec(line) ?? [];
  if (action === "running apt-get update") return "updating the lists of packages";
  if (action) return clean(`${action}${rest.replace(/\.+$/, "")}`);
  const [, percent, text] = STATUS.exec(line) ?? [];
  return text === undefined ? undefined : clean(`${text} (${percent}%)`);
}

const clean = (text: string) => text.replace(/\p{C}/gu, "?").slice(0, MAX_LENGTH);

/** Splits output into lines and passes on those that a user sees, without consecutive duplicates. */
export class ProgressLines {
  #rest = "";
  #last = "";

  constructor(readonly say: (line: string) => void) {}

  add(part: string): void {
    const lines = `${this.#rest}${part}`.split(/[\r\n]+/);
    this.#rest = lines.pop()!.slice(-MAX_LENGTH * 8);
    for (const line of lines) {
      const shown = progressLine(line);
      if (shown === undefined || shown === this.#last) continue;
      this.#last = shown;
      this.say(shown);
    }
  }
}
