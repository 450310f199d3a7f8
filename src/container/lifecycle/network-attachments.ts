/** Changes the networks of a running container: links are added and removed, and its other connections are kept. */
import type { Endpoint } from "../../network/index.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { updateEtcFiles } from "../spec/etc-directory.ts";

/** Returns the endpoints that a record's networks require. Throws ADDRESS_TAKEN, BAD_ADDRESS, NETWORK_NOT_FOUND. */
export function wantedEndpoints(host: Host, record: ContainerRecord): Endpoint[] {
  const before = record.endpoints;
  const endpoints: Endpoint[] = [];
  for (const { network, ...wanted } of record.config.networks) {
    const { aliases, ipv4, ipv6, mac, interface: name, gatewayPriority, maySpoof } = wanted;
    // keep what the config does not specify
    const known = before.find(
      (endpoint) =>
        endpoint.network === network &&
        (ipv4 ?? endpoint.address) === endpoint.address &&
        (ipv6 ?? endpoint.address6) === endpoint.address6 &&
        (mac ?? endpoint.mac) === endpoint.mac &&
        (name ?? endpoint.interface) === endpoint.interface,
    );
    const index = freeInterface([...before, ...endpoints]);
    endpoints.push(
      known
        ? { ...known, aliases, gatewayPriority, maySpoof }
        : host.networks.endpoints.allocate(network, wanted, index),
    );
  }
  return endpoints;
}

/** Changes the links of a running container from the given endpoints to those of its record. */
export function moveLinks(host: Host, record: ContainerRecord, before: readonly Endpoint[]): void {
  const { endpoints } = record;
  const isIn = (list: readonly Endpoint[]) => (wanted: Endpoint) =>
    list.some(({ link }) => link === wanted.link);
  for (const gone of before.filter((endpoint) => !isIn(endpoints)(endpoint)))
    host.networks.endpoints.disconnect(gone);
  for (const fresh of endpoints.filter((endpoint) => !isIn(before)(endpoint)))
    host.networks.endpoints.connect(record.id, fresh);
  for (const endpoint of endpoints)
    if (before.some(({ link, maySpoof }) => link === endpoint.link && maySpoof !== endpoint.maySpoof))
      host.networks.endpoints.guard(endpoint);
  host.networks.endpoints.setDefaultRoute(record.id, endpoints);
  updateEtcFiles(host, record);
}

/** The number of the next free interface name: eth0, eth1 … */
function freeInterface(endpoints: readonly Endpoint[]): number {
  const used = new Set(endpoints.map((endpoint) => endpoint.interface));
  let index = 0;
  while (used.has(`eth${index}`)) index += 1;
  return index;
}
