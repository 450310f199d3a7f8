import { BayError } from "../../../../src/core/errors.ts";
import { nftablesContract } from "../../../contracts/nftables.ts";
import { FakeNftables } from "../../../support/fake-nftables.ts";

nftablesContract("in memory", () => {
  const fake = new FakeNftables((message) => new BayError("NFTABLES", message));
  return (commands) => fake.run(commands);
});
