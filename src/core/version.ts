declare const __BAY_VERSION__: string | undefined;

/** The package's version, put in by the build. */
export const VERSION = typeof __BAY_VERSION__ === "string" ? __BAY_VERSION__ : "0.0.0-source";
