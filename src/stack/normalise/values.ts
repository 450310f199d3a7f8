/** The notations inside Compose values: byte sizes, shell words. Each parser returns undefined for invalid text. */

export { parseBytes } from "../../core/sizes.ts";

/** Splits a command line as a POSIX shell splits words, without expanding anything. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'") {
      const end = text.indexOf("'", at + 1);
      if (end === -1) return undefined;
      word = (word ?? "") + text.slice(at + 1, end);
      at = end;
    } else if (character === '"') {
      word ??= "";
      for (at++; text[at] !== '"'; at++) {
        if (at >= text.length) return undefined;
        if (text[at] === "\\" && '"\\$`\n'.includes(text[at + 1] ?? " ")) at++;
        word += text[at];
      }
    } else if (character === "\\") {
      if (at + 1 >= text.length) return undefined;
      word = (word ?? "") + text[++at];
    } else word = (word ?? "") + character;
  }
  if (word !== undefined) words.push(word);
  return words;
}
