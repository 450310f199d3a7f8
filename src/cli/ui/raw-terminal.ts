/** This process's terminal in raw mode, which is restored however the process ends or stops. */

/** Signals that end a process by default. */
const ENDING = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR2"] as const;

/**
 * Makes the terminal raw, and returns a function that restores it. It is restored too on exit, on a fatal signal, and
 * while it is stopped. libuv's own raw mode is not used: it leaves OPOST and ONLCR on, so that each newline of the program
 * in the container, whose own terminal has processed it already, would become two characters.
 */
export async function enterRawMode(fd: number, onContinue: () => void): Promise<() => void> {
  const { rawMode, setTerminalMode, terminalMode } = await import("../../linux/index.ts");
  const before = terminalMode(fd);
  const raw = rawMode(before);
  const restore = () => void setTerminalMode(fd, before);
  const end = (signal: NodeJS.Signals) => {
    // other listeners decide what the signal does
    if (process.listenerCount(signal) > 1) return;
    restore();
    process.off(signal, end);
    process.kill(process.pid, signal);
  };
  const stop = () => {
    restore();
    process.kill(process.pid, "SIGSTOP");
  };
  const proceed = () => {
    setTerminalMode(fd, raw);
    onContinue();
  };
  for (const signal of ENDING) process.on(signal, end);
  process.on("SIGTSTP", stop);
  process.on("SIGCONT", proceed);
  process.on("exit", restore);
  setTerminalMode(fd, raw);
  return () => {
    for (const signal of ENDING) process.off(signal, end);
    process.off("SIGTSTP", stop);
    process.off("SIGCONT", proceed);
    process.off("exit", restore);
    restore();
  };
}
