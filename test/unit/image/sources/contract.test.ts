import { imageSourceContract } from "../../../contracts/image-source.ts";
import { NotedLayers } from "../../../contracts/registry.ts";
import { SOURCE_CASES } from "../../../support/image-sources.ts";

for (const [name, given] of Object.entries(SOURCE_CASES))
  imageSourceContract(`${name}, without unpacking`, given, (root) => new NotedLayers(root));
