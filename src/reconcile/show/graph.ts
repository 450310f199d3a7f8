/** The steps of a plan as a graph, in the languages of Mermaid and Graphviz, and drawn as SVG. Pure. */

import type { Plan, Step } from "../model/step.ts";
import { SIGNS } from "./print.ts";

export const GRAPHS = ["mermaid", "dot", "svg"] as const;
export type GraphFormat = (typeof GRAPHS)[number];

interface Edge {
  from: number;
  to: number;
  /** It waits for the step's end only, or for a condition. */
  isWeak: boolean;
}

const labelOf = (step: Step) => `${SIGNS[step.kind]} ${step.kind.split(".")[0]} ${step.name}`;

/** Removes edges that follow from others. */
export function printGraph(plan: Plan, format: GraphFormat): string {
  const edges = neededEdges(plan.steps);
  if (format === "mermaid") return mermaid(plan.steps, edges);
  return format === "dot" ? dot(plan, edges) : svg(plan, edges);
}

function neededEdges(steps: readonly Step[]): Edge[] {
  const index = new Map(steps.map(({ id }, at) => [id, at]));
  const before = steps.map((step) => {
    const strong = step.after.flatMap((id) => index.get(id) ?? []);
    const weak = step.afterEnd.flatMap((id) => index.get(id) ?? []);
    return { strong, weak: weak.filter((at) => !strong.includes(at)) };
  });
  // steps come after those that they depend on; a row of bits holds all ancestors of a step
  const words = Math.ceil(steps.length / 32);
  const reach = steps.map(() => new Uint32Array(words));
  const edges: Edge[] = [];
  for (const [to, { strong, weak }] of before.entries()) {
    const direct = [...new Set([...strong, ...weak])].filter((from) => from < to);
    const row = reach[to]!;
    for (const from of direct) for (let word = 0; word < words; word++) row[word]! |= reach[from]![word]!;
    for (const from of direct) if (!has(row, from)) edges.push({ from, to, isWeak: weak.includes(from) });
    for (const from of direct) row[from >> 5]! |= 1 << (from & 31);
  }
  return edges;
}

const has = (row: Uint32Array, bit: number) => (row[bit >> 5]! & (1 << (bit & 31))) !== 0;

function mermaid(steps: readonly Step[], edges: readonly Edge[]): string {
  const text = (step: Step) => labelOf(step).replaceAll('"', "#quot;");
  return [
    "flowchart LR",
    ...steps.map((step, index) => `  s${index}["${text(step)}"]`),
    ...edges.map(({ from, to, isWeak }) => `  s${from} ${isWeak ? "-.->" : "-->"} s${to}`),
    "",
  ].join("\n");
}

function dot(plan: Plan, edges: readonly Edge[]): string {
  return [
    `digraph ${JSON.stringify(plan.stack)} {`,
    "  rankdir=LR; node [shape=box, fontname=monospace];",
    ...plan.steps.map((step, index) => `  s${index} [label=${JSON.stringify(labelOf(step))}];`),
    ...edges.map(({ from, to, isWeak }) => `  s${from} -> s${to}${isWeak ? " [style=dashed]" : ""};`),
    "}",
    "",
  ].join("\n");
}

const BOX = { height: 28, gap: 14, between: 60, letter: 7.2, padding: 12 };
const COLOURS: Record<string, string> = { "+": "#1a7f37", "-": "#cf222e", "~": "#9a6700", "-/+": "#9a6700" };

/** Columns from left to right: each step is right of those that it depends on. */
function svg(plan: Plan, edges: readonly Edge[]): string {
  const columnOf = plan.steps.map(() => 0);
  // edges are sorted by the order of the steps that they lead to
  for (const { from, to } of edges) columnOf[to] = Math.max(columnOf[to]!, columnOf[from]! + 1);
  const columns = [...new Set(columnOf)].sort((a, b) => a - b).map((): number[] => []);
  for (const [step, column] of columnOf.entries()) columns[column]!.push(step);
  const rowOf = new Map(columns.flatMap((steps) => steps.map((step, row) => [step, row] as const)));
  const widths = columns.map((steps) => Math.max(...steps.map((step) => widthOf(plan.steps[step]!))));
  const lefts = widths.map((_, at) =>
    widths.slice(0, at).reduce((sum, width) => sum + width + BOX.between, BOX.gap),
  );
  const places = plan.steps.map((_, step) => {
    const column = columnOf[step]!;
    const row = rowOf.get(step)!;
    return { x: lefts[column]!, y: BOX.gap + row * (BOX.height + BOX.gap), width: widths[column]! };
  });
  const width = lefts.reduce((most, left, at) => Math.max(most, left + widths[at]! + BOX.gap), BOX.gap * 2);
  const rows = Math.max(1, ...columns.map((steps) => steps.length));
  const height = BOX.gap + rows * (BOX.height + BOX.gap);
  const lines = edges.map(({ from, to, isWeak }) => {
    const [a, b] = [places[from]!, places[to]!];
    const [x1, y1, x2, y2] = [a.x + a.width, a.y + BOX.height / 2, b.x, b.y + BOX.height / 2];
    const dashes = isWeak ? ' stroke-dasharray="4 3"' : "";
    return `  <path d="M${x1} ${y1} C${x1 + 30} ${y1} ${x2 - 30} ${y2} ${x2} ${y2}" fill="none" stroke="#888" marker-end="url(#end)"${dashes}/>`;
  });
  const boxes = plan.steps.map((step, index) => {
    const { x, y, width } = places[index]!;
    const colour = COLOURS[SIGNS[step.kind]]!;
    return [
      `  <rect x="${x}" y="${y}" width="${width}" height="${BOX.height}" rx="4" fill="#fff" stroke="${colour}"/>`,
      `  <text x="${x + BOX.padding}" y="${y + 18}" fill="${colour}">${escapeXml(labelOf(step))}</text>`,
    ].join("\n");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(width)}" height="${height}" font-family="monospace" font-size="12">
  <title>${escapeXml(plan.stack)}</title>
  <defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#888"/></marker></defs>
${[...lines, ...boxes].join("\n")}
</svg>
`;
}

const widthOf = (step: Step) => Math.ceil(labelOf(step).length * BOX.letter + BOX.padding * 2);

const escapeXml = (text: string) =>
  text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]!);
