/** Sends the parts of a change to the bayds of their hosts, while one of them keeps the lock of the stack. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { BayError, messageOf } from "../../core/errors.ts";
import type { Cluster, Member } from "../../host/index.ts";
import type { Plan, Progress } from "../../reconcile/index.ts";
import type { Asker } from "../stacks/stack-locks.ts";
import type { HostOrder } from "./host-order.ts";
import { readLines } from "./member-client.ts";

/** A change of one host, by its own route. */
export interface HostRequest {
  member: Member;
  path: string;
  body: object;
}

export class HostRequests {
  /** Stacks that a command changes on all hosts, with who does it. */
  readonly #locks = new Map<string, string>();

  constructor(readonly cluster: Cluster) {}

  /** Sends requests to all hosts at once. Throws APPLY_FAILED with the failures of all hosts. */
  async sendAll(
    stack: string,
    requests: readonly HostRequest[],
    asker: Asker,
    write: (progress: Progress) => void,
  ): Promise<Plan> {
    const results = await Promise.allSettled(requests.map((request) => this.#send(request, write, asker)));
    const failures = results.flatMap((result, index) =>
      result.status === "rejected"
        ? [`host ${requests[index]!.member.name}: ${messageOf(result.reason)}`]
        : [],
    );
    if (failures.length > 0) throw new BayError("APPLY_FAILED", failures.join("\n"));
    const plans = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    return together(stack, plans);
  }

  /**
   * Sends requests to hosts in an order. After a failure the following hosts get none, and as the update's policy says, those
   * before are rolled back. Throws APPLY_FAILED with what happened on each host.
   */
  async sendInOrder(
    stack: string,
    requests: readonly HostRequest[],
    { atOnce, inTurn }: HostOrder,
    asker: Asker,
    write: (progress: Progress) => void,
  ): Promise<Plan> {
    const requestOf = (host: string) => requests.find(({ member }) => member.name === host)!;
    const plans = [await this.sendAll(stack, atOnce.map(requestOf), asker, write)];
    const updated: Member[] = [];
    const failures: string[] = [];
    for (const [index, { host, delayMs, failureAction }] of inTurn.entries()) {
      if (delayMs > 0) await pause(delayMs, asker);
      const request = requestOf(host);
      try {
        plans.push(await this.sendAll(stack, [request], asker, write));
        updated.push(request.member);
      } catch (error) {
        failures.push(messageOf(error));
        if (failureAction === "continue") continue;
        const left = inTurn.slice(index + 1).map((each) => each.host);
        if (left.length > 0)
          failures.push(`not updated, because host ${host} failed: host ${left.join(", ")}`);
        if (failureAction === "rollback")
          failures.push(...(await this.#rollBack(stack, updated.reverse(), asker, write)));
        break;
      }
    }
    if (failures.length > 0) throw new BayError("APPLY_FAILED", failures.join("\n"));
    return together(stack, plans);
  }

  /** Restores the revision before on hosts; returns a line for each. */
  async #rollBack(
    stack: string,
    members: readonly Member[],
    asker: Asker,
    write: (progress: Progress) => void,
  ): Promise<string[]> {
    const lines: string[] = [];
    for (const member of members) {
      const path = `/bay/v1/stacks/${encodeURIComponent(stack)}/rollback`;
      lines.push(
        await this.#send({ member, path, body: {} }, write, asker).then(
          () => `host ${member.name} is rolled back to the previous revision`,
          (error: unknown) => `host ${member.name}: the rollback failed: ${messageOf(error)}`,
        ),
      );
    }
    return lines;
  }

  /** Sends a request that answers with lines of progress and a result to a host's bayd; this host's too. */
  async #send(
    { member, path, body }: HostRequest,
    write: (progress: Progress) => void,
    asker: Asker,
  ): Promise<Plan> {
    let plan: Plan | undefined;
    let failure: BayError | undefined;
    const take = (line: string) => {
      const value = answerLine.parse(JSON.parse(line));
      if (value.progress) write(onHost(member.name, value.progress as Progress));
      if (value.waiting) asker.tell?.(`host ${member.name}: ${value.waiting}`);
      if (value.result) plan = value.result as Plan;
      if (value.error) failure = new BayError("APPLY_FAILED", value.error.message, hintOf(value.error));
    };
    await readLines(this.cluster, member, "POST", path, { body, signal: asker.signal }, take);
    if (failure) throw failure;
    if (!plan) throw new BayError("HOST_UNREACHABLE", "its bayd stopped during the request");
    return plan;
  }

  /**
   * Runs an action while no other command changes the stack in the whole cluster: the first of its hosts by name keeps the lock.
   * Throws STACK_BUSY.
   */
  async locked<T>(
    stack: string,
    asker: Asker,
    hosts: readonly { member: Member }[],
    action: () => Promise<T>,
  ): Promise<T> {
    const release = await this.#lock(stack, asker, hosts);
    try {
      return await action();
    } finally {
      release();
    }
  }

  async #lock(stack: string, asker: Asker, parts: readonly { member: Member }[]): Promise<() => void> {
    const keeper = [...parts].sort((a, b) => (a.member.name < b.member.name ? -1 : 1))[0]?.member;
    if (!keeper) return () => {};
    const who = `bay ${asker.what} on host ${this.cluster.membership.self?.name}`;
    const abort = new AbortController();
    await new Promise<void>((resolve, reject) => {
      readLines(
        this.cluster,
        keeper,
        "POST",
        `/bay/v1/host/lock/${encodeURIComponent(stack)}`,
        { body: { who }, signal: abort.signal },
        () => resolve(),
      ).catch(reject);
    });
    return () => abort.abort();
  }

  /** Takes the lock for a connection; gives the function that releases it. Throws STACK_BUSY. */
  takeLock(stack: string, who: string): () => void {
    const holder = this.#locks.get(stack);
    if (holder !== undefined)
      throw new BayError("STACK_BUSY", `${holder} is changing the stack ${stack}`, {
        hint: "wait until it ends, and run the command again",
      });
    this.#locks.set(stack, who);
    return () => void this.#locks.delete(stack);
  }
}

const together = (stack: string, plans: readonly Plan[]): Plan => ({
  stack,
  steps: plans.flatMap(({ steps }) => steps),
  warnings: [...new Set(plans.flatMap(({ warnings }) => warnings))],
});

async function pause(milliseconds: number, { signal }: Asker): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal ? { signal } : {});
  } catch {
    throw new BayError("ABORTED", "the client disconnected");
  }
}

const answerLine = z.object({
  progress: z.unknown().optional(),
  waiting: z.string().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string(), hint: z.string().optional() }).optional(),
});

const hintOf = ({ hint }: { hint?: string | undefined }) => (hint === undefined ? {} : { hint });

const onHost = (host: string, progress: Progress): Progress => ({
  ...progress,
  step: `${host}/${progress.step}`,
  name: `${progress.name} on host ${host}`,
});
