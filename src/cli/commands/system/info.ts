import type { Context } from "../../context.ts";
import { humanBytes, print, printJson, table } from "../../ui/output.ts";

interface Info {
  Name: string;
  ServerVersion: string;
  OperatingSystem: string;
  KernelVersion: string;
  Architecture: string;
  NCPU: number;
  MemTotal: number;
  CgroupVersion: string;
  DockerRootDir: string;
  Containers: number;
  ContainersRunning: number;
  ContainersPaused: number;
  ContainersStopped: number;
  Images: number;
  Warnings: string[];
  Bay: {
    RunDir: string;
    SettingsFile: string;
    Settings: Record<string, string | number>;
    Rooms: { Path: string; Total: number; Free: number; Reserve: number; State: string }[];
  };
}

/** `bay info`: prints bayd's version, defaults, limits and free disk space. */
export async function info(context: Context, _args: string[], options: { format: string }): Promise<void> {
  const found = await (await context.daemon()).json<Info>("GET", "/info");
  if (options.format === "json") return printJson(found);
  const { Bay: bay } = found;
  const rows: [string, string][] = [
    ["Host", `${found.Name}: ${found.OperatingSystem}, kernel ${found.KernelVersion}, ${found.Architecture}`],
    ["Processors and memory", `${found.NCPU}, ${humanBytes(found.MemTotal)}`],
    ["bayd", `${found.ServerVersion}, cgroups v${found.CgroupVersion}`],
    [
      "Containers",
      `${found.ContainersRunning} running, ${found.ContainersPaused} paused, ${found.ContainersStopped} stopped`,
    ],
    ["Images", String(found.Images)],
    ...bay.Rooms.map(({ Path, Total, Free, Reserve, State }): [string, string] => [
      Path,
      `${humanBytes(Free)} of ${humanBytes(Total)} free, ${humanBytes(Reserve)} kept for bay (${State})`,
    ]),
    ["Settings", bay.SettingsFile],
    ...Object.entries(bay.Settings).map(([key, value]): [string, string] => [`  ${key}`, String(value)]),
  ];
  print(table(["WHAT", "VALUE"], rows));
  for (const warning of found.Warnings) process.stderr.write(`warning: ${warning}\n`);
}
