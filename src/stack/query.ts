/** The second door of stack files, for who has a loaded stack: neither YAML nor schema is loaded with it. */
export { buildsNeeding, dependenciesOf } from "./check/check-references.ts";
export { shareWith } from "./check/sharing.ts";
export { chooseServices, serviceOf } from "./model/choose-services.ts";
export { parsePort } from "./normalise/ports.ts";
export { parseBytes } from "./normalise/values.ts";
