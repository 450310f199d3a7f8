/** Signals by name, as every Linux of this project numbers them (signal(7)). */

export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
} as const;

/** `SIGTERM` for 15; `signal 34` for one without a name. */
export function signalName(number: number): string {
  const found = Object.entries(SIGNALS).find(([, value]) => value === number);
  return found ? found[0] : `signal ${number}`;
}

/** The number of a signal written as `SIGTERM`, `term`, `15` or `RTMIN+3`; undefined if there is no such signal. */
export function signalNumber(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) >= 1 && Number(text) <= 64 ? Number(text) : undefined;
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realTime) {
    const base = realTime[1] === "MIN" ? 34 : 64;
    const number = base + (realTime[2] === "-" ? -1 : 1) * Number(realTime[3] ?? 0);
    return number >= 34 && number <= 64 ? number : undefined;
  }
  return (SIGNALS as Record<string, number>)[`SIG${name}`];
}
