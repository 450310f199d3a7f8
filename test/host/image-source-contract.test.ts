import { LayerStore } from "../../src/image/layers/layer-store.ts";
import { imageSourceContract } from "../contracts/image-source.ts";
import { SOURCE_CASES } from "../support/image-sources.ts";

for (const [name, given] of Object.entries(SOURCE_CASES))
  imageSourceContract(name, given, (root) => new LayerStore(root));
