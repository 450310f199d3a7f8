/** The interface of gitops: bayd's extension. Its parts are loaded when the first source or request needs them. */
import { join } from "node:path";
import type { ExtendDaemon } from "../daemon/extension.ts";
import { gitopsRoutes } from "./api/routes.ts";
import { GitCredentials } from "./git/credentials.ts";
import { FollowedRepositories } from "./git/repositories.ts";
import { GitopsLoop } from "./loop/loop.ts";
import { GitopsRecords } from "./model/records.ts";

/** `command` starts a process of bay, which reads the stacks of commits. */
export const gitopsExtension =
  (command: readonly string[]): ExtendDaemon =>
  (services) => {
    const directory = join(services.manager.roots.root, "gitops");
    const credentials = new GitCredentials(join(directory, "credentials"));
    const repositories = new FollowedRepositories(join(directory, "repositories"), credentials);
    const records = new GitopsRecords(services.manager.store);
    const loop = new GitopsLoop({ ...services, command, directory, repositories, records });
    return { routes: gitopsRoutes(loop), start: () => loop.start(), close: () => loop.close() };
  };
