/** Values as messages show them: one line each; long ones are cut to the part that differs. */

const BEFORE = 15;

/** Both values of a change, each at most `max` long. A common beginning is cut. */
export function shownPair(from: string, to: string, max = 60): [from: string, to: string] {
  const both = [from, to].map((text) => text.replaceAll("\n", "\\n")) as [string, string];
  if (both.every((text) => text.length <= max)) return both;
  const alike = commonLength(...both);
  const start = alike > max - BEFORE * 2 ? alike - BEFORE : 0;
  return both.map((text) => {
    if (text.length <= max) return text;
    const part = start > 0 ? `…${text.slice(start)}` : text;
    return part.length > max ? `${part.slice(0, max - 1)}…` : part;
  }) as [string, string];
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}
