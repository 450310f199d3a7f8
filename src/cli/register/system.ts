/** Groups of commands on objects of this host, of any stack: system, builder, volume, network. */
import type { Command } from "commander";
import { type Add, formatOption, pruneFilter, tableOrJson } from "./add.ts";
import { addNetworkVerbs, addVolumeVerbs } from "./create-objects.ts";

const prune = (c: Command) => c.option("-f, --force", "do not ask for confirmation").addOption(pruneFilter());
const nothing = (c: Command) => c;

export function addSystemCommands(group: (name: string, description: string) => Add): void {
  const system = group("system", "manage the host: df, prune");
  system(
    "df",
    "show disk usage of images, containers, volumes and build steps",
    (c) => c.option("-v, --verbose", "show each object").addOption(tableOrJson()),
    async () => (await import("../commands/system/disk.ts")).diskUsage,
  );
  system(
    "prune",
    "remove stopped containers, and networks and images that no container uses",
    (c) =>
      prune(c)
        .option("-a, --all", "remove images with a name too")
        .option("--volumes", "remove anonymous volumes too"),
    async () => (await import("../commands/system/disk.ts")).pruneAll,
  );

  const builder = group("builder", "manage the build cache: prune");
  builder(
    "prune",
    "remove entries of the build cache that were not used for a week",
    (c) =>
      prune(c)
        .option("-a, --all", "remove all of them")
        .option(
          "--keep-storage <size>",
          "reduce the cache to this size, removing the least recently used first (10gb)",
        ),
    async () => (await import("../commands/system/disk.ts")).pruneBuilds,
  );

  const volume = group("volume", "manage volumes: ls, create, inspect, backup, restore, rm, prune");
  addVolumeVerbs(volume);
  volume(
    "ls",
    "list volumes",
    (c) => c.option("-q, --quiet", "print names only").addOption(formatOption()),
    async () => (await import("../commands/system/volume.ts")).list,
  );
  volume(
    "inspect <volumes...>",
    "show details of volumes as JSON",
    nothing,
    async () => (await import("../commands/system/volume.ts")).inspect,
  );
  volume(
    "backup <volume>",
    "write the files of a volume as a tar archive, with owners, modes and extended attributes",
    (c) =>
      c
        .option("-o, --output <file>", "write to a file instead of standard output")
        .option("--pause", "pause the containers that use it during the backup"),
    async () => (await import("../commands/system/volume-archive.ts")).backup,
  );
  volume(
    "restore <volume>",
    "replace the files of a volume with those of a tar archive (plain, gzip, bzip2, xz or zstd), atomically",
    (c) =>
      c
        .option("-i, --input <file>", "read from a file instead of standard input")
        .option("-f, --force", "restore even if containers use it")
        .option("--devices", "create the device files of the archive too"),
    async () => (await import("../commands/system/volume-archive.ts")).restore,
  );
  volume(
    "rm <volumes...>",
    "remove volumes and their files",
    (c) => c.option("-f, --force", "ignore volumes that do not exist"),
    async () => (await import("../commands/system/volume.ts")).remove,
  );
  volume(
    "prune",
    "remove anonymous volumes that no container uses",
    (c) => prune(c).option("-a, --all", "remove volumes with a name too"),
    async () => (await import("../commands/system/disk.ts")).pruneVolumes,
  );

  const network = group("network", "manage networks: ls, create, connect, disconnect, inspect, rm, prune");
  addNetworkVerbs(network);
  network(
    "ls",
    "list networks",
    (c) => c.option("-q, --quiet", "print names only").addOption(formatOption()),
    async () => (await import("../commands/system/network.ts")).list,
  );
  network(
    "inspect <networks...>",
    "show details of networks as JSON",
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
