/** Variables of the user's environment that select a host or a stack for the command: tests must not follow them. */

const OWN = ["BAY_HOST", "BAY_CONTEXT", "BAY_CONFIG", "BAY_ROOT", "BAY_RUN", "BAY_DEBUG"];

/** Removes the variables that control the command; those that control the tests, such as BAY_LONG, stay. */
export function clearSettings(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment))
    if (OWN.includes(name) || /^(COMPOSE|DOCKER)_/.test(name)) delete environment[name];
}
