/** Rates in bits a second, with the units of tc(8): decimal kbit, mbit, gbit, tbit, and binary kibit and so on. */

const UNITS: Record<string, number> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const BINARY: Record<string, number> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
/** Below, one full packet takes more than a second. */
const LEAST = 12_000;
const MOST = 1e12;

/** Bits a second, or what is wrong with the text. */
export function parseRate(text: string): number | string {
  const [, amount, unit = "", binary] =
    /^(\d{1,15}(?:\.\d{1,9})?) ?([kmgt]?)(i?)bit$/i.exec(text.trim()) ?? [];
  const factor = (binary ? BINARY : UNITS)[unit.toLowerCase()];
  if (amount === undefined || factor === undefined)
    return /bps$/i.test(text)
      ? `${JSON.stringify(text)} is ambiguous: bps means bytes in tc(8); use bit, kbit, mbit or gbit`
      : `expected a rate such as 10mbit, got ${JSON.stringify(text)}`;
  const rate = Math.round(Number(amount) * factor);
  return rate >= LEAST && rate <= MOST ? rate : `expected 12kbit to 1tbit, got ${JSON.stringify(text)}`;
}

/** The inverse, with the largest decimal unit that gives a whole number. */
export function formatRate(rate: number): string {
  const unit = ["t", "g", "m", "k"].find((each) => rate % UNITS[each]! === 0) ?? "";
  return `${rate / UNITS[unit]!}${unit}bit`;
}
