import type { Evaluation } from '../evaluation.ts';
import type { NodeTable, Occupant } from '../node-table.ts';
import type { DisruptionBudgets } from './disruption-budgets.ts';

/** A node that would take a pod if some of lower priority left it. */
export interface Candidate {
  readonly row: number;
  /** Whoever must leave, most important first. Empty where it is enough that those leave who are leaving already. */
  readonly victims: readonly Occupant[];
  /** Victims whose end violates a disruption budget. */
  readonly violations: number;
  /** Of the most important victim; -Infinity without any. */
  readonly highestPriority: number;
  readonly prioritySum: number;
  /** When the first of the victims of the highest priority started, in milliseconds; Infinity for not yet. */
  readonly earliestStart: number;
}

/** Priorities count from here in sums, so that more victims of negative priority never weigh less. */
const priorityFloor = -(2 ** 31);

/**
 * Finds out who would have to leave `row` for one more pod of `priority`, as few and as unimportant as possible:
 * everybody of lower priority is taken away, and then brought back one after the other where there is still room,
 * those first whose end would violate a disruption budget, then the more important. Pods that are leaving anyway count
 * as gone and as no victims; reservations of lower priority give way in any case. Undefined if even taking away everybody would not help, or there is nobody.
 *
 * `evaluation` must be fresh (`refresh()`), and the table regard nominations as for that pod.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption (SelectVictimsOnNode).
 */
export function candidateOn(
  row: number,
  priority: number,
  table: NodeTable,
  evaluation: Evaluation,
  budgets: DisruptionBudgets,
): Candidate | undefined {
  const leaving: Occupant[] = [];
  const lesser: Occupant[] = [];
  const reserved: Occupant[] = [];
  for (const occupant of table.occupantsAt(row)) {
    if (occupant.state === 'reserved' && occupant.priority < priority) reserved.push(occupant);
    if (!isLesser(occupant, priority)) continue;
    (occupant.terminating ? leaving : lesser).push(occupant);
  }
  if (leaving.length + lesser.length === 0) return undefined;
  for (const occupant of reserved) table.suspend(occupant);
  for (const occupant of leaving) table.suspend(occupant);
  for (const occupant of lesser) table.suspend(occupant);
  const victims: Occupant[] = [];
  let violations = 0;
  const fits = evaluation.wouldFit(row);
  if (fits) {
    const spare = (occupant: Occupant): boolean => {
      table.resume(occupant);
      if (evaluation.wouldFit(row)) return true;
      table.suspend(occupant);
      victims.push(occupant);
      return false;
    };
    const { violating, others } = budgets.split(lesser.sort(byImportance));
    for (const occupant of violating) if (!spare(occupant)) violations++;
    for (const occupant of others) spare(occupant);
  }
  for (const occupant of leaving) table.resume(occupant);
  for (const occupant of lesser) table.resume(occupant);
  for (const occupant of reserved) table.resume(occupant);
  if (!fits) return undefined;
  victims.sort(byImportance);
  const highestPriority = victims[0]?.priority ?? -Infinity;
  return {
    row,
    victims,
    violations,
    highestPriority,
    prioritySum: victims.reduce((sum, victim) => sum + victim.priority - priorityFloor, 0),
    earliestStart: victims.reduce(
      (earliest, victim) => (victim.priority === highestPriority ? Math.min(earliest, victim.startedAt) : earliest),
      Infinity,
    ),
  };
}

/**
 * True if `a` does less harm than `b`: fewer budgets violated, then a lower highest priority, a lower sum, fewer
 * victims, and a later start of the first of the highest; then as the seed prefers.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/preemption (pickOneNodeForPreemption).
 */
export function isBetter(a: Candidate, b: Candidate, table: NodeTable): boolean {
  if (a.violations !== b.violations) return a.violations < b.violations;
  if (a.highestPriority !== b.highestPriority) return a.highestPriority < b.highestPriority;
  if (a.prioritySum !== b.prioritySum) return a.prioritySum < b.prioritySum;
  if (a.victims.length !== b.victims.length) return a.victims.length < b.victims.length;
  if (a.earliestStart !== b.earliestStart) return a.earliestStart > b.earliestStart;
  const [tieA, tieB] = [table.tie[a.row] ?? 0, table.tie[b.row] ?? 0];
  return tieA === tieB ? table.nameOf(a.row) < table.nameOf(b.row) : tieA < tieB;
}

/** A pod that may be made to leave for one of `priority`. */
export function isLesser({ priority, guard, state }: Occupant, than: number): boolean {
  return priority < than && guard < than && (state === 'bound' || state === 'assumed');
}

/** Higher priority first, then what has run longer. */
function byImportance(a: Occupant, b: Occupant): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.startedAt !== b.startedAt) return a.startedAt < b.startedAt ? -1 : 1;
  return a.uid < b.uid ? -1 : 1;
}
