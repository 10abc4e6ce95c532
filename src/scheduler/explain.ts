import type { Pod } from '#api/core/pod.ts';
import { unreachable } from '#lib/unreachable.ts';
import type { ObjectRef } from '#machinery/object.ts';
import type { Evaluation } from './evaluation.ts';
import type { GangVerdict } from './gangs/gang-scheduler.ts';
import type { NodeTable } from './node-table.ts';
import type { Refusal } from './plugin.ts';
import type { Recourse } from './preemption/preemptor.ts';
import { describeAmount } from './requests.ts';
import type { Held, ReservationBook } from './reservations/reservation-book.ts';

/**
 * Why a pod is where it is, or why it waits. The scheduler implements it; `cluster/` hands it to the API server, which
 * answers `GET /api/v1/namespaces/NAMESPACE/pods/NAME/why` (JSON of `Explanation`, 404 where `why()` gives undefined)
 * for callers who may `get` `pods/why`. `tutti why` and the dashboard read that.
 */
export interface WhySource {
  /** Undefined if the scheduler knows no such pod. */
  why(ref: Required<ObjectRef>): Explanation | undefined;
}

/** What preemption would do for a waiting pod, or does. */
export type PreemptionVerdict =
  /** These would have to leave: it happens when its turn comes. */
  | {
      readonly outcome: 'possible';
      readonly nodeName: string;
      readonly victims: readonly (Required<ObjectRef> & { readonly priority: number })[];
      /** Victims whose end violates a disruption budget. */
      readonly budgetsViolated: number;
    }
  /** Others are leaving for it. */
  | { readonly outcome: 'waits'; readonly nodeName: string }
  /** Its `preemptionPolicy` is `Never`. */
  | { readonly outcome: 'never' }
  /** The profile of its scheduler does without preemption. */
  | { readonly outcome: 'disabled' }
  /** No node would take it even without all pods of lower priority, or there are none. */
  | { readonly outcome: 'helpless' };

/** Plain data: it goes over the wire as it is. */
export interface Explanation {
  readonly pod: Required<ObjectRef>;
  readonly state: 'waiting' | 'gated' | 'placed' | 'foreign';
  /** One sentence for people. */
  readonly summary: string;
  readonly nodeName?: string;
  /** What the decision was based on, while it is remembered. */
  readonly decision?: RememberedDecision;
  /** Every node as of now, best first; for a placed pod as if it were to be placed again. */
  readonly nodes: readonly NodeVerdict[];
  /** Nodes beyond the first `verdictsMax`, counted only. */
  readonly nodesOmitted: number;
  /** Nodes that would take the pod with one thing changed, grouped: `2 nodes would if 300Mi of memory were freed`. */
  readonly wouldFit: readonly string[];
  /** Of a waiting pod that is placed together with others or not at all. */
  readonly gang?: GangVerdict;
  /** Of a waiting pod that fits nowhere. */
  readonly preemption?: PreemptionVerdict;
}

export interface NodeVerdict {
  readonly node: string;
  readonly fits: boolean;
  /** Of a node that fits: score per plugin, after weights, and their sum. */
  readonly score?: number;
  readonly scores?: Readonly<Record<string, number>>;
  /** Of a node that does not: everything that stands in the way. */
  readonly refusals?: readonly Refusal[];
  /** Of a node that would take the pod if these reservations ended. */
  readonly reservations?: readonly ReservedRoom[];
}

/** A reservation that holds room which a pod would need. */
export interface ReservedRoom extends Required<ObjectRef> {
  readonly holder: string;
  readonly priority: number;
  /** RFC 3339. */
  readonly expiresAt: string;
}

/** What is kept of the decision on a placed pod. */
export interface RememberedDecision {
  /** RFC 3339. */
  readonly at: string;
  readonly nodeName: string;
  readonly score: number;
  /** Nodes that fitted, of those there were. */
  readonly fitting: number;
  readonly nodes: number;
}

export const verdictsMax = 1000;
const decisionsRememberedMax = 4096;

/** The last 4,096 decisions, by pod uid. */
export class DecisionMemory {
  readonly #byUid = new Map<string, RememberedDecision>();

  remember(uid: string, decision: RememberedDecision): void {
    this.#byUid.delete(uid);
    this.#byUid.set(uid, decision);
    if (this.#byUid.size <= decisionsRememberedMax) return;
    const [oldest] = this.#byUid.keys();
    if (oldest !== undefined) this.#byUid.delete(oldest);
  }

  get(uid: string): RememberedDecision | undefined {
    return this.#byUid.get(uid);
  }
}

/** Judges every node for one more pod of the evaluation's signature. `pin` is the only node the pod asks for. */
export function judgeNodes(
  table: NodeTable,
  evaluation: Evaluation,
  pin: string | undefined,
  book: ReservationBook,
): { nodes: readonly NodeVerdict[]; fitting: number; total: number; omitted: number; wouldFit: readonly string[] } {
  const verdicts: NodeVerdict[] = [];
  for (let row = 0; row < table.rowEnd; row++) {
    if (table.present[row] !== 1) continue;
    const node = table.nameOf(row);
    const refusals = [
      ...(pin === undefined || pin === node ? [] : [pinnedElsewhere]),
      ...evaluation.refusals(row, true),
    ];
    if (refusals.length > 0) {
      const held = pin === undefined || pin === node ? (book.inTheWay(row, Infinity, evaluation) ?? []) : [];
      const reservations = held.length === 0 ? {} : { reservations: held.map(reservedRoom) };
      verdicts.push({ node, fits: false, refusals, ...reservations });
    } else {
      const scores = evaluation.scoresOf(row);
      const score = Object.values(scores).reduce((sum, each) => sum + each, 0);
      verdicts.push({ node, fits: true, score, scores });
    }
  }
  verdicts.sort(
    (a, b) =>
      Number(b.fits) - Number(a.fits) ||
      (b.score ?? 0) - (a.score ?? 0) ||
      (a.refusals?.length ?? 0) - (b.refusals?.length ?? 0) ||
      (a.node < b.node ? -1 : 1),
  );
  return {
    nodes: verdicts.slice(0, verdictsMax),
    omitted: Math.max(0, verdicts.length - verdictsMax),
    total: verdicts.length,
    fitting: verdicts.filter(({ fits }) => fits).length,
    wouldFit: wouldFit(verdicts),
  };
}

export function preemptionVerdict(recourse: Recourse, table: NodeTable): PreemptionVerdict {
  if (recourse.do === 'wait') return { outcome: 'waits', nodeName: recourse.nodeName };
  if (recourse.do === 'nothing') return { outcome: recourse.why };
  const { row, victims, violations } = recourse.candidate;
  return {
    outcome: 'possible',
    nodeName: table.nameOf(row),
    victims: victims.map(({ namespace, name, priority }) => ({ namespace, name, priority })),
    budgetsViolated: violations,
  };
}

/** For people: a sentence to go after the summary. */
export function describePreemption(verdict: PreemptionVerdict): string {
  switch (verdict.outcome) {
    case 'waits':
      return ` It waits for others to leave ${verdict.nodeName}, to which it is nominated.`;
    case 'never':
      return ' Its preemptionPolicy is Never, so nobody leaves for it.';
    case 'disabled':
      return ' The profile of its scheduler does without preemption, so nobody leaves for it.';
    case 'helpless':
      return ' Preemption would not help: no node would take it even if all pods of lower priority left.';
    case 'possible': {
      const { victims, nodeName, budgetsViolated } = verdict;
      const names = victims.slice(0, victimsNamedMax).map(({ namespace, name }) => `${namespace}/${name}`);
      const more = victims.length > names.length ? ` and ${victims.length - names.length} more` : '';
      const cost = budgetsViolated === 0 ? '' : `, ${budgetsViolated} of them against a disruption budget`;
      if (victims.length === 0) return ` It would wait on ${nodeName} for those that are leaving already.`;
      return ` Preemption would have ${names.join(', ')}${more} leave ${nodeName}${cost}.`;
    }
    default:
      return unreachable(verdict);
  }
}

const victimsNamedMax = 5;

const pinnedElsewhere: Refusal = {
  plugin: 'NodeAffinity',
  reason: "node(s) didn't match Pod's node affinity/selector",
  curable: false,
};

/** Groups nodes that only one thing keeps from taking the pod. */
function wouldFit(verdicts: readonly NodeVerdict[]): readonly string[] {
  const groups = new Map<string, { nodes: number; amount: number; remedy: (amount: number) => string }>();
  for (const { refusals = [], reservations } of verdicts) {
    if (reservations !== undefined) {
      const nodes = 1 + (groups.get('reservations')?.nodes ?? 0);
      const names = nodes === 1 ? reservations.map(describeReservation).join(' and ') : 'reservations there';
      groups.set('reservations', { nodes, amount: 0, remedy: () => `${names} ended` });
      continue;
    }
    const [only] = refusals;
    if (only === undefined || refusals.length > 1) continue;
    const remedy = remedyOf(only);
    if (remedy === undefined) continue;
    const group = groups.get(remedy.key);
    if (group === undefined) groups.set(remedy.key, { nodes: 1, amount: remedy.amount, remedy: remedy.text });
    else {
      group.nodes++;
      group.amount = Math.min(group.amount, remedy.amount);
    }
  }
  return [...groups.values()]
    .toSorted((a, b) => b.nodes - a.nodes)
    .map(({ nodes, amount, remedy }) => `${nodes} ${nodes === 1 ? 'node' : 'nodes'} would if ${remedy(amount)}`);
}

function reservedRoom({ namespace, name, holder, priority, expiresAt }: Held): ReservedRoom {
  return { namespace, name, holder, priority, expiresAt: new Date(expiresAt).toISOString() };
}

const describeReservation = ({ namespace, name, holder, expiresAt }: ReservedRoom) =>
  `reservation ${namespace}/${name} of ${holder} (until ${expiresAt})`;

function remedyOf({
  plugin,
  short,
  taint,
  port,
  curable,
}: Refusal): { key: string; amount: number; text: (amount: number) => string } | undefined {
  if (short !== undefined) {
    const { resource } = short;
    if (resource === 'pods') return { key: 'pods', amount: 1, text: () => 'a pod there ended' };
    const [amount, verb] = curable
      ? [short.requested - short.free, 'were freed']
      : [short.requested - short.capacity, 'were added to its capacity'];
    const key = `${resource}/${verb}`;
    return { key, amount, text: (least) => `${describeAmount(resource, least)} of ${resource} ${verb}` };
  }
  if (taint !== undefined) {
    const text = `the pod tolerated the taint ${taint.key}${taint.value === '' ? '' : `=${taint.value}`}:${taint.effect}`;
    return { key: text, amount: 0, text: () => text };
  }
  if (port !== undefined) {
    const text = `host port ${port.port}/${port.protocol} were free`;
    return { key: text, amount: 0, text: () => text };
  }
  if (plugin === 'NodeUnschedulable') return { key: plugin, amount: 0, text: () => 'it were uncordoned' };
  return undefined;
}

export function refOfPod(pod: Pod): Required<ObjectRef> {
  return { namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' };
}
