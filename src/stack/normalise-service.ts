/** One checked service as bay uses it: short forms expanded, units converted, defaults filled in. */
import { readFileSync } from "node:fs";
import { posix, resolve } from "node:path";
import { signalNumber } from "../signals.ts";
import type { ReportAt } from "./check.ts";
import { parseDotenv, parseRawEnv } from "./dotenv.ts";
import type { Variables } from "./interpolate.ts";
import { toMapping } from "./merge.ts";
import { expandPorts, type PortMapping, parsePort } from "./ports.ts";
import type { ServiceInput } from "./schema.ts";
import type { Condition, Healthcheck, Service, ServiceMount } from "./stack.ts";
import { parseBytes, parseDuration, splitWords } from "./values.ts";

export interface ServiceContext {
  directory: string;
  variables: Variables;
  report: ReportAt;
  /** Files that are read on the way are noted here. */
  inputs: Set<string>;
}

const DEFAULT_GRACE = 10_000;
const DEFAULT_SHM = 64 << 20;

/** Everything that is wrong in the service is reported; the result is then not used. */
export function normaliseService(name: string, input: ServiceInput, context: ServiceContext): Service {
  return new ServiceReader(name, input, context).read();
}

class ServiceReader {
  constructor(
    readonly name: string,
    readonly input: ServiceInput,
    readonly context: ServiceContext,
  ) {}

  #bad(path: (string | number)[], message: string, hint?: string): void {
    const where = ["services", this.name, ...path];
    this.context.report(where, {
      severity: "error",
      code: "BAD_VALUE",
      message: `${where.join(".")}: ${message}`,
      ...(hint ? { hint } : {}),
    });
  }

  read(): Service {
    const { input } = this;
    if (!input.image) this.#bad([], "the service needs an image");
    const limits = input.deploy?.resources?.limits;
    const security = this.#security();
    const service: Service = {
      name: this.name,
      image: input.image ?? "",
      command: this.#command("command"),
      entrypoint: this.#command("entrypoint"),
      environment: this.#environment(),
      workdir: input.working_dir,
      user: input.user === undefined ? undefined : String(input.user),
      groups: (input.group_add ?? []).map(String),
      hostname: input.hostname,
      domainname: input.domainname ?? "",
      mounts: this.#mounts(),
      ports: this.#ports(),
      expose: (input.expose ?? []).map(String),
      networkMode: this.#networkMode(),
      networks: this.#networks(),
      dns: strings(input.dns),
      dnsSearch: strings(input.dns_search),
      dnsOptions: (input.dns_opt ?? []).map(String),
      extraHosts: this.#extraHosts(),
      dependsOn: this.#dependencies(),
      healthcheck: input.healthcheck
        ? readHealthcheck(input.healthcheck, (path, message) => this.#bad(["healthcheck", ...path], message))
        : undefined,
      restart: this.#restart(),
      stopSignal: input.stop_signal === undefined ? undefined : String(input.stop_signal),
      stopGraceMs: this.#duration(["stop_grace_period"], input.stop_grace_period) ?? DEFAULT_GRACE,
      init: truth(input.init),
      readOnly: truth(input.read_only),
      capAdd: (input.cap_add ?? []).map(String),
      capDrop: (input.cap_drop ?? []).map(String),
      privileged: truth(input.privileged),
      noNewPrivileges: security.noNewPrivileges,
      seccomp: security.seccomp,
      devices: this.#devices(),
      ulimits: this.#ulimits(),
      sysctls: textMap(input.sysctls),
      shmSize: this.#bytes(["shm_size"], input.shm_size) ?? DEFAULT_SHM,
      pidMode: input.pid === "host" ? "host" : "private",
      ipcMode: input.ipc === "host" ? "host" : "private",
      oomScoreAdj: Number(input.oom_score_adj ?? 0),
      labels: textMap(input.labels),
      annotations: textMap(input.annotations),
      resources: {
        cpus: optionalNumber(limits?.cpus ?? input.cpus),
        cpuShares: optionalNumber(input.cpu_shares),
        cpuset: input.cpuset === undefined ? undefined : String(input.cpuset),
        memory: this.#bytes(
          limits?.memory === undefined ? ["mem_limit"] : ["deploy", "resources", "limits", "memory"],
          limits?.memory ?? input.mem_limit,
        ),
        memoryReservation: this.#bytes(
          ["mem_reservation"],
          input.deploy?.resources?.reservations?.memory ?? input.mem_reservation,
        ),
        memorySwap: this.#bytes(["memswap_limit"], input.memswap_limit),
        pids: optionalNumber(limits?.pids ?? input.pids_limit),
      },
      replicas: Number(input.scale ?? input.deploy?.replicas ?? 1),
      containerName: input.container_name,
      tty: truth(input.tty),
      stdinOpen: truth(input.stdin_open),
      log: this.#logging(),
      profiles: input.profiles ?? [],
      attach: input.attach === undefined || truth(input.attach),
    };
    this.#consistency(service);
    return service;
  }

  #consistency(service: Service): void {
    const { memory, memorySwap, memoryReservation, cpus } = service.resources;
    if (service.replicas < 0) this.#bad(["scale"], "a negative number of replicas");
    if (service.replicas > 1 && service.containerName)
      this.#bad(["container_name"], `a fixed name allows one container, not ${service.replicas}`);
    if (memorySwap !== undefined && memorySwap > 0 && memory !== undefined && memorySwap < memory)
      this.#bad(["memswap_limit"], "is memory and swap together, so it cannot be below mem_limit");
    if (memoryReservation && memory && memoryReservation > memory)
      this.#bad(["mem_reservation"], "is above mem_limit");
    if (memory !== undefined && memory > 0 && memory < 6 << 20) this.#bad(["mem_limit"], "6m is the least");
    if (cpus !== undefined && cpus > 0 && cpus < 0.01) this.#bad(["cpus"], "0.01 is the least");
    if (service.networkMode !== "bridge" && service.ports.length > 0)
      this.#bad(["ports"], `cannot be published with network_mode ${service.networkMode}`);
    if (this.input.network_mode !== undefined && this.input.networks !== undefined)
      this.#bad(["network_mode"], "cannot be used together with networks");
    const targets = service.mounts.map(({ target }) => target);
    targets.forEach((target, index) => {
      if (targets.indexOf(target) !== index) this.#bad(["volumes"], `two mounts at ${target}`);
    });
    if (service.stopSignal !== undefined && signalNumber(service.stopSignal) === undefined)
      this.#bad(["stop_signal"], `${JSON.stringify(service.stopSignal)} is no signal`);
    if (this.input.deploy?.resources?.reservations?.cpus !== undefined) {
      const path = ["services", this.name, "deploy", "resources", "reservations", "cpus"];
      const message = `${path.join(".")} has no effect on one host; cpu_shares gives a service its weight`;
      this.context.report(path, { severity: "warning", code: "NO_EFFECT", message });
    }
    if (this.input.platform) {
      const own = `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;
      if (this.input.platform !== own && this.input.platform !== "linux")
        this.#bad(["platform"], `this host runs ${own}, not ${this.input.platform}`);
    }
  }

  #command(key: "command" | "entrypoint"): string[] | undefined {
    const value = this.input[key];
    if (value === undefined || value === null) return undefined;
    if (Array.isArray(value)) return value.map(String);
    const split = splitWords(value);
    if (!split) this.#bad([key], "a quote is not closed");
    return split ?? [];
  }

  #environment(): Record<string, string> {
    const result: Record<string, string> = {};
    const { env_file } = this.input;
    const files = env_file === undefined ? [] : typeof env_file === "string" ? [env_file] : env_file;
    files.forEach((entry, index) => {
      const { path, required, format } =
        typeof entry === "string"
          ? { path: entry, required: true, format: undefined }
          : { ...entry, required: entry.required === undefined || truth(entry.required) };
      const file = resolve(this.context.directory, path);
      this.context.inputs.add(file);
      let text: string;
      try {
        text = readFileSync(file, "utf8");
      } catch {
        if (required)
          this.#bad(
            typeof env_file === "string" ? ["env_file"] : ["env_file", index],
            `${file} cannot be read`,
          );
        return;
      }
      try {
        const read = format === "raw" ? parseRawEnv : parseDotenv;
        for (const [key, value] of read(text, this.context.variables)) result[key] = value;
      } catch (error) {
        this.#bad(["env_file"], `${file}: ${(error as Error).message}`);
      }
    });
    for (const [key, value] of Object.entries(toMapping(this.input.environment))) {
      const given = value === null ? this.context.variables(key) : String(value);
      if (given !== undefined) result[key] = given;
      if (key === "" || key.includes("\0")) this.#bad(["environment"], "a variable without a name");
    }
    return result;
  }

  #mounts(): ServiceMount[] {
    const mounts = (this.input.volumes ?? []).flatMap((volume, index) => {
      const mount =
        typeof volume === "string" ? this.#shortVolume(volume, index) : this.#longVolume(volume, index);
      if (!mount) return [];
      if (!posix.isAbsolute(mount.target))
        this.#bad(["volumes", index], `the target ${JSON.stringify(mount.target)} is not absolute`);
      return [{ ...mount, target: posix.normalize(mount.target).replace(/(.)\/$/, "$1") }];
    });
    const tmpfs = strings(this.input.tmpfs).map((entry): ServiceMount => {
      const [target = "", options = ""] = entry.split(/:(.*)/s);
      if (!posix.isAbsolute(target)) this.#bad(["tmpfs"], `${JSON.stringify(target)} is not absolute`);
      return { type: "tmpfs", target, options: options.split(",").filter(Boolean) };
    });
    return [...mounts, ...tmpfs];
  }

  #shortVolume(text: string, index: number): ServiceMount | undefined {
    const parts = text.split(":");
    if (parts.length > 3 || parts.some((part) => part === "")) {
      this.#bad(["volumes", index], `${JSON.stringify(text)} is no mount; expected SOURCE:TARGET[:ro]`);
      return undefined;
    }
    if (parts.length === 1)
      return { type: "volume", source: "", target: parts[0]!, readOnly: false, noCopy: false };
    const [source = "", target = "", mode = ""] = parts;
    const modes = mode.split(",").filter(Boolean);
    for (const option of modes) {
      if (!["ro", "rw", "nocopy", "z", "Z", "cached", "delegated", "consistent"].includes(option))
        this.#bad(["volumes", index], `the option ${option} is not supported`);
    }
    const readOnly = modes.includes("ro");
    if (/^[./~]/.test(source))
      return {
        type: "bind",
        source: this.#hostPath(source),
        target,
        readOnly,
        recursive: true,
        createSource: true,
      };
    return { type: "volume", source, target, readOnly, noCopy: modes.includes("nocopy") };
  }

  #longVolume(
    volume: Exclude<NonNullable<ServiceInput["volumes"]>[number], string>,
    index: number,
  ): ServiceMount | undefined {
    const { type, source, target } = volume;
    const readOnly = truth(volume.read_only);
    if (type === "tmpfs") {
      const size = this.#bytes(["volumes", index, "tmpfs", "size"], volume.tmpfs?.size);
      const mode = volume.tmpfs?.mode;
      return {
        type,
        target,
        options: [
          ...(size === undefined ? [] : [`size=${size}`]),
          ...(mode === undefined ? [] : [`mode=${Number(mode).toString(8)}`]),
          ...(readOnly ? ["ro"] : []),
        ],
      };
    }
    if (type === "volume")
      return { type, source: source ?? "", target, readOnly, noCopy: truth(volume.volume?.nocopy) };
    if (!source) {
      this.#bad(["volumes", index], "a bind mount needs a source");
      return undefined;
    }
    return {
      type,
      source: this.#hostPath(source),
      target,
      readOnly,
      recursive: volume.bind?.recursive !== "disabled",
      createSource: volume.bind?.create_host_path === undefined || truth(volume.bind.create_host_path),
    };
  }

  #hostPath(path: string): string {
    const home = this.context.variables("HOME") ?? "/root";
    return resolve(
      this.context.directory,
      path === "~" || path.startsWith("~/") ? home + path.slice(1) : path,
    );
  }

  #ports(): PortMapping[] {
    const all = (this.input.ports ?? []).flatMap((port, index) => {
      const result =
        typeof port === "object"
          ? expandPorts(
              port.host_ip ?? "",
              String(port.published ?? ""),
              String(port.target),
              port.protocol ?? "tcp",
            )
          : parsePort(String(port));
      if (typeof result !== "string") return result;
      this.#bad(["ports", index], result);
      return [];
    });
    const seen = new Set<string>();
    for (const port of all) {
      const key = `${port.hostAddress}:${port.hostPort}/${port.protocol}`;
      if (port.hostPort !== undefined && seen.has(key))
        this.#bad(["ports"], `${port.hostPort}/${port.protocol} is published twice`);
      seen.add(key);
    }
    return all;
  }

  #networkMode(): Service["networkMode"] {
    const mode = this.input.network_mode;
    if (mode === undefined || mode === "bridge") return "bridge";
    if (mode === "none" || mode === "host") return mode;
    if (/^service:.+/.test(mode)) return mode as `service:${string}`;
    this.#bad(["network_mode"], `expected none, host or service:NAME, got ${JSON.stringify(mode)}`);
    return "bridge";
  }

  #networks(): Service["networks"] {
    const { networks } = this.input;
    if (this.#networkMode() !== "bridge") return {};
    if (networks === undefined) return { default: { aliases: [], ipv4: undefined } };
    if (Array.isArray(networks))
      return Object.fromEntries(networks.map((key) => [String(key), { aliases: [], ipv4: undefined }]));
    const entries = Object.entries(networks).sort(
      ([, a], [, b]) => Number(b?.priority ?? 0) - Number(a?.priority ?? 0),
    );
    return Object.fromEntries(
      entries.map(([key, value]) => [
        key,
        { aliases: (value?.aliases ?? []).map(String), ipv4: value?.ipv4_address },
      ]),
    );
  }

  #extraHosts(): string[] {
    const hosts = this.input.extra_hosts;
    if (!hosts) return [];
    const entries = Array.isArray(hosts)
      ? hosts.map(String)
      : Object.entries(hosts).flatMap(([name, value]) =>
          [value].flat().map((address) => `${name}=${address}`),
        );
    return entries.map((entry) => {
      const [, name, address] = /^([^=:]+)[=:](.+)$/.exec(entry) ?? [];
      if (!name || !address)
        this.#bad(["extra_hosts"], `expected NAME=ADDRESS, got ${JSON.stringify(entry)}`);
      return `${name}=${address}`;
    });
  }

  #dependencies(): Service["dependsOn"] {
    const depends = this.input.depends_on;
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

  #restart(): Service["restart"] {
    const [policy = "no", retries = "0"] = (this.input.restart ?? "no").split(":");
    return { policy: policy as Service["restart"]["policy"], maxRetries: Number(retries) };
  }

  #security(): { noNewPrivileges: boolean; seccomp: string } {
    const result = { noNewPrivileges: false, seccomp: "default" };
    (this.input.security_opt ?? []).forEach((option, index) => {
      const [key = "", value = ""] = String(option).split(/[:=](.*)/s);
      if (key === "no-new-privileges") result.noNewPrivileges = value === "" || value === "true";
      else if (key === "seccomp" && value === "unconfined") result.seccomp = value;
      else if (key === "seccomp") {
        const file = resolve(this.context.directory, value);
        const isInline = value.startsWith("{"); // as bay config writes it
        if (!isInline) this.context.inputs.add(file);
        try {
          result.seccomp = JSON.stringify(JSON.parse(isInline ? value : readFileSync(file, "utf8")));
        } catch (error) {
          this.#bad(
            ["security_opt", index],
            `the seccomp profile ${value} cannot be used: ${(error as Error).message}`,
          );
        }
      } else if (
        !(key === "apparmor" && value === "unconfined") &&
        !(key === "label" && value === "disable")
      ) {
        this.#bad(["security_opt", index], `${option} is not supported`);
      }
    });
    return result;
  }

  #devices(): Service["devices"] {
    return (this.input.devices ?? []).map((device, index) => {
      const [source = "", target = source, access = "rwm"] = String(device).split(":");
      const isAccess = /^[rwm]+$/.test(target) && !target.includes("/");
      if (!posix.isAbsolute(source))
        this.#bad(["devices", index], `expected /dev/NAME[:TARGET[:rwm]], got ${JSON.stringify(device)}`);
      return isAccess ? { source, target: source, access: target } : { source, target, access };
    });
  }

  #ulimits(): Service["ulimits"] {
    return Object.fromEntries(
      Object.entries(this.input.ulimits ?? {}).map(([name, value]) => {
        const { soft, hard } = typeof value === "object" ? value : { soft: value, hard: value };
        return [name, { soft: Number(soft), hard: Number(hard) }];
      }),
    );
  }

  #logging(): Service["log"] {
    const { driver = "json-file", options = {} } = this.input.logging ?? {};
    for (const key of Object.keys(options)) {
      if (!["max-size", "max-file"].includes(key))
        this.#bad(["logging", "options", key], "is not supported; max-size and max-file are");
    }
    const maxFiles = options["max-file"];
    return {
      driver,
      maxSize: this.#bytes(["logging", "options", "max-size"], options["max-size"] as string | undefined),
      maxFiles: maxFiles === undefined || maxFiles === null ? undefined : Math.max(1, Number(maxFiles)),
    };
  }

  #bytes(path: (string | number)[], value: string | number | undefined): number | undefined {
    if (value === undefined) return undefined;
    const parsed = parseBytes(value);
    if (parsed === undefined) this.#bad(path, `expected a size such as 64m, got ${JSON.stringify(value)}`);
    return parsed;
  }

  #duration(path: (string | number)[], value: string | number | undefined): number | undefined {
    if (value === undefined) return undefined;
    const parsed = parseDuration(value);
    if (parsed === undefined)
      this.#bad(path, `expected a duration such as 10s, got ${JSON.stringify(value)}`);
    return parsed;
  }
}

/** A healthcheck with its units converted; shared by services and images. */
export function readHealthcheck(
  input: NonNullable<ServiceInput["healthcheck"]>,
  bad: (path: string[], message: string) => void,
): Healthcheck {
  const time = (key: "interval" | "timeout" | "start_period" | "start_interval") => {
    const value = input[key];
    if (value === undefined) return undefined;
    const parsed = parseDuration(value);
    if (parsed === undefined) bad([key], `expected a duration such as 10s, got ${JSON.stringify(value)}`);
    return parsed;
  };
  let test = typeof input.test === "string" ? ["CMD-SHELL", input.test] : input.test;
  if (truth(input.disable)) test = ["NONE"];
  if (test && !["CMD", "CMD-SHELL", "NONE"].includes(test[0] ?? ""))
    bad(["test"], "the first item must be CMD, CMD-SHELL or NONE");
  return {
    test,
    intervalMs: time("interval"),
    timeoutMs: time("timeout"),
    startPeriodMs: time("start_period"),
    startIntervalMs: time("start_interval"),
    retries: optionalNumber(input.retries),
  };
}

export function truth(value: boolean | "true" | "false" | undefined): boolean {
  return value === true || value === "true";
}

export function strings(value: string | (string | number)[] | undefined): string[] {
  return value === undefined ? [] : typeof value === "string" ? [value] : value.map(String);
}

export function textMap(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(toMapping(value)).map(([key, entry]) => [key, entry === null ? "" : String(entry)]),
  );
}

function optionalNumber(value: string | number | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
