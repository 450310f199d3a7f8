/** driver_opts of an overlay network: each option takes effect or is rejected by name. */
import { MTU_OPTION as MTU } from "../../core/bridge-options.ts";
import { ENCAPSULATIONS, type OverlayOptions } from "../model/placement.ts";
import { readMtu } from "./bridge-options.ts";

type Report = (option: string, message: string) => void;

/** Docker's option for the VXLAN network identifier. */
export const VXLAN_ID_LIST = "com.docker.network.driver.overlay.vxlanid_list";
const KNOWN = ["encapsulation", "encrypted", "vni", VXLAN_ID_LIST, "key", "port", "mtu", MTU];
const LARGEST_VNI = 2 ** 24 - 1;
const LARGEST_KEY = 2 ** 32 - 1;

/** Parses the options. Problems are reported at the option that they concern. */
export function readOverlayOptions(
  given: Readonly<Record<string, string>>,
  isAttachable: boolean,
  bad: Report,
): { mtu: number | undefined; overlay: OverlayOptions } {
  for (const option of Object.keys(given))
    if (!KNOWN.includes(option)) bad(option, "is not an option of the overlay driver");
  const encapsulation = readEncapsulation(given.encapsulation, bad);
  const isEncrypted = readEncrypted(given.encrypted, bad);
  if (isEncrypted && encapsulation === "route")
    bad("encrypted", "needs a tunnel, and the encapsulation route has none");
  return {
    mtu: readMtu(given, bad),
    overlay: {
      encapsulation,
      isEncrypted,
      isAttachable,
      id: readId(given, encapsulation, bad),
      port: readPort(given.port, encapsulation, bad),
    },
  };
}

function readEncapsulation(text: string | undefined, bad: Report): OverlayOptions["encapsulation"] {
  if (text === undefined || text === "") return "vxlan";
  const known = ENCAPSULATIONS.find((each) => each === text);
  if (known === undefined)
    bad("encapsulation", `expected one of ${ENCAPSULATIONS.join(", ")}, got ${JSON.stringify(text)}`);
  return known ?? "vxlan";
}

/** In Docker the option without a value means true. */
function readEncrypted(text: string | undefined, bad: Report): boolean {
  if (text === undefined || /^(0|f|false)$/i.test(text)) return false;
  if (text !== "" && !/^(1|t|true)$/i.test(text))
    bad("encrypted", `expected true or false, got ${JSON.stringify(text)}`);
  return true;
}

const isVxlan = (encapsulation: string) => encapsulation.endsWith("vxlan");
const isGre = (encapsulation: string) => encapsulation.endsWith("gre");

/** The network's own number in the packets of its tunnels. */
function readId(
  given: Readonly<Record<string, string>>,
  encapsulation: OverlayOptions["encapsulation"],
  bad: Report,
): number | undefined {
  const names = ["vni", VXLAN_ID_LIST, "key"].filter((name) => given[name]);
  const [option, second] = names;
  if (option === undefined) return undefined;
  if (second !== undefined) bad(second, `has the same meaning as ${option}; use one of them`);
  const text = given[option]!;
  const isKey = option === "key";
  if (isKey ? !isGre(encapsulation) : !isVxlan(encapsulation)) {
    bad(option, `has no meaning for the encapsulation ${encapsulation}`);
    return undefined;
  }
  const [least, most] = isKey ? [0, LARGEST_KEY] : [1, LARGEST_VNI];
  const id = Number(text);
  if (/^\d{1,10}$/.test(text) && id >= least && id <= most) return id;
  const one = option === VXLAN_ID_LIST ? "one number, for all subnets, from" : "";
  bad(option, `expected ${one || "a number from"} ${least} to ${most}, got ${JSON.stringify(text)}`);
  return undefined;
}

function readPort(
  text: string | undefined,
  encapsulation: OverlayOptions["encapsulation"],
  bad: Report,
): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!isVxlan(encapsulation)) bad("port", `has no meaning for the encapsulation ${encapsulation}`);
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  bad("port", `expected a UDP port from 1 to 65535, got ${JSON.stringify(text)}`);
  return undefined;
}

/** The options as driver_opts. */
export function overlayOptionTexts(
  mtu: number | undefined,
  { encapsulation, isEncrypted, id, port }: OverlayOptions,
): Record<string, string> {
  return {
    encapsulation,
    ...(isEncrypted ? { encrypted: "true" } : {}),
    ...(id === undefined ? {} : { [isGre(encapsulation) ? "key" : "vni"]: String(id) }),
    ...(port === undefined ? {} : { port: String(port) }),
    ...(mtu === undefined ? {} : { mtu: String(mtu) }),
  };
}
