/** Checks against public reference data, where it lies beside the project: ../shared/data. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { expect, it } from "vitest";
import { defaultSeccomp } from "../../../src/container/spec/default-seccomp.ts";
import { toSpec } from "../../../src/container/spec/oci-spec.ts";
import { desiredConfig } from "../../../src/reconcile/index.ts";
import { fileSchema } from "../../../src/stack/schema/schema.ts";
import { serviceSchema } from "../../../src/stack/schema/service.ts";
import { whyUnsupported } from "../../../src/stack/schema/unsupported.ts";

import { IMAGE } from "../../support/actual.ts";
import { describeWithData } from "../../support/reference-data.ts";
import { loadText } from "../../support/stack.ts";

interface Rule {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[];
  includes?: { caps?: string[]; arches?: string[] };
  excludes?: { caps?: string[]; arches?: string[] };
}

/** Every call with its action and condition, one row each, in order. */
const flat = (rules: Rule[]) =>
  [
    ...new Set(
      rules.flatMap((rule) =>
        rule.names.map((name) =>
          JSON.stringify([
            name,
            rule.action,
            rule.errnoRet ?? null,
            (rule.args ?? []).map(({ index, value, valueTwo, op }) => [index, value, valueTwo ?? 0, op]),
          ]),
        ),
      ),
    ),
  ].sort();

describeWithData("reference data", ".", (data) => {
  const json = (path: string) => JSON.parse(readFileSync(join(data, path), "utf8"));
  const profile = json("seccomp/default.json") as { syscalls: Rule[] };
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const published = (capabilities: string[]) =>
    profile.syscalls.filter(
      ({ includes, excludes }) =>
        (includes?.caps ?? []).every((name) => capabilities.includes(name)) &&
        (!includes?.arches || includes.arches.includes(arch)) &&
        !(excludes?.caps ?? []).some((name) => capabilities.includes(name)) &&
        !excludes?.arches?.includes(arch),
    );

  it.each([
    [[]],
    [["CAP_SYS_ADMIN"]],
    [["CAP_SYS_PTRACE", "CAP_SYS_CHROOT", "CAP_SYS_NICE", "CAP_BPF", "CAP_SYS_TIME"]],
  ])("the seccomp profile with %j is the published one", (capabilities) => {
    expect(flat(defaultSeccomp(capabilities).syscalls as Rule[])).toEqual(flat(published(capabilities)));
  });

  it.each([
    ["plain", "image: app"],
    [
      "limited",
      "image: app\n    mem_limit: 64m\n    cpus: 0.5\n    pids_limit: 9\n    cpuset: 0-1\n    ulimits: { nofile: 100 }",
    ],
    [
      "regulated",
      "image: app\n    mem_swappiness: 10\n    oom_kill_disable: true\n    uts: host\n    cgroup: host\n    device_cgroup_rules: ['c 10:* rm']",
    ],
    ["open", "image: app\n    privileged: true\n    pid: host\n    ipc: host\n    network_mode: host"],
    [
      "mounted",
      "image: app\n    read_only: true\n    tty: true\n    user: 7:8\n    group_add: [9]\n    tmpfs: [/run]\n    volumes: [./src:/src:ro, /anon]\n    devices: [/dev/null:/dev/x:r]\n    sysctls: { net.core.somaxconn: 9 }\n    annotations: { a: b }\n    cap_add: [NET_ADMIN]\n    security_opt: [no-new-privileges]",
    ],
  ])("the OCI spec of a %s container is one by the specification's schema", (_, service) => {
    const folder = join(data, "oci-runtime");
    const ajv = new Ajv({ strict: false, validateSchema: false });
    for (const name of readdirSync(folder).filter((file) =>
      /^(config|defs)(-(?!schema)\w+)?\.json$/.test(file),
    ))
      ajv.addSchema(json(`oci-runtime/${name}`), name);
    // its draft is 04, whose own schema Ajv does not have; nothing in it means anything else in later drafts
    const { $schema: _draft, ...schema } = json("oci-runtime/config-schema.json") as Record<string, unknown>;
    const { stack } = loadText(`services:\n  web:\n    ${service}\n`);
    const config = desiredConfig(stack, stack.services.web!, 1, IMAGE);
    const spec = toSpec(config, {
      account: { uid: 0, gid: 0, groups: [], home: "/root" },
      rootfs: "/rootfs",
      hostPath: (path) => path,
      volumePath: (name) => `/volumes/${name}`,
      etc: [{ target: "/etc/hosts", file: "/hosts" }],
      networkNamespace: undefined,
      cgroupsPath: "/bay/web",
    });
    const isValid = ajv.compile(schema);
    isValid(JSON.parse(JSON.stringify(spec)));
    expect(isValid.errors ?? []).toEqual([]);
    expect(isValid({ ...spec, process: { args: "true" } })).toBe(false);
  });

  it("every key of the Compose specification is known: it works, or is named as not supported", () => {
    const spec = json("compose-spec/compose-spec.json") as {
      properties: object;
      definitions: { service: { properties: object } };
    };
    const strange = (keys: string[], own: object, path: string[]) =>
      keys.filter((key) => !(key in own) && whyUnsupported(path, key) === undefined);
    expect(strange(Object.keys(spec.properties), fileSchema.shape, [])).toEqual([]);
    expect(
      strange(Object.keys(spec.definitions.service.properties), serviceSchema.shape, ["services", "x"]),
    ).toEqual([]);
  });
});
