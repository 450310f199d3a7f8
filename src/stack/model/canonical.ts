/**
 * A Stack as a Compose file again: what the files mean, with short forms written out, variables filled in, env
 * files read and paths made absolute. Loading the result returns the same Stack. Defaults are left out.
 */
import { bridgeOptionTexts } from "../../core/bridge-options.ts";
import { overlayOptionTexts } from "../normalise/overlay-options.ts";
import { composeHealthcheck } from "./canonical-healthcheck.ts";
import { composeService } from "./canonical-service.ts";
import { escapeDollars, filled, type Mapping, mapped, orNull } from "./canonical-values.ts";
import type { GivenContent, Stack, StackImage, StackNetwork, StackSubnet, StackVolume } from "./stack.ts";

/** Plain values for a YAML or JSON writer. Dollar signs are doubled, as in any Compose file. */
export function toCompose(stack: Stack): Mapping {
  return escapeDollars(
    filled({
      name: stack.name,
      services: mapped(stack.services, composeService),
      networks: mapped(stack.networks, composeNetwork),
      volumes: mapped(stack.volumes, composeVolume),
      secrets: mapped(stack.secrets, composeGiven),
      configs: mapped(stack.configs, composeGiven),
      images: mapped(stack.images, composeImage),
      hosts: composeHosts(stack.hosts),
      "x-bay-remotes": stack.remotes,
    }),
  ) as Mapping;
}

const composeHosts = (hosts: Stack["hosts"]) =>
  typeof hosts === "object"
    ? mapped(hosts, ({ address, port, labels }) =>
        orNull(filled({ address: address === undefined ? undefined : withPort(address, port), labels })),
      )
    : hosts;

const withPort = (address: string, port: number | undefined) =>
  port === undefined ? address : `${address.includes(":") ? `[${address}]` : address}:${port}`;

/** The source of a secret or a config; a secret's value is never printed. */
const composeGiven = (given: GivenContent): Mapping =>
  "file" in given
    ? { file: given.file }
    : "environment" in given
      ? { environment: given.environment }
      : { content: given.content };

function composeNetwork(network: StackNetwork): Mapping {
  const { name, external, internal, ipv6, subnet, gateway, further = [], mtu, options, labels } = network;
  const { overlay, missingDriver: missing } = network;
  const own = overlay ? overlayOptionTexts(mtu, overlay) : bridgeOptionTexts(mtu, options);
  const subnets = subnet || gateway ? [network, ...further] : further;
  return filled({
    name,
    driver: missing?.driver ?? (overlay && "overlay"),
    attachable: overlay?.isAttachable || undefined,
    external: external || undefined,
    internal: internal || undefined,
    enable_ipv6: ipv6,
    ipam: filled({ driver: missing?.ipamDriver, config: subnets.map(composeSubnet) }),
    driver_opts: missing?.driver === undefined ? own : missing.options,
    labels,
  });
}

const composeSubnet = ({ subnet, gateway, range, reserved }: StackSubnet) =>
  filled({ subnet, gateway, ip_range: range, aux_addresses: reserved });

function composeVolume({ name, external, device, mount, missingDriver, labels }: StackVolume): Mapping {
  const mounted = mount && filled({ type: mount.type, o: mount.options || undefined, device: mount.device });
  const options = device === undefined ? mounted : { type: "none", o: "bind", device };
  return filled({
    name,
    driver: missingDriver?.driver,
    external: external || undefined,
    driver_opts: missingDriver?.options ?? options,
    labels,
  });
}

function composeApt(source: Extract<StackImage["source"], { kind: "apt" }>): Mapping {
  const { suite, components, packages, mirror, snapshot, keep } = source;
  return filled({ suite, components, packages, mirror, snapshot, keep });
}

function composeImage({ source, config }: StackImage): Mapping {
  const health = config.Healthcheck;
  const milliseconds = (value: number | undefined) => (value === undefined ? undefined : value / 1e6);
  return filled({
    host: source.kind === "host" ? filled({ files: source.entries, users: source.users }) : undefined,
    rootfs: source.kind === "rootfs" ? source.path : undefined,
    archive:
      source.kind === "archive" ? filled({ path: source.path, reference: source.reference }) : undefined,
    apt: source.kind === "apt" ? composeApt(source) : undefined,
    config: filled({
      entrypoint: config.Entrypoint,
      command: config.Cmd,
      environment: config.Env,
      working_dir: config.WorkingDir,
      user: config.User,
      expose: config.ExposedPorts && Object.keys(config.ExposedPorts),
      volumes: config.Volumes && Object.keys(config.Volumes),
      labels: config.Labels,
      stop_signal: config.StopSignal,
      healthcheck:
        health &&
        composeHealthcheck({
          test: health.Test,
          intervalMs: milliseconds(health.Interval),
          timeoutMs: milliseconds(health.Timeout),
          startPeriodMs: milliseconds(health.StartPeriod),
          startIntervalMs: milliseconds(health.StartInterval),
          retries: health.Retries,
        }),
    }),
  });
}
