/** The filters of each list of the Docker Engine API, applied to plain views of the objects. */
import { BayError } from "../../../core/errors.ts";
import {
  booleanOf,
  compile,
  type Filters,
  labelMeaning,
  type Meaning,
  momentOf,
  nameTest,
  type Test,
  wordTest,
} from "./filters.ts";
import { referencePattern } from "./reference-pattern.ts";

type Labels = Readonly<Record<string, string>>;

export interface PortView {
  port: number;
  protocol: string;
}

export interface ContainerView {
  id: string;
  name: string;
  labels: Labels;
  status: string;
  health: string;
  exitCode: number;
  createdAt: string;
  image: string;
  imageId: string;
  networks: readonly { name: string; id: string }[];
  /** Names or sources of mounts, and their targets. */
  mounts: readonly string[];
  /** Host ports, and ports of the container. */
  published: readonly PortView[];
  exposed: readonly PortView[];
}

const STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTH = ["none", "starting", "healthy", "unhealthy"];

export const CONTAINER_FILTERS = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "isolation",
  "label",
  "label!",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];

/** Additional data that the filters need. */
export interface ContainerLookup {
  /** When a container was created. Throws CONTAINER_NOT_FOUND. */
  createdAt: (nameOrId: string) => string;
  /** IDs of an image and of those that are based on it; empty if it does not exist. */
  descendants: (image: string) => ReadonlySet<string>;
}

/** Throws BAD_REQUEST, CONTAINER_NOT_FOUND. */
export function containerFilter(filters: Filters, lookup: ContainerLookup): Test<ContainerView> {
  const status = wordTest("status", STATUSES);
  const health = wordTest("health", HEALTH);
  const isolation = wordTest("isolation", ["default", "process", "hyperv"]);
  const meaning: Meaning<ContainerView> = {
    ...labelMeaning<ContainerView>(({ labels }) => labels),
    id: (text) => on(nameTest(text), ({ id }) => id),
    name: (text) => {
      const test = nameTest(text);
      // Docker's own names begin with a slash
      return ({ name }) => test(name) || test(`/${name}`);
    },
    status: (text) => on(status(text), (container) => container.status),
    health: (text) => on(health(text), (container) => container.health),
    isolation: (text) => on(isolation(text), () => "default"),
    "is-task": (text) => {
      const wanted = booleanOf("is-task", text);
      return () => !wanted; // only swarm has tasks
    },
    exited: (text) => {
      const code = exitCodeOf(text);
      return (container) => container.status === "exited" && container.exitCode === code;
    },
    network: (text) => (container) =>
      text !== "" && container.networks.some(({ name, id }) => name === text || id.startsWith(text)),
    volume: (text) => (container) => container.mounts.includes(text),
    ancestor: (text) => {
      const ids = lookup.descendants(text);
      return ({ imageId }) => ids.has(imageId);
    },
    before: (text) => {
      const moment = Date.parse(lookup.createdAt(text));
      return ({ createdAt }) => Date.parse(createdAt) < moment;
    },
    since: (text) => {
      const moment = Date.parse(lookup.createdAt(text));
      return ({ createdAt }) => Date.parse(createdAt) > moment;
    },
    publish: (text) => {
      const test = portTest("publish", text);
      return ({ published }) => published.some(test);
    },
    expose: (text) => {
      const test = portTest("expose", text);
      return ({ exposed }) => exposed.some(test);
    },
  };
  return compile(filters, meaning);
}

const on =
  <T, K>(test: Test<K>, key: (object: T) => K): Test<T> =>
  (object) =>
    test(key(object));

function exitCodeOf(text: string): number {
  if (/^-?\d{1,10}$/.test(text)) return Number(text);
  throw new BayError("BAD_REQUEST", `invalid filter 'exited=${text}'`, { hint: "expected an exit code" });
}

/** `80`, `80/udp`, `8000-8080/tcp`. Throws BAD_REQUEST. */
function portTest(key: string, text: string): Test<PortView> {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text);
  const [low, high] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (!match || high > 65535 || low > high)
    throw new BayError("BAD_REQUEST", `invalid filter '${key}=${text}'`, {
      hint: "expected PORT, PORT/PROTOCOL or FIRST-LAST/PROTOCOL",
    });
  const protocol = match[3] ?? "tcp";
  return (port) => port.port >= low && port.port <= high && port.protocol === protocol;
}

export interface ImageView {
  id: string;
  labels: () => Labels;
  createdAt: string;
  /** `nginx:1.27`; empty for an image without a name. */
  names: readonly string[];
}

export const IMAGE_FILTERS = ["before", "dangling", "label", "label!", "reference", "since", "until"];

/** Throws BAD_REQUEST, IMAGE_NOT_FOUND. */
export function imageFilter(filters: Filters, createdAt: (nameOrId: string) => string): Test<ImageView> {
  return compile<ImageView>(filters, {
    ...labelMeaning<ImageView>(({ labels }) => labels()),
    dangling: (text) => {
      const wanted = booleanOf("dangling", text);
      return ({ names }) => (names.length === 0) === wanted;
    },
    reference: (text) => {
      const test = referencePattern(text);
      return ({ names }) => names.some(test);
    },
    before: (text) => {
      const moment = Date.parse(createdAt(text));
      return (image) => Date.parse(image.createdAt) < moment;
    },
    since: (text) => {
      const moment = Date.parse(createdAt(text));
      return (image) => Date.parse(image.createdAt) > moment;
    },
    until: (text) => {
      const moment = momentOf("until", text);
      return (image) => Date.parse(image.createdAt) < moment;
    },
  });
}

export interface NetworkView {
  id: string;
  name: string;
  driver: string;
  labels: Labels;
  isUsed: boolean;
  /** It exists without being created: Docker's type builtin. */
  isPredefined?: boolean;
}

export const NETWORK_FILTERS = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"];

/** Throws BAD_REQUEST. */
export function networkFilter(filters: Filters): Test<NetworkView> {
  const type = wordTest("type", ["builtin", "custom"]);
  return compile<NetworkView>(filters, {
    ...labelMeaning<NetworkView>(({ labels }) => labels),
    id: (text) => on(nameTest(text), ({ id }) => id),
    name: (text) => on(nameTest(text), ({ name }) => name),
    driver: (text) => (network) => network.driver === text,
    scope: (text) => on(wordTest("scope", ["local", "global", "swarm"])(text), () => "local"),
    type: (text) => on(type(text), ({ isPredefined }) => (isPredefined ? "builtin" : "custom")),
    dangling: (text) => {
      const wanted = booleanOf("dangling", text);
      return ({ isUsed }) => !isUsed === wanted;
    },
  });
}

export interface VolumeView {
  name: string;
  driver: string;
  labels: Labels;
  isUsed: boolean;
}

export const VOLUME_FILTERS = ["dangling", "driver", "label", "label!", "name"];

/** Throws BAD_REQUEST. */
export function volumeFilter(filters: Filters): Test<VolumeView> {
  return compile<VolumeView>(filters, {
    ...labelMeaning<VolumeView>(({ labels }) => labels),
    name: (text) => on(nameTest(text), ({ name }) => name),
    driver: (text) => (volume) => volume.driver === text,
    dangling: (text) => {
      const wanted = booleanOf("dangling", text);
      return ({ isUsed }) => !isUsed === wanted;
    },
  });
}

export interface EventView {
  type: string;
  action: string;
  id: string;
  attributes: Labels;
}

export const EVENT_FILTERS = [
  "config",
  "container",
  "daemon",
  "event",
  "image",
  "label",
  "label!",
  "network",
  "node",
  "plugin",
  "scope",
  "secret",
  "service",
  "type",
  "volume",
];

/** Throws BAD_REQUEST. */
export function eventFilter(filters: Filters): Test<EventView> {
  /** An object of a type, by its name or the beginning of its ID. */
  const object =
    (type: string) =>
    (text: string): Test<EventView> =>
    (event) =>
      event.type === type && text !== "" && (event.id.startsWith(text) || event.attributes.name === text);
  const objects = [
    "config",
    "container",
    "daemon",
    "network",
    "node",
    "plugin",
    "secret",
    "service",
    "volume",
  ];
  return compile<EventView>(filters, {
    ...Object.fromEntries(objects.map((type) => [type, object(type)])),
    ...labelMeaning<EventView>(({ attributes }) => attributes),
    event: (text) => (event) => event.action === text || event.action.startsWith(`${text}:`),
    type: (text) => (event) => event.type === text,
    scope: (text) => on(wordTest("scope", ["local", "swarm"])(text), () => "local"),
    image: (text) => (event) => {
      const { name, image } = event.attributes;
      const shown = event.type === "container" ? image : event.type === "image" ? name : undefined;
      if (shown === undefined || text === "") return false;
      const isId =
        event.type === "image" && event.id.replace(/^sha256:/, "").startsWith(text.replace(/^sha256:/, ""));
      return isId || shown === text || shown.replace(/:[^/:]*$/, "") === text;
    },
  });
}
