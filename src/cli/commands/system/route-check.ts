/** Settings of interfaces on which overlay networks without tunnels depend (Documentation/networking/ip-sysctl). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "./host-check.ts";

const OWN = /^(lo|bay|ve|bt)/;

/** `conf` is the directory with the settings of each IPv4 interface. */
export function routeFinding(conf = "/proc/sys/net/ipv4/conf"): Finding {
  const what = "routes to other hosts";
  const read = (name: string, key: string) => readFileSync(join(conf, name, key), "utf8").trim();
  const names = readdirSync(conf).filter((name) => !OWN.test(name) && name !== "all" && name !== "default");
  // the kernel uses the larger value of the interface and of all
  const strict = names.filter(
    (name) => [read(name, "rp_filter"), read("all", "rp_filter")].sort().at(-1) === "1",
  );
  const isOn = read("all", "forwarding") === "1";
  const closed = isOn ? names.filter((name) => read(name, "forwarding") !== "1") : [];
  const notes = [
    ...(closed.length > 0 ? [`forwarding is off on ${closed.join(", ")}`] : []),
    ...(strict.length > 0
      ? [
          `rp_filter is strict on ${strict.join(", ")}: packets must arrive on the interface of the route to their sender`,
        ]
      : []),
  ];
  return {
    state: closed.length > 0 ? "warning" : "ok",
    what,
    found: notes.length > 0 ? notes.join("; ") : "rp_filter is off or loose",
    hint: "networks with the encapsulation route need forwarding on the interface to the other hosts: sysctl net.ipv4.conf.NAME.forwarding=1",
  };
}
