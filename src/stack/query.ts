/** The second interface of stack files, for code that has a loaded stack: it loads neither YAML nor the schema. */
export { buildsNeeding, dependenciesOf } from "./check/check-references.ts";
export { shareWith } from "./check/sharing.ts";
export { chooseServices, serviceOf } from "./model/choose-services.ts";
export { parsePort } from "./normalise/ports.ts";
export { parseBytes } from "./normalise/values.ts";
