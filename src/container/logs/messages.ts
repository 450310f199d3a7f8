/** Formats a line of a container's output as a syslog message (RFC 5424, RFC 3164), or an entry of systemd's journal. Pure. */
import {
  facilityNumber,
  type RemoteDriver,
  type SyslogFormat,
  syslogFormat,
  TAG_FIELDS,
} from "../../core/log-options.ts";
import type { ContainerConfig } from "../model/config.ts";

export interface Line {
  stream: 0 | 1;
  /** Milliseconds since the epoch. */
  time: number;
  /** Without the newline. */
  bytes: Buffer;
  /** The line continues in the next message. */
  isPartial: boolean;
}

export type Encode = (line: Line) => Buffer;

const INFO = 6;
const ERROR = 3;
const severityOf = ({ stream }: Line) => (stream === 0 ? INFO : ERROR);

interface Sender {
  id: string;
  config: Pick<ContainerConfig, "name" | "image" | "imageId" | "args" | "env" | "labels">;
  options: Readonly<Record<string, string>>;
  hostname: string;
  pid: number;
}

/** Returns the function that formats a container's lines. */
export function encoderOf(driver: RemoteDriver, sender: Sender): Encode {
  return driver === "journald" ? journalEncoder(sender) : syslogEncoder(sender);
}

/** Expands the tag template; by default the container's short ID, as in Docker. */
export function tagOf({ id, config, options }: Sender): string {
  const image = config.imageId.replace(/^sha256:/, "");
  const values: Record<string, string> = {
    ID: id.slice(0, 12),
    FullID: id,
    Name: config.name,
    ImageID: image.slice(0, 12),
    ImageFullID: config.imageId,
    ImageName: config.image,
    Command: config.args.join(" "),
    DaemonName: "bay",
  };
  return (options.tag || "{{.ID}}").replace(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, field: string) =>
    TAG_FIELDS.includes(field) ? values[field]! : whole,
  );
}

/** The labels and variables that the options select. */
export function attributesOf({ config, options }: Sender): [string, string][] {
  const env = config.env.map((entry): [string, string] => {
    const [name = "", value = ""] = entry.split(/=(.*)/s);
    return [name, value];
  });
  const chosen = (all: [string, string][], names: string | undefined, pattern: string | undefined) => {
    const wanted = new Set((names ?? "").split(",").map((name) => name.trim()));
    const regex = pattern ? new RegExp(pattern) : undefined;
    return all.filter(([name]) => wanted.has(name) || regex?.test(name));
  };
  return [
    ...chosen(Object.entries(config.labels), options.labels, options["labels-regex"]),
    ...chosen(env, options.env, options["env-regex"]),
  ];
}

/** RFC 5424, 6: names are printable ASCII of a limited length. */
const nameOf = (text: string, most: number) => text.replace(/[^!-~]/g, "_").slice(0, most) || "-";

function syslogEncoder(sender: Sender): Encode {
  const { options, hostname, pid } = sender;
  const format: SyslogFormat = syslogFormat(options);
  const facility = facilityNumber(options["syslog-facility"]) ?? 3;
  const tag = tagOf(sender);
  const data = structuredData(attributesOf(sender));
  return (line) => {
    const priority = `<${facility * 8 + severityOf(line)}>`;
    const time = new Date(line.time);
    const own = `${nameOf(tag, 255)}[${pid}]: `;
    const head =
      format === "local"
        ? `${priority}${shortTime(time)} ${own}`
        : format === "rfc3164"
          ? `${priority}${shortTime(time)} ${nameOf(hostname, 255)} ${own}`
          : `${priority}1 ${format === "rfc5424micro" ? microTime(time) : secondTime(time)} ${nameOf(hostname, 255)} ${nameOf(tag, 48)} ${pid} ${nameOf(tag, 32)} ${data} `;
    return Buffer.concat([Buffer.from(head), line.bytes]);
  };
}

/** RFC 3164, 4.1.2, in the host's time zone: `Jan 2 15:04:05`, where a day below 10 is padded with a space. */
function shortTime(time: Date): string {
  const month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")[time.getMonth()]!;
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  return `${month} ${String(time.getDate()).padStart(2)} ${clock}`;
}

const microTime = (time: Date) => time.toISOString().replace("Z", "000Z");
const secondTime = (time: Date) => time.toISOString().replace(/\.\d+/, "");

/** RFC 5424, 6.3. Uses the enterprise number of RFC 5612, as bay has none. */
function structuredData(attributes: readonly [string, string][]): string {
  if (attributes.length === 0) return "-";
  const parameters = attributes.map(([name, value]) => {
    const key = name.replace(/[^!-~]|[="\]]/g, "_").slice(0, 32);
    return `${key}="${value.replace(/["\\\]]/g, "\\$&")}"`;
  });
  return `[container@32473 ${parameters.join(" ")}]`;
}

function journalEncoder(sender: Sender): Encode {
  const { id, config } = sender;
  const tag = tagOf(sender);
  const fixed: [string, string][] = [
    ["CONTAINER_ID", id.slice(0, 12)],
    ["CONTAINER_ID_FULL", id],
    ["CONTAINER_NAME", config.name],
    ["CONTAINER_TAG", tag],
    ["IMAGE_NAME", config.image],
    ["SYSLOG_IDENTIFIER", tag],
    ...attributesOf(sender).map(([name, value]): [string, string] => [fieldName(name), value]),
  ];
  const common = Buffer.concat(fixed.map(([name, value]) => journalField(name, Buffer.from(value))));
  return (line) =>
    Buffer.concat([
      journalField("MESSAGE", line.bytes),
      journalField("PRIORITY", Buffer.from(String(severityOf(line)))),
      journalField("SYSLOG_TIMESTAMP", Buffer.from(microTime(new Date(line.time)))),
      ...(line.isPartial ? [journalField("CONTAINER_PARTIAL_MESSAGE", Buffer.from("true"))] : []),
      common,
    ]);
}

/** Field names consist of upper case letters, digits and _, and begin with a letter. */
function fieldName(name: string): string {
  const upper = name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
  return (/^[A-Z]/.test(upper) ? upper : `X_${upper}`).slice(0, 64);
}

/** NAME=VALUE; a value with newlines as NAME, its length in 64 bits, and VALUE (systemd's Journal Native Protocol). */
function journalField(name: string, value: Buffer): Buffer {
  if (!value.includes(10)) return Buffer.concat([Buffer.from(`${name}=`), value, Buffer.from("\n")]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from("\n")]);
}
