/** DNS for containers: the names that each one can resolve, and when an answer last contained an address. */
import { addressesOf, type DnsSockets } from "../../network/index.ts";
import type { Host } from "../model/host.ts";
import { nameView, type RemoteNames } from "../model/names.ts";
import type { ContainerRecord } from "../model/record.ts";
import type { Records } from "../model/records.ts";

export class NameService {
  /** When an answer last contained an address, in milliseconds since the epoch. */
  readonly #toldAt = new Map<string, number>();

  constructor(
    readonly host: Pick<Host, "networks">,
    readonly records: Records,
    readonly remote: () => readonly RemoteNames[] = () => [],
  ) {}

  /** `isFresh`: the namespace is new and has no rules yet. `kept`: the sockets that an earlier bayd opened. */
  serve(record: ContainerRecord, options: { isFresh?: boolean; kept?: DnsSockets | undefined }): void {
    const { networks } = this.host;
    const view = nameView(
      () => this.records.find(record.id),
      () => this.records.list(),
      (addresses) => {
        for (const address of addresses) this.#toldAt.set(address, Date.now());
      },
      this.remote,
    );
    const upstreams = () => {
      const isInternal = record.endpoints.every(({ network }) => networks.get(network)?.config.internal);
      return isInternal ? [] : record.config.dns.length > 0 ? record.config.dns : networks.nameServers();
    };
    networks.endpoints.serveDns(record.id, view, upstreams, options);
  }

  /** When an answer last contained one of the container's addresses; 0 for never. */
  lastToldAt({ endpoints }: ContainerRecord): number {
    const addresses = endpoints.flatMap(addressesOf);
    return Math.max(0, ...addresses.map((address) => this.#toldAt.get(address) ?? 0));
  }
}
