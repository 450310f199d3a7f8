/** System, network and volume routes of the Docker Engine API. */
import { readdirSync, readFileSync } from "node:fs";
import { cpus, hostname, release, totalmem } from "node:os";
import { type DaemonSettings, settingsFile, shownSettings } from "../../../core/daemon-settings.ts";
import { BayError, messageOf } from "../../../core/errors.ts";
import { plainWarnings } from "../../../core/listen-settings.ts";
import { VERSION } from "../../../core/version.ts";
import { web } from "../../../image/index.ts";
import { roomOf, roomWarnings } from "../../../store/index.ts";
import type { VolumeRecord } from "../../../volume/index.ts";
import { type Route, route, sendJson } from "../http.ts";
import { API_VERSION, MIN_API_VERSION } from "../routing.ts";
import type { Services } from "../server.ts";
import { findNetwork } from "./find-network.ts";
import { networkFilter, volumeFilter } from "./list-filters.ts";
import { networkShape, predefinedNetworks, shownNetworks } from "./network-shape.ts";
import { parameters } from "./parameters.ts";
import { registryConfigShape } from "./registry-config.ts";
import { usedVolumes, volumeView } from "./views.ts";
import { volumeShape } from "./volume-shape.ts";

/** The routes on a plugin by its name: bay has none. Docker's clients send the parameters of each; they are not read. */
const PLUGIN_ROUTES = [
  ["GET", "/plugins/*/json"],
  ["POST", "/plugins/*/enable"],
  ["POST", "/plugins/*/disable"],
  ["POST", "/plugins/*/upgrade"],
  ["POST", "/plugins/*/push"],
  ["POST", "/plugins/*/set"],
  ["DELETE", "/plugins/*"],
] as const;

/** A value of os-release(5); empty if it is not there. */
function osRelease(key: string): string {
  const line = readFileSync("/etc/os-release", "utf8")
    .split("\n")
    .find((each) => each.startsWith(`${key}=`));
  return line?.slice(key.length + 1).replaceAll('"', "") ?? "";
}

/** What Docker tells of the kernel: bay needs all of it. */
const capabilities = () => ({
  MemoryLimit: true,
  SwapLimit: true,
  KernelMemoryTCP: false,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: true,
  PidsLimit: true,
  OomKillDisable: true,
  IPv4Forwarding: true,
  BridgeNfIptables: false,
  BridgeNfIp6tables: false,
  Debug: false,
});

/** The settings that the next pull uses; if their files have errors, those of bayd's start, with a warning. */
async function shownRegistries({ registries: { mirrors, insecure } }: DaemonSettings) {
  try {
    return { shape: registryConfigShape(await web.registrySettings()), warnings: [] };
  } catch (error) {
    const started = { mirrors: { "docker.io": mirrors }, insecure };
    return { shape: registryConfigShape(started), warnings: [`WARNING: ${messageOf(error)}`] };
  }
}

export function systemRoutes({ manager }: Services): Route[] {
  const ping: Route["handle"] = ({ response }) => {
    response.writeHead(200, {
      "Api-Version": API_VERSION,
      // the classic builder: docker build uses it if the plugin buildx is not installed
      "Builder-Version": "1",
      "Docker-Experimental": "false",
      Swarm: "inactive",
      Ostype: "linux",
      Server: `bay/${VERSION}`,
      "Content-Type": "text/plain",
    });
    response.end("OK");
  };
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const volume = (record: VolumeRecord) => volumeShape(manager, record);
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
        GitCommit: "",
        GoVersion: "",
        BuildTime: "",
        Experimental: false,
        Components: [
          {
            Name: "Engine",
            Version: VERSION,
            Details: {
              ApiVersion: API_VERSION,
              MinAPIVersion: MIN_API_VERSION,
              Os: "linux",
              Arch: arch,
              KernelVersion: release(),
              Experimental: "false",
            },
          },
        ],
      }),
    ),
    route("GET", "/info", async ({ response }) => {
      const registries = await shownRegistries(manager.settings);
      const all = manager.list();
      const count = (status: string) => all.filter(({ state }) => state.status === status).length;
      sendJson(response, 200, {
        ID: manager.roots.tag,
        Name: hostname(),
        ServerVersion: VERSION,
        Driver: "overlay2",
        DriverStatus: [["Backing Filesystem", "overlay"]],
        Plugins: {
          Volume: ["local"],
          Network: ["bridge", "host", "null"],
          Authorization: null,
          Log: ["json-file", "local", "none", "syslog", "journald"],
        },
        ...capabilities(),
        SystemTime: new Date().toISOString(),
        LoggingDriver: "json-file",
        CgroupVersion: String(manager.cgroups.version),
        CgroupDriver: "cgroupfs",
        Containers: all.length,
        ContainersRunning: count("running"),
        ContainersPaused: count("paused"),
        ContainersStopped: all.length - count("running") - count("paused"),
        Images: manager.images.records.list().length,
        NEventsListener: manager.events.listenerCount("event"),
        NFd: readdirSync("/proc/self/fd").length,
        NGoroutines: 0,
        OSType: "linux",
        OSVersion: osRelease("VERSION_ID"),
        OperatingSystem: osRelease("PRETTY_NAME") || "Linux",
        Architecture: process.arch === "arm64" ? "aarch64" : "x86_64",
        KernelVersion: release(),
        NCPU: cpus().length,
        MemTotal: totalmem(),
        DockerRootDir: manager.roots.root,
        SecurityOptions: ["name=seccomp,profile=builtin"],
        IndexServerAddress: "https://index.docker.io/v1/",
        RegistryConfig: registries.shape,
        GenericResources: null,
        HttpProxy: "",
        HttpsProxy: "",
        NoProxy: "",
        Labels: [],
        ExperimentalBuild: false,
        Runtimes: { bay: { path: "bay" } },
        DefaultRuntime: "bay",
        Swarm: {
          NodeID: "",
          NodeAddr: "",
          LocalNodeState: "inactive",
          ControlAvailable: false,
          Error: "",
          RemoteManagers: null,
        },
        LiveRestoreEnabled: true,
        Isolation: "",
        InitBinary: "bay",
        ContainerdCommit: { ID: "", Expected: "" },
        RuncCommit: { ID: "", Expected: "" },
        InitCommit: { ID: "", Expected: "" },
        ProductLicense: "",
        Warnings: [
          ...roomWarnings(manager.roots),
          ...plainWarnings(manager.settings.listen),
          ...registries.warnings,
        ],
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
    // as a Docker engine without plugins; docker inspect asks for one of any name
    route("GET", "/plugins", ({ response }) => sendJson(response, 200, [])),
    ...PLUGIN_ROUTES.map(([method, path]) =>
      route(method, path, ({ parts }) => {
        throw new BayError("PLUGIN_NOT_FOUND", `plugin "${parts[0]}" not found`);
      }),
    ),
    route("GET", "/networks", ({ response, query }) => {
      const matches = networkFilter(parameters("GET /networks", query).filters);
      const shown = shownNetworks(manager).filter(({ view }) => matches(view));
      sendJson(
        response,
        200,
        shown.map(({ shape }) => shape()),
      );
    }),
    route("GET", "/networks/:", ({ response, parts }) => {
      const asked = parts[0]!;
      const predefined = predefinedNetworks(manager).find(
        ({ view }) => view.name === asked || view.id === asked,
      );
      sendJson(response, 200, predefined?.shape() ?? networkShape(manager, findNetwork(manager, asked)));
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
