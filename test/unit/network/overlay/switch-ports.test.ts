import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readState } from "../../../../src/network/drivers/open-vswitch.ts";
import type { NetworkRecord } from "../../../../src/network/model/network.ts";
import { changesOf, type SwitchState, wantedState } from "../../../../src/network/overlay/switch-ports.ts";

const network = (number: number, encapsulation = "ovs-gre") =>
  ({
    id: `${number}bcdef0123456789`,
    subnet: "10.90.0.0/16",
    gateway: "10.90.0.1",
    bridge: `bay00000-${number}bcdef`,
    mtu: 1458,
    config: { name: `n${number}`, stack: "shop", overlay: { encapsulation, id: number, port: 4789 } },
  }) as unknown as NetworkRecord;
const peer = (slot: number) => ({ name: `h${slot}`, slot, address: `192.0.2.${slot}` });
const EMPTY: SwitchState = { bridges: [], ports: [] };

describe("bridges of Open vSwitch", () => {
  it("have a protected port for each peer, and one for each link", () => {
    const { ports } = wantedState("00000", [network(1)], [peer(2)], () => ["ve0000012345678"]);
    const ids = { bay: "00000", "bay-network": "n1", "bay-stack": "shop" };
    expect(ports).toEqual([
      {
        name: "bt000001bcd2",
        bridge: "bay00000-1bcdef",
        isProtected: true,
        type: "gre",
        options: { remote_ip: "192.0.2.2", key: "1" },
        ids,
      },
      { name: "ve0000012345678", bridge: "bay00000-1bcdef", isProtected: false, type: "", options: {}, ids },
    ]);
  });

  it("names of ports fit in the fifteen characters of an interface", () => {
    const { ports } = wantedState("fffff", [network(1)], [peer(65_535)], () => []);
    expect(ports[0]!.name).toHaveLength(15);
  });

  it("nothing is changed where nothing differs, and everything of a state is removed by an empty one", () => {
    const slots = fc.uniqueArray(fc.integer({ min: 1, max: 255 }), { maxLength: 5 });
    fc.assert(
      fc.property(
        slots,
        fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
        (peers, numbers) => {
          const state = wantedState(
            "00000",
            numbers.map((each) => network(each)),
            peers.map(peer),
            () => [],
          );
          expect(changesOf(state, state, "netdev")).toEqual([]);
          const removals = changesOf(EMPTY, state, "netdev");
          expect(removals).toEqual(state.bridges.map(({ name }) => ["--if-exists", "del-br", name]));
        },
      ),
    );
  });

  it("a port on another bridge is moved, and an unused one is removed", () => {
    const wanted = wantedState("00000", [network(1), network(2)], [peer(2)], () => []);
    const [port] = wanted.ports;
    const moved = { ...wanted, ports: [{ ...port!, bridge: "bay00000-2bcdef" }, ...wanted.ports.slice(1)] };
    const changes = changesOf(wanted, moved, "netdev");
    expect(changes[0]).toEqual(["--if-exists", "del-port", "bay00000-2bcdef", port!.name]);
    expect(changes[1]).toEqual(["--may-exist", "add-port", "bay00000-1bcdef", port!.name]);
    const stale = { ...wanted, ports: [...wanted.ports, { ...port!, name: "bt00000old9" }] };
    expect(changesOf(wanted, stale, "netdev")).toEqual([
      ["--if-exists", "del-port", "bay00000-1bcdef", "bt00000old9"],
    ]);
  });

  it("values are quoted, so that a name cannot change the command", () => {
    const { config } = network(1);
    const odd = { ...network(1), config: { ...config, stack: 'a", b={}' } } as NetworkRecord;
    const changes = changesOf(
      wantedState("00000", [odd], [], () => []),
      EMPTY,
      "netdev",
    );
    expect(changes.flat().join(" ")).toContain(String.raw`"bay-stack"="a\", b={}"`);
  });
});

it("reads what ovs-vsctl lists, and leaves out what this bay does not own", () => {
  const lines = [
    {
      headings: ["name", "external_ids", "ports"],
      data: [
        [
          "mine",
          ["map", [["bay", "00000"]]],
          [
            "set",
            [
              ["uuid", "p1"],
              ["uuid", "p2"],
            ],
          ],
        ],
        ["other", ["map", []], ["uuid", "p3"]],
      ],
    },
    {
      headings: ["_uuid", "name", "protected", "external_ids", "interfaces"],
      data: [
        [["uuid", "p1"], "bt1", true, ["map", [["bay", "00000"]]], ["uuid", "i1"]],
        [["uuid", "p2"], "mirror", false, ["map", []], ["uuid", "i2"]],
        [["uuid", "p3"], "eth1", false, ["map", []], ["uuid", "i3"]],
      ],
    },
    {
      headings: ["_uuid", "type", "options"],
      data: [
        [
          ["uuid", "i1"],
          "gre",
          [
            "map",
            [
              ["key", "1"],
              ["remote_ip", "192.0.2.2"],
            ],
          ],
        ],
      ],
    },
  ];
  expect(readState(lines.map((line) => JSON.stringify(line)).join("\n"), "00000")).toEqual({
    bridges: [{ name: "mine", ids: { bay: "00000" }, mac: "", mtu: undefined }],
    ports: [
      {
        name: "bt1",
        bridge: "mine",
        isProtected: true,
        type: "gre",
        options: { key: "1", remote_ip: "192.0.2.2" },
        ids: { bay: "00000" },
      },
    ],
  });
  expect(() => readState("[]", "00000")).toThrow("its answer is not a table");
});
