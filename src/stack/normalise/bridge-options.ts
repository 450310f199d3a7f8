/** driver_opts of a bridge network, as in Docker's bridge driver: each option takes effect or is rejected by name. */
import { isIPv4 } from "node:net";
import { type BridgeOptions, MTU_OPTION as MTU, BRIDGE_PREFIX as PREFIX } from "../../core/bridge-options.ts";

type Report = (option: string, message: string) => void;

/** Options of Docker that bay does not support, with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  [`${PREFIX}bridge.default_bridge`]: "bay has no default bridge",
  [`${PREFIX}bridge.trusted_host_interfaces`]: "other interfaces of the host reach published ports only",
  [`${PREFIX}host_ipv6`]: "packets leave with the source address of the host's route",
};
const KNOWN = [
  "mtu",
  MTU,
  `${PREFIX}bridge.name`,
  `${PREFIX}bridge.enable_icc`,
  `${PREFIX}bridge.enable_ip_masquerade`,
  `${PREFIX}bridge.host_binding_ipv4`,
  `${PREFIX}bridge.inhibit_ipv4`,
  `${PREFIX}bridge.gateway_mode_ipv4`,
  `${PREFIX}bridge.gateway_mode_ipv6`,
  `${PREFIX}container_iface_prefix`,
  `${PREFIX}host_ipv4`,
];

/** A valid name of a network interface that no firewall rule can misread. */
const LINK_NAME = /^(?!lo$|\.{1,2}$)[a-zA-Z0-9_.-]{1,15}$/;

/** Parses the options and omits defaults. Problems are reported at the option that they concern. */
export function readBridgeOptions(
  given: Readonly<Record<string, string>>,
  bad: Report,
): { mtu: number | undefined; options?: BridgeOptions } {
  for (const option of Object.keys(given))
    if (!KNOWN.includes(option))
      bad(
        option,
        REFUSED[option] ? `is not supported: ${REFUSED[option]}` : `is not an option of the bridge driver`,
      );
  const value = (name: string) => given[PREFIX + name] || undefined;
  const flag = (name: string, usual: boolean): boolean => {
    const text = value(name);
    if (text === undefined) return usual;
    // like Go's ParseBool
    if (/^(1|t|true)$/i.test(text)) return true;
    if (!/^(0|f|false)$/i.test(text))
      bad(PREFIX + name, `expected true or false, got ${JSON.stringify(text)}`);
    return false;
  };
  const matching = (name: string, fits: (text: string) => boolean, expected: string) => {
    const text = value(name);
    if (text === undefined || fits(text)) return text;
    bad(PREFIX + name, `expected ${expected}, got ${JSON.stringify(text)}`);
    return undefined;
  };
  for (const mode of ["bridge.gateway_mode_ipv4", "bridge.gateway_mode_ipv6"])
    if ((value(mode) ?? "nat") !== "nat") bad(PREFIX + mode, `${value(mode)} is not supported; expected nat`);
  const bridge = matching("bridge.name", (text) => LINK_NAME.test(text), "at most 15 letters, digits, _ . -");
  const prefix = matching(
    "container_iface_prefix",
    (text) => /^[a-zA-Z_][a-zA-Z0-9_-]{0,11}$/.test(text) && text !== "lo",
    "at most 12 letters, digits, _ -",
  );
  const binding = matching("bridge.host_binding_ipv4", isIPv4, "an IPv4 address");
  const source = matching("host_ipv4", isIPv4, "an IPv4 address");
  const options: BridgeOptions = {
    ...(bridge === undefined ? {} : { bridge }),
    ...(flag("bridge.enable_icc", true) ? {} : { isolated: true }),
    ...(flag("bridge.enable_ip_masquerade", true) ? {} : { masquerade: false }),
    ...(binding === undefined || binding === "0.0.0.0" ? {} : { hostBinding: binding }),
    ...(flag("bridge.inhibit_ipv4", false) ? { inhibitIpv4: true } : {}),
    ...(prefix === undefined || prefix === "eth" ? {} : { interfacePrefix: prefix }),
    ...(source === undefined ? {} : { sourceAddress: source }),
  };
  return {
    mtu: readMtu(given, bad),
    ...(Object.keys(options).length > 0 ? { options } : {}),
  };
}

/** The MTU of a network; undefined for the usual one. */
export function readMtu(given: Readonly<Record<string, string>>, bad: Report): number | undefined {
  const option = given.mtu ? "mtu" : MTU;
  const text = given[option];
  if (!text) return undefined;
  // 0 means the kernel's default, as in Docker
  if (text === "0") return undefined;
  const mtu = Number(text);
  if (/^\d{1,5}$/.test(text) && mtu >= 68 && mtu <= 65_535) return mtu;
  bad(option, `expected 68 to 65535, got ${JSON.stringify(text)}`);
  return undefined;
}
