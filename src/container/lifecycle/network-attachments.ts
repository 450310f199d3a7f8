/** A container's networks, changed while it lives: links come and go, its other connections stay. */
import type { Endpoint } from "../../network/index.ts";
import type { Host } from "../model/host.ts";
import type { ContainerRecord } from "../model/record.ts";
import { updateEtcFiles } from "../spec/etc-directory.ts";

/** The endpoints that a record's networks ask for. Throws ADDRESS_TAKEN, BAD_ADDRESS, NETWORK_NOT_FOUND. */
export function wantedEndpoints(host: Host, record: ContainerRecord): Endpoint[] {
  const before = record.endpoints;
  const endpoints: Endpoint[] = [];
  for (const { network, ...wanted } of record.config.networks) {
    const { aliases, ipv4, ipv6, mac, interface: name, gatewayPriority, maySpoof } = wanted;
    // what is not asked for stays as it is
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

/** Brings the links of a running container from some endpoints to those of its record. */
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

/** The number of the next interface: eth0, eth1 … without those in use. */
function freeInterface(endpoints: readonly Endpoint[]): number {
  const used = new Set(endpoints.map((endpoint) => endpoint.interface));
  let index = 0;
  while (used.has(`eth${index}`)) index += 1;
  return index;
}
