/** A plan as text, for people and for golden tests: one block per step, signs as in Terraform. Pure. */
import { shownPair } from "../../core/shown-values.ts";
import type { Plan, Step, StepKind } from "../model/step.ts";

export const SIGNS: Record<StepKind, string> = {
  "image.build": "+",
  "image.make": "+",
  "image.pull": "+",
  "image.fetch": "+",
  "network.create": "+",
  "network.replace": "-/+",
  "network.update": "~",
  "network.remove": "-",
  "network.repair": "~",
  "volume.create": "+",
  "volume.update": "~",
  "volume.remove": "-",
  "port.release": "~",
  "container.create": "+",
  "container.replace": "-/+",
  "container.update": "~",
  "container.start": "~",
  "container.restart": "~",
  "container.remove": "-",
  "host.repair": "~",
};

const NOTES: Partial<Record<StepKind, string>> = {
  "port.release": "are released",
  "container.replace": "is replaced",
  "container.update": "changes in place",
  "container.start": "is started",
  "container.restart": "is restarted",
  "network.repair": "is repaired",
  "network.replace": "is replaced",
  "network.update": "changes in place",
  "volume.update": "changes in place",
  "host.repair": "is repaired",
};

/** One line for a reason. */
export function reasonText(reason: Step["reasons"][number]): string {
  const prefix = reason.drift ? "drift: " : "";
  if (reason.text !== undefined) return `${prefix}${reason.field ? `${reason.field}: ` : ""}${reason.text}`;
  const [from, to] = shownPair(reason.from ?? "", reason.to ?? "");
  return `${prefix}${reason.field}: ${from} -> ${to}`;
}

export function printPlan(plan: Plan): string {
  if (plan.steps.length === 0)
    return `${problems(plan)}${warnings(plan)}${notes(plan)}${plan.stack}: nothing to do, the host matches the file\n`;
  const services = [...new Set(plan.steps.map(({ service }) => service))].filter(
    (name) => name !== undefined,
  );
  const own = plan.steps.filter(({ service }) => service === undefined);
  const groups = [
    [plan.stack, ...own.map(printStep)].join("\n"),
    ...services.map((name) => {
      const steps = plan.steps.filter(({ service }) => service === name);
      return [`service ${name}`, ...steps.map(printStep)].join("\n");
    }),
  ];
  return `${problems(plan)}${warnings(plan)}${notes(plan)}${groups.join("\n\n")}\n\n${summary(plan)}\n`;
}

function printStep(step: Step): string {
  const kind = step.kind === "port.release" ? "ports of" : step.kind.split(".")[0]!;
  const note = NOTES[step.kind];
  const head = `${SIGNS[step.kind].padStart(3)} ${kind} ${step.name}${note ? ` ${note}` : ""}`;
  const lines = [...step.reasons.map(reasonText), ...effects(step)];
  return [head, ...lines.map((line) => `      ${line}`)].join("\n");
}

/** The interruption that users notice during a step. */
function effects({ rollout, interruption }: Step): string[] {
  if (rollout?.order === "start-first")
    return ["no interruption: the new container is ready before the old one stops"];
  if (!interruption) return [];
  const until = interruption.until === "healthy" ? "until it is healthy again" : "until it runs again";
  const why = rollout?.why ? `, because ${rollout.why}` : "";
  return [`downtime: up to ${interruption.stopMs / 1000}s to stop, then ${until}${why}`];
}

const warnings = (plan: Plan) => plan.warnings.map((warning) => `warning: ${warning}\n`).join("");

const problems = (plan: Plan) => (plan.problems ?? []).map((problem) => `error: ${problem}\n`).join("");

const notes = (plan: Plan) => (plan.notes ?? []).map((note) => `note: ${note}\n`).join("");

/** `Plan: 3 to add, 1 to change, 1 to replace, 0 to remove` */
export function summary(plan: Plan): string {
  const count = (sign: string) => plan.steps.filter(({ kind }) => SIGNS[kind] === sign).length;
  return `Plan: ${count("+")} to add, ${count("~")} to change, ${count("-/+")} to replace, ${count("-")} to remove`;
}
