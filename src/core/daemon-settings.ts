/**
 * bayd's settings: `daemon.json` in the folder of bay's configuration (BAY_CONFIG, or /etc/bay). Keys that Docker's
 * daemon.json has too have Docker's names and meaning. bayd reads the file when it starts, and again on SIGHUP.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { BayError, messageOf } from "./errors.ts";
import {
  hostsProblems,
  type ListenSettings,
  NO_LISTENERS,
  readListenSettings,
  shownListen,
} from "./listen-settings.ts";
import {
  type NetworkSettings,
  NO_NETWORK_SETTINGS,
  networkProblems,
  readNetworkSettings,
  shownNetworkSettings,
} from "./network-settings.ts";
import { REFUSED_SETTINGS } from "./refused-settings.ts";
import { formatSize, parseBytes } from "./sizes.ts";

/** The folder of bay's configuration: BAY_CONFIG, or /etc/bay. */
export function configFolder(): string {
  return process.env.BAY_CONFIG ?? "/etc/bay";
}

export interface DaemonSettings {
  /** The most processes and threads of a container that sets no limit itself; 0 for no limit. */
  defaultPidsLimit: number;
  /** Bytes of one file of a container's log. */
  logMaxSize: number;
  /** How many files of a log are kept. */
  logMaxFiles: number;
  /** The most bytes that one layer may unpack to. */
  maxLayerSize: number;
  /** The most bytes that the layers of one pull, load or build may unpack to, together. */
  maxImageSize: number;
  /** The most files of one layer. */
  maxLayerFiles: number;
  /** Leave forwarding between other interfaces allowed when bay enables IP forwarding. */
  mayRouteOthers: boolean;
  /** What /proc of a container says of processors and memory, unless its service decides: the host's, or its own limits. */
  procView: "host" | "limits";
  /** The directory at which lxcfs is mounted. */
  lxcfs: string;
  /** Where bayd listens beside its own socket. */
  listen: ListenSettings;
  network: NetworkSettings;
  /** Base URLs of mirrors of Docker Hub, and hosts of registries without TLS, in addition to registries.json. */
  registries: { mirrors: string[]; insecure: string[] };
}

/** Where a process or a container may need more, its stack file says so; an image's sizes are bounded here alone. */
export const DEFAULT_SETTINGS: DaemonSettings = {
  defaultPidsLimit: 4096,
  logMaxSize: 20 * 2 ** 20,
  logMaxFiles: 5,
  maxLayerSize: 20 * 2 ** 30,
  maxImageSize: 60 * 2 ** 30,
  maxLayerFiles: 2_000_000,
  mayRouteOthers: false,
  procView: "host",
  lxcfs: "/var/lib/lxcfs",
  listen: NO_LISTENERS,
  network: NO_NETWORK_SETTINGS,
  registries: { mirrors: [], insecure: [] },
};

const LEAST_LOG = 64 * 2 ** 10;

const size = (least: number) =>
  z.union([z.string().max(40), z.number()]).transform((value, context) => {
    const bytes = parseBytes(value);
    if (bytes !== undefined && bytes >= least && Number.isSafeInteger(bytes)) return bytes;
    context.addIssue({ code: "custom", message: `expected a size of at least ${least} bytes, such as 20g` });
    return z.NEVER;
  });

/** Docker's daemon.json has numbers of log options as strings. */
const count = (least: number, most: number) =>
  z.union([z.number(), z.string().regex(/^\d{1,12}$/)]).transform((value, context) => {
    const number = Number(value);
    if (Number.isInteger(number) && number >= least && number <= most) return number;
    context.addIssue({ code: "custom", message: `expected a whole number from ${least} to ${most}` });
    return z.NEVER;
  });

const file = z.string().max(4096).startsWith("/", "expected an absolute path");

const MAX_PIDS = 4_194_304;

const texts = z.array(z.string().min(1).max(1024)).max(64).default([]);

const settingsSchema = z.strictObject({
  "default-pids-limit": z
    .union([z.literal(-1).transform(() => 0), count(0, MAX_PIDS)])
    .default(DEFAULT_SETTINGS.defaultPidsLimit),
  "log-opts": z
    .strictObject({
      "max-size": size(LEAST_LOG).default(DEFAULT_SETTINGS.logMaxSize),
      "max-file": count(1, 10_000).default(DEFAULT_SETTINGS.logMaxFiles),
    })
    .default({ "max-size": DEFAULT_SETTINGS.logMaxSize, "max-file": DEFAULT_SETTINGS.logMaxFiles }),
  "max-layer-size": size(1).default(DEFAULT_SETTINGS.maxLayerSize),
  "max-image-size": size(1).default(DEFAULT_SETTINGS.maxImageSize),
  "max-layer-files": count(1, 1e9).default(DEFAULT_SETTINGS.maxLayerFiles),
  "ip-forward-no-drop": z.boolean().default(DEFAULT_SETTINGS.mayRouteOthers),
  proc: z.enum(["host", "limits"], { error: "expected host or limits" }).default(DEFAULT_SETTINGS.procView),
  lxcfs: file.default(DEFAULT_SETTINGS.lxcfs),
  hosts: z.array(z.string().max(1024)).max(16).default([]),
  tls: z.boolean().optional(),
  tlsverify: z.boolean().optional(),
  tlscacert: file.optional(),
  tlscert: file.optional(),
  tlskey: file.optional(),
  bip: z.string().max(64).optional(),
  "default-address-pools": z
    .array(z.strictObject({ base: z.string().max(64), size: z.number().int() }))
    .min(1)
    .max(64)
    .optional(),
  dns: texts,
  "dns-search": texts,
  "dns-opts": texts,
  "registry-mirrors": z
    .array(z.url({ error: "expected a URL" }).max(1024))
    .max(64)
    .default([]),
  "insecure-registries": z
    .array(
      z
        .string()
        .max(300)
        .regex(/^[\w.[\]:-]+$/, "expected HOST or HOST:PORT"),
    )
    .max(64)
    .default([]),
  "live-restore": z.literal(true, { error: "expected true: containers always outlive bayd" }).optional(),
});

/** The keys of daemon.json. */
export const SETTING_KEYS = Object.keys(settingsSchema.shape);

/** The settings as daemon.json has them, with sizes for people. */
export function shownSettings(settings: DaemonSettings): Record<string, string | number> {
  const { mirrors, insecure } = settings.registries;
  return {
    "default-pids-limit": settings.defaultPidsLimit === 0 ? "no limit" : settings.defaultPidsLimit,
    "log-opts.max-size": formatSize(settings.logMaxSize),
    "log-opts.max-file": settings.logMaxFiles,
    "max-layer-size": formatSize(settings.maxLayerSize),
    "max-image-size": formatSize(settings.maxImageSize),
    "max-layer-files": settings.maxLayerFiles,
    "ip-forward-no-drop": String(settings.mayRouteOthers),
    proc: settings.procView,
    lxcfs: settings.lxcfs,
    ...shownListen(settings.listen),
    ...shownNetworkSettings(settings.network),
    ...(mirrors.length > 0 ? { "registry-mirrors": mirrors.join(", ") } : {}),
    ...(insecure.length > 0 ? { "insecure-registries": insecure.join(", ") } : {}),
  };
}

export const settingsFile = (folder = configFolder()): string => join(folder, "daemon.json");

/** Parses daemon.json. Throws BAD_SETTINGS, which names the file and every problem in it. */
export function readDaemonSettings(folder = configFolder()): DaemonSettings {
  const file = settingsFile(folder);
  return existsSync(file) ? readSettingsFile(file) : DEFAULT_SETTINGS;
}

/** As `readDaemonSettings`, of any file, which must exist. */
export function readSettingsFile(file: string): DaemonSettings {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new BayError("BAD_SETTINGS", `${file}: ${messageOf(cause)}`, { cause });
  }
  const parsed = settingsSchema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) =>
      issue.code === "unrecognized_keys" && issue.path.length === 0
        ? issue.keys.map(unknownKey)
        : [`${issue.path.join(".") || "the file"}: ${issue.message}`],
    );
    throw new BayError("BAD_SETTINGS", `${file}: ${problems.join("; ")}`, {
      hint: `the keys are ${SETTING_KEYS.join(", ")}`,
    });
  }
  const { data } = parsed;
  const listen = readListenSettings(data);
  const problems = [...hostsProblems(data), ...networkProblems(data)];
  if (problems.length > 0)
    throw new BayError("BAD_SETTINGS", `${file}: ${problems.join("; ")}`, {
      hint: "see docs/remote.md for hosts and certificates, and docs/installing.md for networks",
    });
  return {
    defaultPidsLimit: data["default-pids-limit"],
    logMaxSize: data["log-opts"]["max-size"],
    logMaxFiles: data["log-opts"]["max-file"],
    maxLayerSize: data["max-layer-size"],
    maxImageSize: data["max-image-size"],
    maxLayerFiles: data["max-layer-files"],
    mayRouteOthers: data["ip-forward-no-drop"],
    procView: data.proc,
    lxcfs: data.lxcfs,
    listen,
    network: readNetworkSettings(data),
    registries: { mirrors: data["registry-mirrors"], insecure: data["insecure-registries"] },
  };
}

const unknownKey = (key: string): string => {
  const reason = Object.hasOwn(REFUSED_SETTINGS, key) ? REFUSED_SETTINGS[key] : undefined;
  return reason === undefined ? `unknown key ${key}` : `${key} is not supported: ${reason}`;
};
