import { createNamespace, inNamespace, Links, removeNamespace } from "../../src/linux/index.ts";
import { linksContract } from "../contracts/links.ts";

linksContract("the kernel", () => ({ Links, createNamespace, removeNamespace, inNamespace }));
