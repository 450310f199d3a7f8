/** The signs of a plan in colours, on a terminal. */
import { hasColour, paint } from "./output.ts";

export function coloured(text: string): string {
  if (!hasColour()) return text;
  return text.replace(/^( {2}\+|-\/\+| {2}~| {2}-) /gm, (sign) =>
    paint(sign, sign.includes("/") || sign.includes("~") ? "yellow" : sign.includes("+") ? "green" : "red"),
  );
}
