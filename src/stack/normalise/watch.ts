/** `develop.watch` of a service (Compose Develop Specification). */
import { posix, resolve } from "node:path";
import { atPlace } from "../../core/diagnostics.ts";
import type { WatchRule } from "../model/stack.ts";
import { readHook } from "./process.ts";
import { type ServiceReader, strings, truth } from "./service-reader.ts";

/** The rules of a service; empty if it has none. Reports options that an action needs and does not have. */
export function readWatch(reader: ServiceReader): { watch?: WatchRule[] } {
  const rules = reader.input.develop?.watch ?? [];
  if (rules.length === 0) return {};
  const watch = rules.map((rule, index): WatchRule => {
    const at = ["develop", "watch", index];
    const isSync = rule.action.startsWith("sync");
    const isExec = rule.action === "sync+exec";
    if (rule.path === "") reader.bad([...at, "path"], "is empty");
    if (isSync && !rule.target) reader.bad(at, `the action ${rule.action} needs a target`);
    if (isExec && !rule.exec) reader.bad(at, "the action sync+exec needs exec.command");
    if (!isExec && rule.exec) reader.note([...at, "exec"], `the action is ${rule.action}`);
    if (!isSync && rule.target) reader.note([...at, "target"], `the action is ${rule.action}`);
    if (!isSync && truth(rule.initial_sync))
      reader.note([...at, "initial_sync"], `the action is ${rule.action}`);
    const whole = ["services", reader.name, ...at];
    return {
      where: atPlace(reader.context.locate(whole), whole.join(".")),
      path: resolve(reader.context.directory, rule.path),
      action: rule.action,
      target: isSync && rule.target ? posix.join("/", rule.target) : undefined,
      ignore: strings(rule.ignore),
      include: strings(rule.include),
      initialSync: isSync && truth(rule.initial_sync),
      exec: isExec && rule.exec ? readHook(reader, rule.exec, [...at, "exec"]) : undefined,
    };
  });
  return { watch };
}
