/** Groups of commands on what is on this host, whatever stack it belongs to: system, builder, volume, network. */
import type { Command } from "commander";
import { type Add, formatOption, pruneFilter, tableOrJson } from "./add.ts";

const prune = (c: Command) => c.option("-f, --force", "do not ask").addOption(pruneFilter());
const nothing = (c: Command) => c;

export function addSystemCommands(group: (name: string, description: string) => Add): void {
  const system = group("system", "the whole host: df, prune");
  system(
    "df",
    "show what images, containers, volumes and build steps take of the disk",
    (c) => c.option("-v, --verbose", "each by itself").addOption(tableOrJson()),
    async () => (await import("../commands/system/disk.ts")).diskUsage,
  );
  system(
    "prune",
    "remove containers that do not run, and networks and images that no container uses",
    (c) =>
      prune(c).option("-a, --all", "images with a name too").option("--volumes", "anonymous volumes too"),
    async () => (await import("../commands/system/disk.ts")).pruneAll,
  );

  const builder = group("builder", "the cache of builds: prune");
  builder(
    "prune",
    "remove entries of the build cache that were not used for a week",
    (c) =>
      prune(c)
        .option("-a, --all", "all of them")
        .option("--keep-storage <size>", "as many as make it this small, those used last stay (10gb)"),
    async () => (await import("../commands/system/disk.ts")).pruneBuilds,
  );

  const volume = group("volume", "volumes: ls, inspect, backup, restore, rm, prune");
  volume(
    "ls",
    "list volumes",
    (c) => c.option("-q, --quiet", "only names").addOption(formatOption()),
    async () => (await import("../commands/system/volume.ts")).list,
  );
  volume(
    "inspect <volumes...>",
    "show all that is known of volumes, as JSON",
    nothing,
    async () => (await import("../commands/system/volume.ts")).inspect,
  );
  volume(
    "backup <volume>",
    "write the files of a volume as a tar, with owners, modes and extended attributes",
    (c) =>
      c
        .option("-o, --output <file>", "write here and not to standard output")
        .option("--pause", "pause the containers that use it meanwhile"),
    async () => (await import("../commands/system/volume-archive.ts")).backup,
  );
  volume(
    "restore <volume>",
    "replace the files of a volume by those of a tar (plain, gzip, bzip2, xz or zstd); all of them or none",
    (c) =>
      c
        .option("-i, --input <file>", "read this and not standard input")
        .option("-f, --force", "also while containers use it")
        .option("--devices", "make the device files of the archive too"),
    async () => (await import("../commands/system/volume-archive.ts")).restore,
  );
  volume(
    "rm <volumes...>",
    "remove volumes and their files",
    (c) => c.option("-f, --force", "also where there is none"),
    async () => (await import("../commands/system/volume.ts")).remove,
  );
  volume(
    "prune",
    "remove anonymous volumes that no container uses",
    (c) => prune(c).option("-a, --all", "those with a name too"),
    async () => (await import("../commands/system/disk.ts")).pruneVolumes,
  );

  const network = group("network", "networks: ls, inspect, rm, prune");
  network(
    "ls",
    "list networks",
    (c) => c.option("-q, --quiet", "only names").addOption(formatOption()),
    async () => (await import("../commands/system/network.ts")).list,
  );
  network(
    "inspect <networks...>",
    "show all that is known of networks, as JSON",
    nothing,
    async () => (await import("../commands/system/network.ts")).inspect,
  );
  network(
    "rm <networks...>",
    "remove networks that no container uses",
    nothing,
    async () => (await import("../commands/system/network.ts")).remove,
  );
  network("prune", "remove networks that no container uses", prune, async () => {
    return (await import("../commands/system/disk.ts")).pruneNetworks;
  });
}
