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
});

/** The keys of daemon.json. */
export const SETTING_KEYS = Object.keys(settingsSchema.shape);

/** The settings as daemon.json has them, with sizes for people. */
export function shownSettings(settings: DaemonSettings): Record<string, string | number> {
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
  };
}

export const settingsFile = (folder = configFolder()): string => join(folder, "daemon.json");

/** Parses daemon.json. Throws BAD_SETTINGS, which names the file and every problem in it. */
export function readDaemonSettings(folder = configFolder()): DaemonSettings {
  const file = settingsFile(folder);
  if (!existsSync(file)) return DEFAULT_SETTINGS;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new BayError("BAD_SETTINGS", `${file}: ${messageOf(cause)}`, { cause });
  }
  const parsed = settingsSchema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      ({ path, message }) => `${path.join(".") || "the file"}: ${message}`,
    );
    throw new BayError("BAD_SETTINGS", `${file}: ${problems.join("; ")}`, {
      hint: `the keys are ${SETTING_KEYS.join(", ")}`,
    });
  }
  const { data } = parsed;
  const listen = readListenSettings(data);
  const problems = hostsProblems(data);
  if (problems.length > 0)
    throw new BayError("BAD_SETTINGS", `${file}: ${problems.join("; ")}`, {
      hint: "see docs/remote.md",
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
  };
}
