import { registryContract } from "../contracts/registry.ts";
import { Registry } from "../support/registry.ts";

registryContract("docker-registry", () => Registry.start());
