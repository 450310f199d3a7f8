/** `bay network create` and the like, with docker's options. */
import { type Add, collect, refuse } from "./add.ts";

const load = async () => await import("../commands/system/create-objects.ts");

export function addNetworkVerbs(network: Add): void {
  network(
    "create <network>",
    "create a network that belongs to no stack",
    (c) => {
      c.option("-d, --driver <name>", "driver of the network", "bridge")
        .option("--subnet <cidr>", "subnet, can be repeated", collect)
        .option("--gateway <address>", "gateway of the subnet, can be repeated", collect)
        .option("--ip-range <cidr>", "part of the subnet for addresses that bay chooses", collect)
        .option("--aux-address <name=address>", "address that bay does not give to a container", collect)
        .option("--internal", "without a way out of this host")
        .option("--ipv6", "with IPv6")
        .option("--attachable", "containers can be connected (the default)")
        .option("--label <name=value>", "add a label", collect)
        .option("-o, --opt <name=value>", "option of the driver", collect);
      refuse(c, "--ingress", "an ingress network needs swarm mode");
      refuse(c, "--config-only", "bay has no networks that are only a configuration");
      refuse(c, "--config-from <network>", "bay has no networks that are only a configuration");
      refuse(c, "--scope <scope>", "the only scope is local");
      refuse(c, "--ipam-driver <name>", "bay chooses addresses itself");
      refuse(c, "--ipam-opt <option>", "bay chooses addresses itself");
      return c;
    },
    async () => (await load()).createNetwork,
  );
  network(
    "connect <network> <container>",
    "connect a container to a network, while it runs too",
    (c) => {
      c.option("--alias <name>", "another name of the container on the network", collect)
        .option("--ip <address>", "IPv4 address")
        .option("--ip6 <address>", "IPv6 address")
        .option("--link <container>", "CONTAINER[:NAME], which the container can resolve", collect)
        .option("--driver-opt <name=value>", "option of the driver", collect);
      refuse(c, "--link-local-ip <address>", "bay does not set link-local addresses");
      return c;
    },
    async () => (await load()).connect,
  );
  network(
    "disconnect <network> <container>",
    "disconnect a container from a network",
    (c) => c.option("-f, --force", "as docker's; bay never needs it"),
    async () => (await load()).disconnect,
  );
}

export function addVolumeVerbs(volume: Add): void {
  volume(
    "create [volume]",
    "create a volume that belongs to no stack",
    (c) =>
      c
        .option("-d, --driver <name>", "driver of the volume", "local")
        .option("-o, --opt <name=value>", "option of the driver: type, device, o", collect)
        .option("--label <name=value>", "add a label", collect),
    async () => (await load()).createVolume,
  );
}
