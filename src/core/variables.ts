/** Variables of an environment. */

/** The value of a variable; undefined if it is not set. Unlike `environment[name]`, names such as `constructor` are not set. */
export const variableOf = (
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
): string | undefined => (Object.hasOwn(environment, name) ? environment[name] : undefined);
