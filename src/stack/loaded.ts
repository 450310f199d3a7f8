/** The second door of stack files, for who has a loaded stack: neither YAML nor schema is loaded with it. */
export { buildsNeeding, dependenciesOf, serviceContext } from "./check-references.ts";
export { chooseServices, serviceOf } from "./choose-services.ts";
export { parsePort } from "./ports.ts";
export { shareWith } from "./sharing.ts";
export { parseBytes } from "./values.ts";
