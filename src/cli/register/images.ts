/** Commands on images and registries. Each loads its code when it is called. */
import { type Command, Option } from "commander";
import { type Add, collect, formatOption, pruneFilter, refuse, tableOrJson, whole } from "./add.ts";

const CHANGE = 'apply a Dockerfile instruction to the image\'s config, can be repeated: CMD ["serve"]';
const quiet = (c: Command) => c.option("-q, --quiet", "print names only, without progress");

export function addImageCommands(
  add: Add,
  group: (name: string, description: string) => Add,
  program: Command,
): void {
  add(
    "build [services...]",
    "build the images of the services that have a build",
    (c) =>
      c
        .option("--build-arg <arg>", "set an ARG, can be repeated: NAME=VALUE", collect)
        .option("--no-cache", "do not use the cache")
        .option("--pull", "always pull the base images")
        .option("--push", "push the images to their registries")
        .option("--with-dependencies", "include dependencies of the services")
        .addOption(progress())
        .option("-q, --quiet", "print image IDs only")
        .option("--ssh <agent>", "SSH agent, can be repeated: default, or NAME=SOCKET", collect)
        .option("--provenance [mode]", "attestations: only false")
        .option("--sbom [generator]", "attestations: only false")
        .option("--check", "check the Dockerfiles without building")
        .option("--print", "print what would be built as JSON"),
    async () => (await import("../commands/images/build-services.ts")).buildServices,
  );
  const buildCommand = program.commands.find((command) => command.name() === "build");
  refuse(buildCommand, "--builder <name>", "bayd builds the images, and a host has one bayd");
  refuse(
    buildCommand,
    "-m, --memory <size>",
    "builds have no memory limit of their own; set one on bayd's unit",
  );
  refuse(buildCommand, "--compress", "bayd reads the context in place");
  refuse(buildCommand, "--force-rm", "builds leave no containers");
  refuse(buildCommand, "--no-rm", "builds leave no containers");
  add(
    "pull [services...]",
    "pull the services' images",
    (c) =>
      quiet(c)
        .option("--ignore-pull-failures", "continue if the pull of an image fails")
        .option("--ignore-buildable", "skip images that can be built")
        .addOption(new Option("--policy <policy>", "always or missing").choices(["always", "missing"]))
        .option("--include-deps", "include dependencies of the services"),
    async () => (await import("../commands/images/registry.ts")).pull,
  );
  const pullCommand = program.commands.find((command) => command.name() === "pull");
  refuse(
    pullCommand,
    "--parallel",
    "images are pulled one after the other, and the layers of each in parallel",
  );
  refuse(pullCommand, "--no-parallel", "images are pulled one after the other");
  add(
    "push [services...]",
    "push the services' images to their registries",
    (c) =>
      quiet(c)
        .option("--ignore-push-failures", "continue if the push of an image fails")
        .option("--include-deps", "include dependencies of the services"),
    async () => (await import("../commands/images/registry.ts")).push,
  );
  add(
    "login [registry]",
    "log in to a registry",
    (c) =>
      c
        .option("-u, --username <name>", "user name; asked for if absent")
        .option("--password-stdin", "read the password from standard input")
        .addOption(new Option("-p, --password <password>").hideHelp()),
    async () => (await import("../commands/images/registry.ts")).login,
  );
  add(
    "logout [registry]",
    "log out from a registry",
    (c) => c,
    async () => (await import("../commands/images/registry.ts")).logout,
  );

  const container = group("container", "manage a container by service, name or ID: commit, cp, diff, export");
  container(
    "commit <container> [image]",
    "create an image from a container",
    (c) =>
      c
        .option("-a, --author <name>")
        .option("-m, --message <text>", "message in the image's history")
        .option("-c, --change <instruction>", CHANGE, collect)
        .option("--no-pause", "do not pause the container"),
    async () => (await import("../commands/containers/container.ts")).commit,
  );
  container(
    "cp <source> <target>",
    "copy files between CONTAINER:PATH and a local path; - is a tar stream",
    (c) => c.option("-a, --archive", "preserve owners"),
    async () => (await import("../commands/containers/container.ts")).copy,
  );
  container(
    "diff <container>",
    "list files that differ from the image: C changed, A added, D deleted",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/containers/container.ts")).diff,
  );
  container(
    "export <container>",
    "write the container's file system, without volumes, as a tar archive",
    (c) => c.option("-o, --output <file>", "write to a file instead of standard output"),
    async () => (await import("../commands/containers/container.ts")).exportContainer,
  );

  const image = group(
    "image",
    "images: build, ls, pull, push, search, inspect, history, tag, rm, prune, save, load, import, verify, du",
  );
  image(
    "ls [name]",
    "list images, all or those of a name: nginx, nginx:1.27, quay.io/team/*",
    (c) =>
      c
        .option("-q, --quiet", "print IDs only")
        .option("--digests", "also the digests by which registries know them")
        .option("--no-trunc", "do not truncate IDs")
        .addOption(
          new Option(
            "-f, --filter <filter>",
            "only images with dangling=true, label=KEY[=VALUE], reference=PATTERN, before=IMAGE, since=IMAGE or until=24h; again for more",
          ).argParser(collect),
        )
        .addOption(formatOption()),
    async () => (await import("../commands/images/image.ts")).list,
  );
  image(
    "build [context]",
    "make an image of a Dockerfile; - reads the Dockerfile from standard input",
    buildOptions,
    async () => (await import("../commands/images/build.ts")).build,
  );
  image(
    "pull <images...>",
    "fetch images from their registries",
    (c) => quiet(c).option("--platform <platform>", "linux/arm64, for example"),
    async () => (await import("../commands/images/registry.ts")).pullImages,
  );
  image(
    "push <images...>",
    "send images to their registries",
    quiet,
    async () => (await import("../commands/images/registry.ts")).pushImages,
  );
  image(
    "inspect <images...>",
    "show all that is known of images, as JSON",
    (c) => c,
    async () => (await import("../commands/images/image.ts")).inspect,
  );
  image(
    "history <image>",
    "show what made each layer",
    (c) => c.option("--no-trunc", "whole commands").addOption(tableOrJson()),
    async () => (await import("../commands/images/image.ts")).history,
  );
  image(
    "tag <image> <name>",
    "give an image one more name",
    (c) => c,
    async () => (await import("../commands/images/image.ts")).tag,
  );
  image(
    "rm <images...>",
    "take names away, and images that lose their last one",
    (c) => c.option("-f, --force", "also names of images that containers use"),
    async () => (await import("../commands/images/image.ts")).remove,
  );
  image(
    "prune",
    "remove images without a name that no container uses",
    (c) =>
      c
        .option("-a, --all", "remove volumes with a name too")
        .option("-f, --force", "do not ask for confirmation")
        .addOption(pruneFilter()),
    async () => (await import("../commands/system/disk.ts")).pruneImages,
  );
  image(
    "save <images...>",
    "write an archive that docker, podman and skopeo load",
    (c) => c.option("-o, --output <file>", "write to a file instead of standard output"),
    async () => (await import("../commands/images/image.ts")).save,
  );
  image(
    "load",
    "take in the images of an archive: of docker save, or an OCI layout; plain, gzip or zstd",
    (c) => c.option("-i, --input <file>", "read from a file instead of standard input"),
    async () => (await import("../commands/images/image.ts")).load,
  );
  image(
    "import <source> [name]",
    "make an image of a tar of a file system: a file, a URL, or - for standard input",
    (c) =>
      c
        .option("-c, --change <instruction>", CHANGE, collect)
        .option("-m, --message <text>", "message in the image's history")
        .option("--platform <platform>", "what it is for: linux/arm64, for example"),
    async () => (await import("../commands/images/image.ts")).importImage,
  );
  image(
    "search <term>",
    "list a registry's images with a word in their names: HOST/WORD",
    (c) =>
      c
        .addOption(new Option("--limit <number>", "at most so many").argParser(whole).default(25))
        .addOption(tableOrJson()),
    async () => (await import("../commands/images/image.ts")).search,
  );
  image(
    "du",
    "show what each image takes of the disk",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/system/disk.ts")).imageUsage,
  );
  image(
    "verify",
    "check that every blob is what its name says",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/images/image.ts")).verify,
  );
}

const progress = () =>
  new Option("--progress <kind>", "how to show it")
    .choices(["auto", "plain", "tty", "json", "quiet"])
    .default("auto");

function buildOptions(c: Command): Command {
  return c
    .option("-t, --tag <name>", "the image's name, again for more", collect)
    .option("-f, --file <file>", "the Dockerfile; - is standard input")
    .option("--target <stage>", "end with this stage")
    .option("--build-arg <arg>", "set an ARG, can be repeated: NAME=VALUE", collect)
    .option(
      "--build-context <context>",
      "NAME=FOLDER, a URL, docker-image://IMAGE or oci-layout://FOLDER, again for more",
      collect,
    )
    .option("--label <label>", "NAME=VALUE, again for more", collect)
    .option(
      "--cache-from <cache>",
      "type=registry,ref=NAME or type=local,src=FOLDER, again for more",
      collect,
    )
    .option("--cache-to <cache>", "the same with dest=FOLDER, mode=max; type=inline", collect)
    .option("--no-cache", "do not use the cache")
    .addOption(noCacheFilter())
    .option("--pull", "always pull the base images")
    .option("--platform <platform>", "linux/arm64, for example")
    .option("--network <network>", "of RUN: default, host or none")
    .option("--add-host <host>", "NAME=ADDRESS, again for more", collect)
    .option("--shm-size <size>", "of /dev/shm")
    .option("--ulimit <limit>", "NAME=SOFT[:HARD], again for more", collect)
    .option("--secret <secret>", "id=NAME,src=FILE or id=NAME,env=VARIABLE, again for more", collect)
    .option("--ssh <agent>", "SSH agent, can be repeated: default, or NAME=SOCKET", collect)
    .option("--allow <what>", "grant RUN steps network.host or security.insecure, again for more", collect)
    .option(
      "-o, --output <output>",
      "type=local, tar, oci, docker, image or registry, dest=…; or a folder",
      collect,
    )
    .option("--push", "send the image to the registry of its name")
    .option("--load", "keep the image on this host, as without it")
    .option("--iidfile <file>", "write the image's ID here")
    .option("--metadata-file <file>", "write the image's digests here")
    .addOption(progress())
    .option("-q, --quiet", "only the image's ID")
    .option("--check", "only say what is wrong with the Dockerfile");
}

/** The name of the option begins with "no", but commander must not treat it as a negation. */
function noCacheFilter(): Option {
  const option = new Option("--no-cache-filter <stages>", "do not use the cache for these stages").argParser(
    collect,
  );
  option.negate = false;
  return option;
}
