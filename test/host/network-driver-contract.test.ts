import { createNamespace, inNamespace, Links, removeNamespace } from "../../src/linux/index.ts";
import * as driver from "../../src/network/drivers/bridge.ts";
import { networkDriverContract } from "../contracts/network-driver.ts";

networkDriverContract("the kernel", async () => ({
  driver,
  door: { Links, createNamespace, removeNamespace, inNamespace },
}));
