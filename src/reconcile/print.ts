/** A plan as text, for people and for golden tests: one block per step, signs as in Terraform. Pure. */
import type { Plan, Step, StepKind } from "./step.ts";

export const SIGNS: Record<StepKind, string> = {
  "image.build": "+",
  "image.make": "+",
  "image.pull": "+",
  "network.create": "+",
  "network.replace": "-/+",
  "network.update": "~",
  "network.remove": "-",
  "network.repair": "~",
  "volume.create": "+",
  "volume.update": "~",
  "volume.remove": "-",
  "container.create": "+",
  "container.replace": "-/+",
  "container.update": "~",
  "container.start": "~",
  "container.restart": "~",
  "container.remove": "-",
  "host.repair": "~",
};

const NOTES: Partial<Record<StepKind, string>> = {
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
  return prefix + (reason.text ?? `${reason.field}: ${reason.from} -> ${reason.to}`);
}

export function printPlan(plan: Plan): string {
  if (plan.steps.length === 0)
    return `${warnings(plan)}${plan.stack}: nothing to do, the host is as the file says\n`;
  const blocks = plan.steps.map((step) => {
    const kind = step.kind.split(".")[0]!;
    const note = NOTES[step.kind];
    const head = `${SIGNS[step.kind].padStart(3)} ${kind} ${step.name}${note ? ` ${note}` : ""}`;
    return [head, ...step.reasons.map((reason) => `      ${reasonText(reason)}`)].join("\n");
  });
  return `${warnings(plan)}${plan.stack}\n${blocks.join("\n")}\n\n${summary(plan)}\n`;
}

const warnings = (plan: Plan) => plan.warnings.map((warning) => `warning: ${warning}\n`).join("");

/** `Plan: 3 to add, 1 to change, 1 to replace, 0 to remove` */
export function summary(plan: Plan): string {
  const count = (sign: string) => plan.steps.filter(({ kind }) => SIGNS[kind] === sign).length;
  return `Plan: ${count("+")} to add, ${count("~")} to change, ${count("-/+")} to replace, ${count("-")} to remove`;
}
