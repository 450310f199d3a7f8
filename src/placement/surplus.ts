/** Running containers that a service no longer needs: repeated numbers, and those above its count. */
import type { PlacedContainer } from "./model.ts";

export interface Sorted {
  kept: PlacedContainer[];
  surplus: { container: PlacedContainer; why: string }[];
}

/** One container for each number. Of two with one number, the one that may stay is kept, then that of the first host. */
export function withoutRepeats(
  running: readonly PlacedContainer[],
  mayStay: (container: PlacedContainer) => boolean,
): Sorted {
  const byNumber = new Map<number, PlacedContainer>();
  const rank = (container: PlacedContainer) => `${mayStay(container) ? 0 : 1} ${container.host}`;
  for (const container of running) {
    const known = byNumber.get(container.number);
    if (!known || rank(container) < rank(known)) byNumber.set(container.number, container);
  }
  const kept = [...byNumber.values()].sort((a, b) => a.number - b.number);
  const surplus = running
    .filter((container) => byNumber.get(container.number) !== container)
    .map((container) => ({
      container,
      why: `number ${container.number} is also on host ${byNumber.get(container.number)!.host}`,
    }));
  return { kept, surplus };
}

/** Scaling down: first containers that would have to move, then those of the fullest host, the highest numbers first. */
export function scaledTo(
  count: number,
  running: readonly PlacedContainer[],
  mayStay: (container: PlacedContainer) => boolean,
): Sorted {
  const kept = [...running];
  const perHost = new Map<string, number>();
  for (const { host } of kept) perHost.set(host, (perHost.get(host) ?? 0) + 1);
  const moving = new Set(kept.filter((container) => !mayStay(container)));
  const surplus: Sorted["surplus"] = [];
  const isBefore = (a: PlacedContainer, b: PlacedContainer) => {
    if (moving.has(a) !== moving.has(b)) return moving.has(a);
    const difference = perHost.get(a.host)! - perHost.get(b.host)!;
    return difference === 0 ? a.number > b.number : difference > 0;
  };
  while (kept.length > count) {
    const victim = kept.reduce((best, next) => (isBefore(next, best) ? next : best));
    kept.splice(kept.indexOf(victim), 1);
    perHost.set(victim.host, perHost.get(victim.host)! - 1);
    surplus.push({ container: victim, why: `scale ${running.length} -> ${count}` });
  }
  return { kept, surplus };
}
