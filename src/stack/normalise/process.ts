/** How a service's process runs: command, environment, dependencies, restart, privileges, limits, logs. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../../core/errors.ts";
import { logOptionProblems, type RemoteDriver, syslogFormat } from "../../core/log-options.ts";
import { listFileProblem } from "../check/limits.ts";
import { envParser, parseDotenv } from "../files/dotenv.ts";
import { readGivenFile } from "../files/given-contents.ts";
import { toMapping } from "../files/merge.ts";
import type { Condition, Hook, PullPolicy, Service } from "../model/stack.ts";
import type { ServiceInput } from "../schema/schema.ts";
import { optionalText, type ServiceReader, strings, textMap, truth } from "./service-reader.ts";
import { splitWords } from "./values.ts";
import { readVolumesFrom } from "./volumes-from.ts";

export function readCommand(reader: ServiceReader, key: "command" | "entrypoint"): string[] | undefined {
  const value = reader.input[key];
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value.map(String);
  const split = splitWords(value);
  if (!split) reader.bad([key], "a quote is not closed");
  return split ?? [];
}

/** `post_start` or `pre_stop`. */
export function readHooks(reader: ServiceReader, key: "post_start" | "pre_stop"): Hook[] {
  return (reader.input[key] ?? []).map((hook, index) => readHook(reader, hook, [key, index]));
}

/** A command in a running container, given at a path of the service. */
export function readHook(reader: ServiceReader, hook: HookInput, path: (string | number)[]): Hook {
  const { command, user, working_dir: workdir, privileged, environment } = hook;
  const words = Array.isArray(command) ? command.map(String) : splitWords(command);
  if (!words?.length) reader.bad([...path, "command"], words ? "is empty" : "a quote is not closed");
  const given = Object.entries(toMapping(environment)).flatMap(([name, value]) => {
    const text = value === null ? reader.context.variables(name) : String(value);
    return text === undefined ? [] : [[name, text] as const];
  });
  return {
    command: words ?? [],
    environment: Object.fromEntries(given),
    user: optionalText(user),
    workdir: optionalText(workdir),
    privileged: truth(privileged),
  };
}

type HookInput = NonNullable<ServiceInput["post_start"]>[number];

/** Labels of label_file, overridden by the service's own. */
export function readLabels(reader: ServiceReader): Record<string, string> {
  const { label_file: files, labels } = reader.input;
  const result: Record<string, string> = {};
  strings(files).forEach((path, index) => {
    const file = resolve(reader.context.directory, path);
    const at = typeof files === "string" ? ["label_file"] : ["label_file", index];
    reader.context.inputs.add(file);
    const tooLarge = listFileProblem(file);
    if (tooLarge) {
      reader.bad(at, tooLarge);
      return;
    }
    try {
      for (const [key, value] of parseDotenv(
        readGivenFile(file, reader.context.contents).toString("utf8"),
        reader.context.variables,
        (message) => reader.unset(at, `${file}: ${message}`),
      ))
        result[key] = value;
    } catch (error) {
      const isAbsent = (error as NodeJS.ErrnoException).code !== undefined;
      reader.bad(at, isAbsent ? `${file} cannot be read` : `${file}: ${messageOf(error)}`);
    }
  });
  return { ...result, ...textMap(labels) };
}

const textOf = (values: Readonly<Record<string, unknown>>, name: string): string | undefined =>
  Object.hasOwn(values, name) && values[name] !== null ? String(values[name]) : undefined;

export function readEnvironment(reader: ServiceReader): Record<string, string> {
  const result: Record<string, string> = {};
  const { env_file } = reader.input;
  const own = toMapping(reader.input.environment);
  // as in Compose: the stack's variables, then those of `environment`, then those of the env files before
  const known = (name: string) => reader.context.variables(name) ?? textOf(own, name) ?? textOf(result, name);
  const files = env_file === undefined ? [] : typeof env_file === "string" ? [env_file] : env_file;
  files.forEach((entry, index) => {
    const { path, required, format } =
      typeof entry === "string"
        ? { path: entry, required: true, format: undefined }
        : { ...entry, required: entry.required === undefined || truth(entry.required) };
    const file = resolve(reader.context.directory, path);
    const place = typeof env_file === "string" ? ["env_file"] : ["env_file", index];
    reader.context.inputs.add(file);
    const tooLarge = listFileProblem(file);
    if (tooLarge) {
      reader.bad(typeof env_file === "string" ? ["env_file"] : ["env_file", index], tooLarge);
      return;
    }
    let text: string;
    try {
      text = readGivenFile(file, reader.context.contents).toString("utf8");
    } catch {
      if (required) reader.bad(place, `${file} cannot be read`);
      return;
    }
    try {
      const warn = (message: string) =>
        reader.unset(place, `${file}:${message.replace(/^line (\d+): /, "$1: ")}`);
      for (const [key, value] of envParser(format)(text, known, warn)) result[key] = value;
    } catch (error) {
      // line and column as editors and terminals write them
      reader.bad(place, `${file}:${messageOf(error).replace(/^line (\d+): /, "$1: ")}`);
    }
  });
  for (const [key, value] of Object.entries(own)) {
    const given = value === null ? reader.context.variables(key) : String(value);
    if (given !== undefined) result[key] = given;
    if (key === "" || key.includes("\0")) reader.bad(["environment"], "a variable has no name");
  }
  return result;
}

/** `SERVICE` or `SERVICE:NAME` of links. */
export function readLinks({ input }: ServiceReader): { service: string; name: string }[] {
  return (input.links ?? []).map((link) => {
    const [service = "", name = service] = link.split(":");
    return { service, name };
  });
}

/** `CONTAINER` or `CONTAINER:NAME`, by name. */
export function readExternalLinks({ input }: ServiceReader): Record<string, string> {
  const links = (input.external_links ?? []).map((link) => {
    const [container = "", name = container] = link.split(":");
    return [name, container] as const;
  });
  return Object.fromEntries(links);
}

/** Dependencies from depends_on, links and volumes_from. */
export function readDependencies(reader: ServiceReader): Service["dependsOn"] {
  const others = [...readLinks(reader), ...readVolumesFrom(reader.input.volumes_from)];
  const condition: Condition = "service_started";
  const needed = others.map(
    ({ service }) => [service, { condition, required: true, restart: false }] as const,
  );
  return { ...Object.fromEntries(needed), ...readDependsOn(reader) };
}

function readDependsOn(reader: ServiceReader): Service["dependsOn"] {
  const depends = reader.input.depends_on;
  if (!depends) return {};
  const started: Condition = "service_started";
  if (Array.isArray(depends))
    return Object.fromEntries(
      depends.map((name) => [name, { condition: started, required: true, restart: false }]),
    );
  return Object.fromEntries(
    Object.entries(depends).map(([name, value]) => [
      name,
      {
        condition: value.condition ?? started,
        required: value.required === undefined || truth(value.required),
        restart: truth(value.restart),
      },
    ]),
  );
}

const APPARMOR = "/sys/kernel/security/apparmor";

const CONDITIONS: Record<string, Service["restart"]["policy"]> = {
  none: "no",
  any: "always",
};

/** `restart`, or else deploy.restart_policy as docker compose converts it. */
export function readRestart(reader: ServiceReader): Service["restart"] {
  const { restart, deploy } = reader.input;
  const given = deploy?.restart_policy;
  if (restart === undefined && given) {
    for (const key of ["delay", "window"] as const)
      if (given[key] !== undefined)
        reader.note(
          ["deploy", "restart_policy", key],
          "bay increases the delay between restarts automatically",
        );
    const { condition = "any", max_attempts: attempts = 0 } = given;
    const policy = CONDITIONS[condition] ?? (condition as Service["restart"]["policy"]);
    return { policy, maxRetries: policy === "on-failure" ? Number(attempts) : 0 };
  }
  if (given) reader.note(["deploy", "restart_policy"], "restart is set too, and takes precedence");
  const [policy = "no", retries = "0"] = (restart ?? "no").split(":");
  return { policy: policy as Service["restart"]["policy"], maxRetries: Number(retries) };
}

export function readSecurity(
  reader: ServiceReader,
): Pick<Service, "noNewPrivileges" | "seccomp" | "apparmor"> {
  const result: ReturnType<typeof readSecurity> = {
    noNewPrivileges: false,
    seccomp: "default",
    apparmor: undefined,
  };
  (reader.input.security_opt ?? []).forEach((option, index) => {
    const [key = "", value = ""] = String(option).split(/[:=](.*)/s);
    if (key === "no-new-privileges") {
      // like Go's ParseBool
      const isOn = /^(1|t|true)?$/i.test(value);
      if (!isOn && !/^(0|f|false)$/i.test(value))
        reader.bad(["security_opt", index], `no-new-privileges: expected true or false, got ${value}`);
      result.noNewPrivileges = isOn;
    } else if (key === "seccomp" && value === "unconfined") result.seccomp = value;
    else if (key === "seccomp") {
      const file = resolve(reader.context.directory, value);
      const isInline = value.startsWith("{"); // as bay config writes it
      if (!isInline) reader.context.inputs.add(file);
      try {
        result.seccomp = JSON.stringify(JSON.parse(isInline ? value : readFileSync(file, "utf8")));
      } catch (error) {
        reader.bad(
          ["security_opt", index],
          `the seccomp profile ${value} cannot be used: ${messageOf(error)}`,
        );
      }
    } else if (key === "apparmor" && /^[\w./:@-]+$/.test(value)) {
      result.apparmor = value;
      if (value !== "unconfined" && !existsSync(APPARMOR))
        reader.note(["security_opt", index], "this host has no AppArmor");
    } else if (!(key === "label" && value === "disable")) {
      reader.bad(["security_opt", index], `${option} is not supported`);
    }
  });
  return result;
}

export function readUlimits(reader: ServiceReader): Service["ulimits"] {
  return Object.fromEntries(
    Object.entries(reader.input.ulimits ?? {}).map(([name, value]) => {
      const { soft, hard } = typeof value === "object" ? value : { soft: value, hard: value };
      return [name, { soft: Number(soft), hard: Number(hard) }];
    }),
  );
}

export function readLogging(reader: ServiceReader): Service["log"] {
  const { driver = "json-file", options = {} } = reader.input.logging ?? {};
  const isRemote = driver === "syslog" || driver === "journald";
  for (const key of isRemote ? [] : Object.keys(options)) {
    if (!["max-size", "max-file"].includes(key))
      reader.bad(
        ["logging", "options", key],
        "is not supported; supported options are max-size and max-file",
      );
  }
  const maxFiles = options["max-file"];
  if (maxFiles !== undefined && maxFiles !== null && !/^0*[1-9]\d{0,8}$/.test(String(maxFiles)))
    reader.bad(["logging", "options", "max-file"], `invalid number of files ${maxFiles}: the minimum is 1`);
  const sent = isRemote ? readSending(reader, driver, textMap(options)) : {};
  return {
    driver,
    maxSize: reader.bytes(["logging", "options", "max-size"], options["max-size"] as string | undefined),
    maxFiles: maxFiles === undefined || maxFiles === null ? undefined : Math.max(1, Number(maxFiles)),
    ...(Object.keys(sent).length > 0 ? { options: sent } : {}),
  };
}

/** Options of a remote logging driver. Paths of certificates are relative to the stack's directory. */
function readSending(
  reader: ServiceReader,
  driver: RemoteDriver,
  given: Record<string, string>,
): Record<string, string> {
  for (const [key, message] of logOptionProblems(driver, given))
    reader.bad(["logging", "options", key], message);
  if (given.mode === "blocking" || given["max-buffer-size"] !== undefined)
    reader.note(
      ["logging", "options", given.mode === "blocking" ? "mode" : "max-buffer-size"],
      "a receiver never blocks a container: bay buffers 10000 lines, and counts lost lines in bayd's log",
    );
  const chosen = ["env", "env-regex", "labels", "labels-regex"].find((key) => given[key] !== undefined);
  if (driver === "syslog" && chosen && !syslogFormat(given).startsWith("rfc5424"))
    reader.note(["logging", "options", chosen], "only syslog-format rfc5424 supports them");
  const { "max-size": _, "max-file": __, ...options } = given;
  for (const key of ["syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key"])
    if (options[key]) options[key] = resolve(reader.context.directory, options[key]);
  return options;
}

const DAY = 24 * 3600 * 1000;

/** `pull_policy`: missing, if_not_present, always, never, daily, weekly, every_DURATION. */
export function readPullPolicy(reader: ServiceReader): PullPolicy {
  const text = reader.input.pull_policy;
  if (reader.input.pull_refresh_after !== undefined && text !== "refresh")
    reader.note(["pull_refresh_after"], "pull_policy is not refresh");
  const every = /^every_(.+)$/.exec(text ?? "")?.[1];
  if (text === undefined || text === "missing" || text === "if_not_present") return { when: "missing" };
  if (text === "always" || text === "never") return { when: text };
  if (text === "build") {
    if (reader.input.build === undefined) reader.bad(["pull_policy"], "build needs a build: section");
    return { when: "build" };
  }
  if (text === "refresh") {
    const after = reader.duration(["pull_refresh_after"], reader.input.pull_refresh_after);
    if (reader.input.pull_refresh_after === undefined)
      reader.bad(["pull_policy"], "refresh needs pull_refresh_after");
    return { when: "refresh", afterMs: after ?? 0 };
  }
  if (text === "daily") return { when: "refresh", afterMs: DAY };
  if (text === "weekly") return { when: "refresh", afterMs: 7 * DAY };
  if (every) {
    // Compose accepts days and weeks here, but not in its other durations
    const [, weeks = "0", ofWeek = "0", rest = every] = /^(?:(\d+)w)?(?:(\d+)d)?(.*)$/.exec(every) ?? [];
    const days = Number(weeks) * 7 + Number(ofWeek);
    return {
      when: "refresh",
      afterMs: days * DAY + (rest ? (reader.duration(["pull_policy"], rest) ?? 0) : 0),
    };
  }
  reader.bad(
    ["pull_policy"],
    `expected missing, always, never, build, refresh, daily, weekly or every_DURATION, got ${JSON.stringify(text)}`,
  );
  return { when: "missing" };
}
