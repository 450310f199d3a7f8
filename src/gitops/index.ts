/** The interface of gitops: bayd's extension. Its parts are loaded when the first source or request needs them. */
import { join } from "node:path";
import { LABELS } from "../container/index.ts";
import type { ExtendDaemon } from "../daemon/extension.ts";
import { hookRoutes } from "./api/hook-routes.ts";
import { gitopsRoutes } from "./api/routes.ts";
import { GitCredentials } from "./git/credentials.ts";
import { FollowedRepositories } from "./git/repositories.ts";
import { Listening } from "./hooks/listener-settings.ts";
import { Metrics } from "./hooks/metrics.ts";
import { healthOf } from "./loop/apply-commit.ts";
import { GitopsLoop } from "./loop/loop.ts";
import { stackOwners } from "./loop/stack-owners.ts";
import { GitopsRecords } from "./model/records.ts";
import { Notifier } from "./notify/notifier.ts";

/** `command` starts a process of bay, which reads the stacks of commits. */
export const gitopsExtension =
  (command: readonly string[]): ExtendDaemon =>
  (services) => {
    const directory = join(services.manager.roots.root, "gitops");
    const credentials = new GitCredentials(join(directory, "credentials"));
    const repositories = new FollowedRepositories(join(directory, "repositories"), credentials);
    const records = new GitopsRecords(services.manager.store);
    const loop = new GitopsLoop({ ...services, command, directory, repositories, records });
    const notifier = new Notifier(credentials, services.log);
    const metrics = new Metrics();
    const listening = new Listening(services.manager.store, {
      secretOf: (name) => (records.find(name) ? credentials.hookSecret(name) : undefined),
      onPush: (name) => loop.pushed(name),
      metrics: () => metrics.text(measured(loop), Date.now()),
      log: services.log,
    });
    // a followed stack is restored even if all of its containers were removed by hand
    services.stacks.alsoKept = () =>
      records.sources().flatMap(({ name }) => records.status(name).project ?? []);
    services.stacks.owners = stackOwners(loop);
    records.onEntry = (name, entry) => {
      const { outcome, commit } = entry;
      // bay events shows the events of one stack, by this label
      const project = records.status(name).project ?? records.find(name)?.project ?? name;
      const attributes = { [LABELS.stack]: project, ...(commit ? { commit: commit.id } : {}) };
      services.manager.events.publish("daemon", `gitops-${outcome.replace(" ", "-")}`, name, attributes);
      metrics.note(name, entry);
      const source = records.find(name);
      if (source) notifier.report(source, entry);
    };
    return {
      routes: [...gitopsRoutes(loop), ...hookRoutes({ records, credentials, listening, directory })],
      start: () => {
        loop.start();
        listening.start();
      },
      close: async () => {
        notifier.close();
        await Promise.all([loop.close(), listening.close()]);
      },
    };
  };

const measured = ({ services }: GitopsLoop) =>
  services.records.sources().map((source) => {
    const status = services.records.status(source.name);
    return { source, status, isHealthy: healthOf(services, status.project) === "healthy" };
  });
