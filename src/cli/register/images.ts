/** Commands on images and registries. Each loads its code when it is called. */
import { type Command, Option } from "commander";
import { type Add, collect, formatOption, pruneFilter, refuse, tableOrJson, whole } from "./add.ts";
import { addContainerVerbs } from "./container-verbs.ts";
import { addSingleContainerCommands } from "./single-containers.ts";

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
        .option("--provenance [mode]", "attestations are not supported; only false is accepted")
        .option("--sbom [generator]", "attestations are not supported; only false is accepted")
        .option("--check", "check the Dockerfiles without building")
        .option("--print", "print what would be built as JSON"),
    async () => (await import("../commands/images/build-services.ts")).buildServices,
  );
  const buildCommand = program.commands.find((command) => command.name() === "build");
  refuse(buildCommand, "--builder <name>", "bayd builds the images, and a host has one bayd");
  refuse(buildCommand, "-m, --memory <size>", "builds have no separate memory limit; set one on bayd's unit");
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
        .option("-u, --username <name>", "user name (bay asks for it if it is missing)")
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

  const container = group(
    "container",
    "manage containers of any stack or of none by name or ID, with docker's commands and options",
  );
  addSingleContainerCommands(container);
  addContainerVerbs(container);
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
    "manage images: build, ls, pull, push, search, inspect, history, tag, rm, prune, save, load, import, verify, du",
  );
  image(
    "ls [name]",
    "list images, all or those with a name: nginx, nginx:1.27, quay.io/team/*",
    (c) =>
      c
        .option("-q, --quiet", "print IDs only")
        .option("--digests", "show the digests of the registries too")
        .option("--no-trunc", "do not truncate IDs")
        .addOption(
          new Option(
            "-f, --filter <filter>",
            "only images with dangling=true, label=KEY[=VALUE], reference=PATTERN, before=IMAGE, since=IMAGE or until=24h, can be repeated",
          ).argParser(collect),
        )
        .addOption(formatOption()),
    async () => (await import("../commands/images/image.ts")).list,
  );
  image(
    "build [context]",
    "build an image from a Dockerfile; - reads the Dockerfile from standard input",
    buildOptions,
    async () => (await import("../commands/images/build.ts")).build,
  );
  image(
    "pull <images...>",
    "pull images from their registries",
    (c) => quiet(c).option("--platform <platform>", "platform of the image, such as linux/arm64"),
    async () => (await import("../commands/images/registry.ts")).pullImages,
  );
  image(
    "push <images...>",
    "push images to their registries",
    quiet,
    async () => (await import("../commands/images/registry.ts")).pushImages,
  );
  image(
    "inspect <images...>",
    "show details of images as JSON",
    (c) => c,
    async () => (await import("../commands/images/image.ts")).inspect,
  );
  image(
    "history <image>",
    "show the instruction of each layer",
    (c) => c.option("--no-trunc", "do not truncate commands").addOption(tableOrJson()),
    async () => (await import("../commands/images/image.ts")).history,
  );
  image(
    "tag <image> <name>",
    "add a name to an image",
    (c) => c,
    async () => (await import("../commands/images/image.ts")).tag,
  );
  image(
    "rm <images...>",
    "remove names of images, and images without any other name",
    (c) => c.option("-f, --force", "remove names of images that containers use too"),
    async () => (await import("../commands/images/image.ts")).remove,
  );
  image(
    "prune",
    "remove images without a name that no container uses",
    (c) =>
      c
        .option("-a, --all", "remove images with a name too")
        .option("-f, --force", "do not ask for confirmation")
        .addOption(pruneFilter()),
    async () => (await import("../commands/system/disk.ts")).pruneImages,
  );
  image(
    "save <images...>",
    "write images to an archive that docker, podman and skopeo can load",
    (c) => c.option("-o, --output <file>", "write to a file instead of standard output"),
    async () => (await import("../commands/images/image.ts")).save,
  );
  image(
    "load",
    "load images from an archive of docker save or an OCI layout (plain, gzip or zstd)",
    (c) => c.option("-i, --input <file>", "read from a file instead of standard input"),
    async () => (await import("../commands/images/image.ts")).load,
  );
  image(
    "import <source> [name]",
    "create an image from a tar archive of a file system: a file, a URL, or - for standard input",
    (c) =>
      c
        .option("-c, --change <instruction>", CHANGE, collect)
        .option("-m, --message <text>", "message in the image's history")
        .option("--platform <platform>", "platform of the image, such as linux/arm64"),
    async () => (await import("../commands/images/image.ts")).importImage,
  );
  image(
    "search <term>",
    "search a registry for images with a word in their names: HOST/WORD",
    (c) =>
      c
        .addOption(new Option("--limit <number>", "maximum number of results").argParser(whole).default(25))
        .addOption(tableOrJson()),
    async () => (await import("../commands/images/image.ts")).search,
  );
  image(
    "du",
    "show the disk usage of each image",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/system/disk.ts")).imageUsage,
  );
  image(
    "verify",
    "check that every blob has the digest in its name",
    (c) => c.addOption(tableOrJson()),
    async () => (await import("../commands/images/image.ts")).verify,
  );
}

const progress = () =>
  new Option("--progress <kind>", "how progress is shown")
    .choices(["auto", "plain", "tty", "json", "quiet"])
    .default("auto");

function buildOptions(c: Command): Command {
  return c
    .option("-t, --tag <name>", "name of the image, can be repeated", collect)
    .option("-f, --file <file>", "path of the Dockerfile; - is standard input")
    .option("--target <stage>", "build up to this stage")
    .option("--build-arg <arg>", "set an ARG, can be repeated: NAME=VALUE", collect)
    .option(
      "--build-context <context>",
      "NAME=FOLDER, NAME=URL, docker-image://IMAGE or oci-layout://FOLDER, can be repeated",
      collect,
    )
    .option("--label <label>", "NAME=VALUE, can be repeated", collect)
    .option(
      "--cache-from <cache>",
      "type=registry,ref=NAME or type=local,src=FOLDER, can be repeated",
      collect,
    )
    .option(
      "--cache-to <cache>",
      "type=registry,ref=NAME, type=local,dest=FOLDER or type=inline, also with mode=max",
      collect,
    )
    .option("--no-cache", "do not use the cache")
    .addOption(noCacheFilter())
    .option("--pull", "always pull the base images")
    .option("--platform <platform>", "platform of the image, such as linux/arm64")
    .option("--network <network>", "network of RUN steps: default, host or none")
    .option("--add-host <host>", "NAME=ADDRESS, can be repeated", collect)
    .option("--shm-size <size>", "size of /dev/shm")
    .option("--ulimit <limit>", "NAME=SOFT[:HARD], can be repeated", collect)
    .option("--secret <secret>", "id=NAME,src=FILE or id=NAME,env=VARIABLE, can be repeated", collect)
    .option("--ssh <agent>", "SSH agent, can be repeated: default, or NAME=SOCKET", collect)
    .option("--allow <what>", "grant RUN steps network.host or security.insecure, can be repeated", collect)
    .option(
      "-o, --output <output>",
      "type=local, tar, oci, docker, image or registry, with dest=…; or a directory",
      collect,
    )
    .option("--push", "push the image to its registry")
    .option("--load", "keep the image on this host (the default)")
    .option("--iidfile <file>", "write the image ID to this file")
    .option("--metadata-file <file>", "write the image digests to this file")
    .addOption(progress())
    .option("-q, --quiet", "print the image ID only")
    .option("--check", "check the Dockerfile without building");
}

/** An ordinary option whose name begins with "no": commander would take it for a negation. */
function noCacheFilter(): Option {
  const option = new Option("--no-cache-filter <stages>", "do not use the cache for these stages").argParser(
    collect,
  );
  option.negate = false;
  return option;
}
