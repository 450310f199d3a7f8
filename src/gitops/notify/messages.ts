/** What is sent to a target: the address, the headers and the body. */
import type { Source } from "../model/source.ts";
import type { LogEntry } from "../model/status.ts";
import { type NotifyTarget, reportedOf } from "./targets.ts";

export interface Message {
  url: string;
  headers: Record<string, string>;
  body: string;
}

type Entry = Omit<LogEntry, "number">;

const MAX_REASON = 2000;
/** The most characters that GitHub accepts as the description of a status. */
const MAX_DESCRIPTION = 140;

/** Undefined if the target does not report such an entry. */
export function messageFor(target: NotifyTarget, source: Source, entry: Entry): Message | undefined {
  if (!target.on.includes(reportedOf(entry.outcome))) return undefined;
  switch (target.type) {
    case "json":
      return message(target.url, bearer(target), generic(source, entry));
    case "slack":
      return message(target.url, {}, { text: chatText(source, entry) });
    case "github":
      return commitStatus(target, source, entry, {
        ...bearer(target),
        Accept: "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
      });
    case "gitea":
      return commitStatus(
        target,
        source,
        entry,
        target.token === undefined ? {} : { Authorization: `token ${target.token}` },
      );
  }
}

const message = (url: string, headers: Record<string, string>, body: unknown): Message => ({
  url,
  headers: { "Content-Type": "application/json", "User-Agent": "bay-gitops", ...headers },
  body: JSON.stringify(body),
});

const bearer = ({ token }: NotifyTarget): Record<string, string> =>
  token === undefined ? {} : { Authorization: `Bearer ${token}` };

function generic({ name, repo, path }: Source, { at, outcome, commit, reason, tookMs }: Entry): object {
  return {
    event: reportedOf(outcome),
    outcome,
    source: name,
    repository: repo,
    path,
    commit: commit ?? null,
    reason: reason.slice(0, MAX_REASON),
    at,
    tookMs,
  };
}

function chatText({ name }: Source, { outcome, commit, reason, tookMs }: Entry): string {
  const what = commit ? ` ${commit.id.slice(0, 12)} ${commit.subject} (${commit.author})` : "";
  const took = tookMs > 0 ? ` in ${(tookMs / 1000).toFixed(1)} s` : "";
  const why = reason === "" ? "" : `\n${reason.slice(0, MAX_REASON)}`;
  // Slack's three control characters; the text of a commit must not mention users or add links
  const plain = `${name}: ${outcome}${what}${took}${why}`;
  return plain.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** GitHub's "create a commit status", which Gitea and Forgejo have, too. Only results of a commit become a status. */
function commitStatus(
  target: NotifyTarget,
  { name }: Source,
  { outcome, commit, reason }: Entry,
  headers: Record<string, string>,
): Message | undefined {
  const kind = reportedOf(outcome);
  if (!commit || kind === "drift" || kind === "unreachable") return undefined;
  const first = reason.split("\n")[0]!;
  const description = (first === "" ? outcome : `${outcome}: ${first}`).slice(0, MAX_DESCRIPTION);
  const url = `${target.url.replace(/\/+$/, "")}/statuses/${commit.id}`;
  const state = kind === "applied" ? "success" : "failure";
  return message(url, headers, { state, description, context: `bay/${name}` });
}
