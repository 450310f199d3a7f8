/** System, network and volume routes of the Docker Engine API. */
import { readFileSync } from "node:fs";
import { cpus, hostname, release, totalmem } from "node:os";
import { isRunning } from "../../../container/index.ts";
import { bridgeOptionTexts } from "../../../core/bridge-options.ts";
import { settingsFile, shownSettings } from "../../../core/daemon-settings.ts";
import { BayError } from "../../../core/errors.ts";
import { versionOf } from "../../../core/ip.ts";
import { plainWarnings } from "../../../core/listen-settings.ts";
import { VERSION } from "../../../core/version.ts";
import { type Endpoint, type NetworkRecord, ownSubnets, subnetsOf } from "../../../network/index.ts";
import { roomOf, roomWarnings } from "../../../store/index.ts";
import { type Route, route, sendJson } from "../http.ts";
import { API_VERSION, MIN_API_VERSION } from "../routing.ts";
import type { Services } from "../server.ts";
import { networkFilter, volumeFilter } from "./list-filters.ts";
import { parameters } from "./parameters.ts";
import { networkView, usedNetworks, usedVolumes, volumeView } from "./views.ts";

export function systemRoutes({ manager }: Services): Route[] {
  const ping: Route["handle"] = ({ response }) => {
    response.writeHead(200, {
      "Api-Version": API_VERSION,
      "Docker-Experimental": "false",
      Ostype: "linux",
      Server: `bay/${VERSION}`,
      "Content-Type": "text/plain",
    });
    response.end("OK");
  };
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const network = (record: ReturnType<typeof manager.networks.list>[number]) => ({
    Name: record.config.name,
    Id: record.id,
    Created: record.createdAt,
    Scope: "local",
    Driver: record.config.driver,
    EnableIPv6: record.config.ipv6 ?? false,
    IPAM: {
      Driver: "default",
      Config: subnetsOf(record).map(({ subnet, gateway, range }) => ({
        Subnet: subnet,
        Gateway: gateway,
        ...(range ? { IPRange: range } : {}),
      })),
    },
    Internal: record.config.internal,
    Labels: record.config.labels,
    Options: bridgeOptionTexts(record.config.mtu, record.config.options),
    Containers: Object.fromEntries(
      manager
        .list()
        .filter(isRunning)
        .flatMap(({ id, config, endpoints }) =>
          endpoints
            .filter((endpoint) => endpoint.network === record.config.name)
            .map((endpoint) => [
              id,
              {
                Name: config.name,
                EndpointID: endpoint.link,
                MacAddress: endpoint.mac,
                IPv4Address: addressOf(record, endpoint, 4),
                IPv6Address: addressOf(record, endpoint, 6),
              },
            ]),
        ),
    ),
  });
  const volume = (record: ReturnType<typeof manager.volumes.list>[number]) => ({
    Name: record.config.name,
    Driver: "local",
    Mountpoint: manager.volumes.path(record.config.name),
    CreatedAt: record.createdAt,
    Labels: record.config.labels,
    Scope: "local",
    Options: null,
  });
  return [
    route("GET", "/_ping", ping),
    route("HEAD", "/_ping", ping),
    route("GET", "/version", ({ response }) =>
      sendJson(response, 200, {
        Platform: { Name: "bay" },
        Version: VERSION,
        ApiVersion: API_VERSION,
        MinAPIVersion: MIN_API_VERSION,
        Os: "linux",
        Arch: arch,
        KernelVersion: release(),
        Components: [{ Name: "bay", Version: VERSION }],
      }),
    ),
    route("GET", "/info", ({ response }) => {
      const all = manager.list();
      const count = (status: string) => all.filter(({ state }) => state.status === status).length;
      sendJson(response, 200, {
        ID: manager.roots.tag,
        Name: hostname(),
        ServerVersion: VERSION,
        Driver: "overlay2",
        CgroupVersion: String(manager.cgroups.version),
        CgroupDriver: "cgroupfs",
        Containers: all.length,
        ContainersRunning: count("running"),
        ContainersPaused: count("paused"),
        ContainersStopped: all.length - count("running") - count("paused"),
        Images: manager.images.records.list().length,
        OSType: "linux",
        OperatingSystem:
          /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux",
        Architecture: process.arch === "arm64" ? "aarch64" : "x86_64",
        KernelVersion: release(),
        NCPU: cpus().length,
        MemTotal: totalmem(),
        DockerRootDir: manager.roots.root,
        SecurityOptions: ["name=seccomp,profile=builtin"],
        Warnings: [...roomWarnings(manager.roots), ...plainWarnings(manager.settings.listen)],
        Bay: {
          RunDir: manager.roots.run,
          SettingsFile: settingsFile(),
          Settings: shownSettings(manager.settings),
          Rooms: [manager.roots.root, manager.roots.run].map(roomOf).map((room) => ({
            Path: room.path,
            Total: room.total,
            Free: room.free,
            WarnBelow: room.warnBelow,
            Reserve: room.reserve,
            State: room.state,
          })),
        },
      });
    }),
    route("GET", "/networks", ({ response, query }) => {
      const matches = networkFilter(parameters("GET /networks", query).filters);
      const used = usedNetworks(manager);
      const shown = manager.networks.list().filter((record) => matches(networkView(record, used)));
      sendJson(response, 200, shown.map(network));
    }),
    route("GET", "/networks/:", ({ response, parts }) => {
      sendJson(response, 200, network(findNetwork(manager, parts[0]!)));
    }),
    route("GET", "/volumes", ({ response, query }) => {
      const matches = volumeFilter(parameters("GET /volumes", query).filters);
      const used = usedVolumes(manager);
      const shown = manager.volumes.list().filter((record) => matches(volumeView(record, used)));
      sendJson(response, 200, { Volumes: shown.map(volume), Warnings: [] });
    }),
    route("GET", "/volumes/:", ({ response, parts }) => {
      const known = manager.volumes.get(parts[0]!);
      if (!known) throw new BayError("VOLUME_NOT_FOUND", `the volume ${parts[0]} does not exist`);
      sendJson(response, 200, volume(known));
    }),
  ];
}

const SHORTEST_PREFIX = 4;

/** Finds a network by name, ID, or unambiguous ID prefix. Throws NETWORK_NOT_FOUND. */
export function findNetwork({ networks }: Services["manager"], nameOrId: string): NetworkRecord {
  const all = networks.list();
  const exact = all.find(({ config }) => config.name === nameOrId) ?? all.find(({ id }) => id === nameOrId);
  const begun = nameOrId.length < SHORTEST_PREFIX ? [] : all.filter(({ id }) => id.startsWith(nameOrId));
  const known = exact ?? (begun.length === 1 ? begun[0] : undefined);
  if (!known) throw new BayError("NETWORK_NOT_FOUND", `network ${nameOrId} not found`);
  return known;
}

/** An endpoint's address with its prefix; empty if it has none of this IP version. */
function addressOf(network: NetworkRecord, endpoint: Endpoint, version: 4 | 6): string {
  const own = ownSubnets(network, endpoint).find(({ address }) => versionOf(address) === version);
  return own ? `${own.address}/${own.subnet.split("/")[1]}` : "";
}
