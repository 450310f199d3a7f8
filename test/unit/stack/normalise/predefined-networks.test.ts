/** host and none are networks that exist on each host; the other names of predefined networks are reserved. */
import { describe, expect, it } from "vitest";
import { toCompose } from "../../../../src/stack/index.ts";
import { loadText, problemsOf } from "../../../support/stack.ts";

const modesOf = (text: string) =>
  Object.values(loadText(text).stack.services).map(({ networkMode, networks }) => [networkMode, networks]);

describe("an external network called host or none", () => {
  it.each([
    [
      "with a name",
      "services: { a: { image: x, networks: [n] } }\nnetworks: { n: { external: true, name: MODE } }",
    ],
    [
      "with an external name",
      "services: { a: { image: x, networks: [n] } }\nnetworks: { n: { external: { name: MODE } } }",
    ],
    ["by its key", "services: { a: { image: x, networks: [MODE] } }\nnetworks: { MODE: { external: true } }"],
    [
      "as a mapping",
      "services: { a: { image: x, networks: { n: } } }\nnetworks: { n: { external: true, name: MODE } }",
    ],
    [
      "as the default",
      "services: { a: { image: x } }\nnetworks: { default: { external: true, name: MODE } }",
    ],
  ])("%s is the network mode", (_, text) => {
    for (const mode of ["host", "none"]) {
      expect(modesOf(text.replaceAll("MODE", mode))).toEqual([[mode, {}]]);
    }
  });

  it("is written as the mode", () => {
    const { stack } = loadText(
      "services: { a: { image: x, networks: [n] } }\nnetworks: { n: { external: true, name: host } }",
    );
    expect(toCompose(stack)).toMatchObject({ services: { a: { network_mode: "host" } } });
    expect(Object.keys(stack.networks)).toEqual(["default"]);
  });

  it.each([
    ["networks: [n, default]", "the network host cannot be combined with other networks"],
    ["networks: { n: { aliases: [b] } }", "aliases cannot be set on the network host"],
    ['networks: [n], ports: ["80:80"]', "cannot be published with network_mode host"],
  ])("refuses %s", (service, message) => {
    const text = `services: { a: { image: x, ${service} } }\nnetworks: { n: { external: true, name: host } }`;
    expect(problemsOf(text)).toContain(message);
  });
});

describe("a network of the stack", () => {
  it.each(["host", "none", "bridge", "default"])("cannot be called %s on the host", (name) => {
    const text = `services: { a: { image: x, networks: [n] } }\nnetworks: { n: { name: ${name} } }`;
    expect(problemsOf(text)).toContain(`the name ${name} is reserved for a predefined network`);
  });

  it("can have such a key", () => {
    const text = "services: { a: { image: x, networks: [host] } }\nnetworks: { host: {} }";
    expect(modesOf(text)).toMatchObject([["bridge", { host: {} }]]);
  });
});
