/**
 * Drivers of networks, addresses and volumes that Compose accepts and this host lacks. The file is valid, so loading only
 * warns; a plan that includes a service which uses one is rejected (Compose specification, 06-networks.md and 07-volumes.md).
 */
import { atPlace } from "../../core/diagnostics.ts";
import type { ReportAt } from "../check/check.ts";
import type { MissingDriver } from "../model/stack.ts";
import type { FileInput } from "../schema/schema.ts";
import { textMap } from "./service-reader.ts";

type NetworkInput = NonNullable<NonNullable<FileInput["networks"]>[string]>;
type VolumeInput = NonNullable<NonNullable<FileInput["volumes"]>[string]>;

/** Docker treats the driver `default` as bridge. An empty name, often from an empty variable, means the usual driver. */
const BRIDGE = ["", "bridge", "default"];
/** A network that spans several hosts; a stack without hosts has none. */
export const OVERLAY = "overlay";
const IPAM = ["", "default"];
const LOCAL = ["", "local"];

/** The driver of a network, or of its addresses, that bay lacks. Warns at its place. */
export function missingNetworkDriver(
  key: string,
  { driver = "", driver_opts, ipam }: NetworkInput,
  hasHosts: boolean,
  report: ReportAt,
): MissingDriver | undefined {
  const options = textMap(driver_opts);
  if (!BRIDGE.includes(driver) && !(hasHosts && driver === OVERLAY)) {
    const others = hasHosts ? "expected bridge or overlay" : "expected bridge";
    const why = `the driver ${JSON.stringify(driver)} is not supported; ${others}`;
    return { driver, options, message: warn(["networks", key, "driver"], why, "network", report) };
  }
  const ipamDriver = ipam?.driver ?? "";
  if (IPAM.includes(ipamDriver)) return undefined;
  const why = `the driver ${JSON.stringify(ipamDriver)} is not supported; expected default`;
  return { ipamDriver, options, message: warn(["networks", key, "ipam", "driver"], why, "network", report) };
}

/** The driver of a volume that bay lacks. Warns at its place. */
export function missingVolumeDriver(
  key: string,
  { driver = "", driver_opts }: VolumeInput,
  report: ReportAt,
): MissingDriver | undefined {
  if (LOCAL.includes(driver)) return undefined;
  const why = `the driver ${JSON.stringify(driver)} is not supported; expected local`;
  const message = warn(["volumes", key, "driver"], why, "volume", report);
  return { driver, options: textMap(driver_opts), message };
}

/** Returns the message of the later error. */
function warn(path: string[], why: string, kind: "network" | "volume", report: ReportAt): string {
  const text = `${path.join(".")}: ${why}`;
  const message = `${text}; plan and up reject services that use this ${kind}`;
  const place = report(path, { severity: "warning", code: "UNAVAILABLE", message });
  return atPlace(place || undefined, text);
}
