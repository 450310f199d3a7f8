// What every bench does alike.
import { spawnSync } from "node:child_process";

/** The middle one of numbers, the upper of two. */
export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Whether a peer is installed. */
export const has = (command) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
