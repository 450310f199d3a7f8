/** Events of a watch as lines for people. */
import type { WatchEvent } from "../../watch/index.ts";
import { type Colour, paint } from "./output.ts";

/** What one event says about its service, without the service's name; undefined if it is about the whole stack. */
export function summary(event: WatchEvent): { service: string; text: string; colour?: Colour } | undefined {
  if (!("service" in event)) return undefined;
  const { service } = event;
  const line = (text: string, colour?: Colour) => ({ service, text, ...(colour ? { colour } : {}) });
  switch (event.type) {
    case "sync":
      return line(`synced ${counted(event.files, event.removed)} in ${event.ms} ms`, "green");
    case "sync-failed":
      return line(
        `could not sync ${event.path}: ${event.message}${event.more > 0 ? ` (and ${event.more} more)` : ""}`,
        "red",
      );
    case "read-failed":
      return line(`could not read all of ${event.path}: ${event.message}`, "red");
    case "restart":
      return line(`restarted in ${event.ms} ms`, "green");
    case "restart-failed":
      return line(`could not be restarted: ${event.message}`, "red");
    case "exec":
      return event.exitCode === 0
        ? line(`ran ${event.command.join(" ")}`, "green")
        : line(`${event.command.join(" ")} ended with exit code ${event.exitCode}`, "red");
    case "exec-failed":
      return line(`the command of sync+exec could not be run: ${event.message}`, "red");
    case "build-started":
      return line("building");
    case "build-cancelled":
      return line("the build was cancelled, because a file changed", "yellow");
    case "build-failed":
      return line(`the build failed: ${event.message}`, "red");
    case "rebuilt":
      return line(event.isNew ? `rebuilt in ${seconds(event.ms)}` : "the image is unchanged", "green");
    case "skipped":
      return line(`left out ${event.paths.join(", ")}: ${event.reason}`, "yellow");
    default:
      return undefined;
  }
}

/** The lines of an event; `quiet` leaves out the output of builds. */
export function linesOf(event: WatchEvent, quiet: boolean): string[] {
  const about = summary(event);
  if (about) {
    const text = about.colour ? paint(about.text, about.colour) : about.text;
    const more = "hint" in event && event.hint ? [`  ${event.hint}`] : [];
    const output = event.type === "exec" && event.output ? event.output.trimEnd().split("\n") : [];
    return [`${about.service}  ${text}`, ...more, ...output.map((line) => `${about.service}  ${line}`)];
  }
  switch (event.type) {
    case "watching":
      return [`watching ${counted(event.files, 0)} of ${event.services.join(", ")}; Ctrl-C ends the watch`];
    case "build-output":
      return quiet
        ? []
        : event.text
            .trimEnd()
            .split("\n")
            .map((line) => `${event.service}  ${line}`);
    case "plan":
      return [
        event.text.trimEnd(),
        ...(event.destructive && !event.applied
          ? ["this removes a service or data, so it was not applied: bay up --remove-orphans applies it"]
          : []),
      ];
    case "applied":
      return [`applied ${event.steps} ${event.steps === 1 ? "step" : "steps"} in ${event.ms} ms`];
    case "stack-failed":
      return [
        paint(event.message, "red"),
        ...(event.hint ? [`  ${event.hint}`] : []),
        "the stack is unchanged",
      ];
    case "polling":
      return [`${event.path} is polled: ${event.reason}`, ...(event.hint ? [`  ${event.hint}`] : [])];
    case "disconnected":
      return ["bayd has stopped; waiting for it"];
    case "connected":
      return ["bayd runs again"];
    default:
      return [];
  }
}

function counted(files: number, removed: number): string {
  const parts = [
    ...(files > 0 || removed === 0 ? [`${files} ${files === 1 ? "file" : "files"}`] : []),
    ...(removed > 0 ? [`${removed} removed`] : []),
  ];
  return parts.join(", ");
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
