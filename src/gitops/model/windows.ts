/** Windows of time in which commits are applied: `Mon-Fri 08:00-17:00 Europe/Berlin`. */
import { BayError } from "../../core/errors.ts";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const WINDOW = /^(\w{3})(?:-(\w{3}))? (\d{2}):(\d{2})-(\d{2}):(\d{2})(?: ([A-Za-z_+\-/0-9]+))?$/;

interface Window {
  days: ReadonlySet<number>;
  /** Minutes of the day; the end is exclusive, and before the start if the window passes midnight. */
  from: number;
  to: number;
  zone: string;
}

/** Throws BAD_GITOPS. */
export function readWindow(text: string): Window {
  const bad = () =>
    new BayError("BAD_GITOPS", `invalid window ${JSON.stringify(text)}`, {
      hint: "expected DAY-DAY HH:MM-HH:MM ZONE, such as Mon-Fri 08:00-17:00 Europe/Berlin",
    });
  const [, first = "", last = first, ...rest] = WINDOW.exec(text) ?? [];
  const [start, end] = [DAYS.indexOf(first), DAYS.indexOf(last)];
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = rest.slice(0, 4).map(Number);
  const zone = rest[4] ?? "UTC";
  const [from, to] = [fromHour * 60 + fromMinute, toHour * 60 + toMinute];
  if (start < 0 || end < 0 || fromMinute > 59 || toMinute > 59 || from > 1439 || to > 1440 || from === to)
    throw bad();
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: zone });
  } catch {
    throw bad();
  }
  const days = new Set<number>();
  for (let day = start; ; day = (day + 1) % 7) {
    days.add(day);
    if (day === end) break;
  }
  return { days, from, to, zone };
}

/** Whether commits may be applied at a moment: without windows, always. Throws BAD_GITOPS. */
export function isOpen(windows: readonly string[], at: Date): boolean {
  return windows.length === 0 || windows.some((text) => isIn(readWindow(text), at));
}

function isIn({ days, from, to, zone }: Window, at: Date): boolean {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).formatToParts(at);
  const part = (type: string) => parts.find((each) => each.type === type)!.value;
  const day = DAYS.indexOf(part("weekday"));
  const minute = Number(part("hour")) * 60 + Number(part("minute"));
  if (from < to) return days.has(day) && minute >= from && minute < to;
  // the part after midnight belongs to the day on which the window began
  return minute >= from ? days.has(day) : minute < to && days.has((day + 6) % 7);
}
