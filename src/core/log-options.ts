/**
 * Options of the logging drivers that send lines elsewhere, by Docker's names: syslog (RFC 5424, RFC 3164) and journald
 * (systemd.journal-fields(7)). They are checked when a file is read, and parsed again when a container's lines are sent.
 */

export type RemoteDriver = "syslog" | "journald";

export type SyslogFormat = "local" | "rfc3164" | "rfc5424" | "rfc5424micro";

export interface SyslogAddress {
  kind: "unix" | "unixgram" | "udp" | "tcp" | "tls";
  /** The path of a unix socket; empty for the host's own, /dev/log. */
  path: string;
  host: string;
  port: number;
}

const FACILITIES =
  "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console solaris-cron local0 local1 local2 local3 local4 local5 local6 local7".split(
    " ",
  );
const COMMON = [
  "tag",
  "env",
  "env-regex",
  "labels",
  "labels-regex",
  "max-size",
  "max-file",
  "mode",
  "max-buffer-size",
];
const SYSLOG = [
  "syslog-address",
  "syslog-facility",
  "syslog-format",
  "syslog-tls-ca-cert",
  "syslog-tls-cert",
  "syslog-tls-key",
  "syslog-tls-skip-verify",
];
/** The fields of a tag's template, as in Docker. */
export const TAG_FIELDS = [
  "ID",
  "FullID",
  "Name",
  "ImageID",
  "ImageFullID",
  "ImageName",
  "Command",
  "DaemonName",
];

/** The number of a facility (RFC 5424, 6.2.1), by name or number; undefined for any other text. */
export function facilityNumber(text = "daemon"): number | undefined {
  if (/^\d{1,2}$/.test(text)) return Number(text) <= 23 ? Number(text) : undefined;
  const found = FACILITIES.indexOf(text);
  return found === -1 ? undefined : found;
}

/** Parses the address of a receiver; undefined for any other text. */
export function parseSyslogAddress(text: string | undefined): SyslogAddress | undefined {
  if (text === undefined || text === "") return { kind: "unixgram", path: "", host: "", port: 0 };
  const unix = /^(unix|unixgram):\/\/(\/[^\0]{1,106})$/.exec(text);
  if (unix) return { kind: unix[1] as "unix" | "unixgram", path: unix[2]!, host: "", port: 0 };
  const match = /^(udp|tcp|tcp\+tls):\/\/(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9._-]+))(?::(\d{1,5}))?\/?$/.exec(
    text,
  );
  if (!match) return undefined;
  const [, scheme = "", v6, name, port = "514"] = match;
  if (Number(port) < 1 || Number(port) > 65_535) return undefined;
  const kind = scheme === "tcp+tls" ? "tls" : (scheme as "udp" | "tcp");
  return { kind, path: "", host: v6 ?? name ?? "", port: Number(port) };
}

/** Sockets of the host's own syslog, whose receivers read only the form of syslog(3) there. */
export const LOCAL_SYSLOG = ["/dev/log", "/var/run/syslog", "/var/run/log"];
const LOCAL_SOCKETS = [...LOCAL_SYSLOG, "/run/syslog", "/run/log", "/run/systemd/journal/dev-log"];

/** The default format: that of syslog(3) for the host's own syslog, RFC 5424 for a named receiver. */
export function syslogFormat({
  "syslog-format": format,
  "syslog-address": address,
}: Readonly<Record<string, string>>): SyslogFormat {
  const isOwn = !address || LOCAL_SOCKETS.includes(parseSyslogAddress(address)?.path ?? "");
  return (format as SyslogFormat | undefined) || (isOwn ? "local" : "rfc5424");
}

/** Describes what is wrong with options, by key. */
export function logOptionProblems(
  driver: RemoteDriver,
  options: Readonly<Record<string, string>>,
): [key: string, message: string][] {
  const known = driver === "syslog" ? [...COMMON, ...SYSLOG] : COMMON;
  const problems: [string, string][] = Object.keys(options)
    .filter((key) => !known.includes(key))
    .map((key) => [key, `is not an option of the driver ${driver}; it has ${known.join(", ")}`]);
  const check = (key: string, isFine: boolean, expected: string) => {
    if (options[key] !== undefined && !isFine)
      problems.push([key, `expected ${expected}, got ${JSON.stringify(options[key])}`]);
  };
  const address = parseSyslogAddress(options["syslog-address"]);
  check(
    "syslog-address",
    address !== undefined,
    "unix://PATH, unixgram://PATH, udp://HOST:PORT, tcp://HOST:PORT or tcp+tls://HOST:PORT",
  );
  check(
    "syslog-facility",
    facilityNumber(options["syslog-facility"]) !== undefined,
    "a facility such as daemon or local0",
  );
  check(
    "syslog-format",
    /^(|rfc3164|rfc5424|rfc5424micro)$/.test(options["syslog-format"] ?? ""),
    "rfc3164, rfc5424 or rfc5424micro",
  );
  check("mode", /^(blocking|non-blocking)$/.test(options.mode ?? ""), "blocking or non-blocking");
  for (const key of ["env-regex", "labels-regex"])
    check(key, isPattern(options[key]), "a regular expression");
  if (options["syslog-tls-cert"] !== undefined && options["syslog-tls-key"] === undefined)
    problems.push(["syslog-tls-cert", "needs syslog-tls-key as well"]);
  const unknown = tagProblem(options.tag);
  if (unknown !== undefined) problems.push(["tag", unknown]);
  return problems;
}

function tagProblem(tag = ""): string | undefined {
  for (const [whole, field] of tag.matchAll(/\{\{\s*(.*?)\s*\}\}/g))
    if (!TAG_FIELDS.some((name) => field === `.${name}`))
      return `${whole} is not supported; there are ${TAG_FIELDS.map((name) => `{{.${name}}}`).join(", ")}`;
  return undefined;
}

function isPattern(text = ""): boolean {
  try {
    return text.length <= 256 && new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
