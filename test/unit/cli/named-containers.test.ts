/** Which containers a name of the command line means. */
import { describe, expect, it } from "vitest";
import { type ContainerRow, chooseContainers } from "../../../src/cli/named-containers.ts";

const row = (name: string, service: string, oneOff = "False") =>
  ({
    Names: [`/${name}`],
    Labels: {
      "com.docker.compose.service": service,
      "com.docker.compose.container-number": "1",
      "com.docker.compose.oneoff": oneOff,
    },
  }) as unknown as ContainerRow;

describe("containers of a stack", () => {
  const rows = [row("shop-a-1", "a"), row("kept", "a", "True"), row("b", "a", "True")];
  const chosen = (...services: string[]) =>
    chooseContainers(rows, "shop", { services, known: ["a", "b"] }).map(({ Names }) => Names[0]);

  it("of a service do not include its one-off containers", () => {
    expect(chosen("a")).toEqual(["/shop-a-1"]);
    expect(chosen()).toEqual(["/shop-a-1"]);
  });

  it("include a one-off container by its own name, unless a service has this name", () => {
    expect(chosen("kept")).toEqual(["/kept"]);
    expect(chosen("b")).toEqual([]);
  });
});
