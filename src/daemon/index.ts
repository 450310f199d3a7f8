/** bayd's interface for the command. Heavy parts are imported where they are used. */
export { Client, textOf, toError } from "./client.ts";
export { DAEMON_ENVIRONMENT, ensureDaemon, passedOn, stopDaemon } from "./process/launch.ts";
export { groupId } from "./process/socket-group.ts";
export type { StackOwner } from "./stacks/stack-owner.ts";
export { ANNOUNCEMENT } from "./transport/announcement.ts";
export { openTransport } from "./transport/open.ts";
export type { ClientTls } from "./transport/tcp.ts";
