import type { NamespaceCondition, NamespaceStatus } from '#api/core/types.generated.ts';
import type { Namespace } from '#api/core/namespace.ts';
import type { Kind } from '#machinery/kind.ts';
import { withCondition } from './conditions.ts';
import { timestamp } from './pod-state.ts';

/** What is left of one kind in a namespace that goes away. */
export interface Remaining {
  readonly kind: Pick<Kind, 'group' | 'plural'>;
  readonly count: number;
  /** How many of them each finalizer still holds. */
  readonly finalizers: ReadonlyMap<string, number>;
}

/** The status of a namespace that is being emptied, with upstream's conditions, reasons and words. */
export function terminatingStatus(
  namespace: Namespace,
  remaining: readonly Remaining[],
  failures: { readonly discovery: readonly string[]; readonly deletion: readonly string[] },
  now: number,
): NamespaceStatus {
  const left = remaining.filter(({ count }) => count > 0);
  const held = new Map<string, number>();
  for (const { finalizers } of left) {
    for (const [finalizer, count] of finalizers) held.set(finalizer, (held.get(finalizer) ?? 0) + count);
  }
  const list = (texts: readonly string[]) => texts.toSorted().join(', ');
  const facts: readonly (readonly [type: string, isTrue: boolean, reason: string, message: string])[] = [
    failures.discovery.length > 0
      ? [
          'NamespaceDeletionDiscoveryFailure',
          true,
          'DiscoveryFailed',
          `Discovery failed for some groups, ${failures.discovery.length} failing: ${list(failures.discovery)}`,
        ]
      : ['NamespaceDeletionDiscoveryFailure', false, 'ResourcesDiscovered', 'All resources successfully discovered'],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ],
    failures.deletion.length > 0
      ? [
          'NamespaceDeletionContentFailure',
          true,
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${failures.deletion.length} remaining: ${list(failures.deletion)}`,
        ]
      : [
          'NamespaceDeletionContentFailure',
          false,
          'ContentDeleted',
          'All content successfully deleted, may be waiting on finalization',
        ],
    left.length > 0
      ? [
          'NamespaceContentRemaining',
          true,
          'SomeResourcesRemain',
          `Some resources are remaining: ${list(left.map(({ kind, count }) => `${kind.plural}.${kind.group} has ${count} resource instances`))}`,
        ]
      : ['NamespaceContentRemaining', false, 'ContentRemoved', 'All content successfully removed'],
    held.size > 0
      ? [
          'NamespaceFinalizersRemaining',
          true,
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${list([...held].map(([finalizer, count]) => `${finalizer} in ${count} resource instances`))}`,
        ]
      : ['NamespaceFinalizersRemaining', false, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
  ];
  let conditions: readonly NamespaceCondition[] = namespace.status?.conditions ?? [];
  for (const [type, isTrue, reason, message] of facts) {
    const status = isTrue ? 'True' : 'False';
    const current = conditions.find((each) => each.type === type);
    if (current?.status === status && current.reason === reason && current.message !== message) {
      conditions = conditions.map((each) => (each === current ? { ...each, message } : each));
    } else {
      conditions = withCondition(conditions, { type, status, reason, message, lastTransitionTime: timestamp(now) });
    }
  }
  return { ...namespace.status, phase: 'Terminating', conditions };
}
