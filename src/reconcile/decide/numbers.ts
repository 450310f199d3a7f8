/** The numbers of a service's containers on this host. Pure. */
import type { Service } from "../../stack/index.ts";
import type { ActualContainer } from "../model/actual.ts";

export interface Numbered {
  kept: ActualContainer[];
  /** Numbers of containers that do not exist yet. */
  missing: number[];
  surplus: ActualContainer[];
  /** Why the surplus containers are removed. */
  why: string;
}

/**
 * Sorts the containers of a service, which are in the order of their numbers. With explicit numbers, exactly these run
 * here. Without, the lowest existing numbers are kept, and new containers get the lowest free ones.
 */
export function sortByNumber(
  { numbers, replicas }: Pick<Service, "numbers" | "replicas">,
  own: readonly ActualContainer[],
): Numbered {
  if (numbers) {
    const existing = new Set(own.map(({ number }) => number));
    return {
      kept: own.filter(({ number }) => numbers.includes(number)),
      missing: numbers.filter((number) => !existing.has(number)),
      surplus: own.filter(({ number }) => !numbers.includes(number)),
      why: "it is not placed on this host",
    };
  }
  const kept = own.slice(0, replicas);
  const taken = new Set(kept.map(({ number }) => number));
  const missing: number[] = [];
  for (let number = 1; kept.length + missing.length < replicas; number++)
    if (!taken.has(number)) missing.push(number);
  return { kept, missing, surplus: own.slice(replicas), why: `scale ${own.length} -> ${replicas}` };
}

/** Whether any container of the service is to run on this host. */
export const isHere = ({ numbers }: Pick<Service, "numbers">): boolean => numbers?.length !== 0;

/** The container that others share namespaces and volumes with. */
export const firstNumber = ({ numbers }: Pick<Service, "numbers">): number => numbers?.[0] ?? 1;
