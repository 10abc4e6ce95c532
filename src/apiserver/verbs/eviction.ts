import type { Eviction } from '#api/policy/eviction.ts';
import { PodDisruptionBudget } from '#api/policy/pod-disruption-budget.ts';
import { Pod } from '#api/core/pod.ts';
import { notSupported } from '#machinery/field-error.ts';
import { selectorOf } from '#machinery/labels.ts';
import { forbiddenRequest, internalError, invalidObject, tooManyRequests } from '#machinery/status-error.ts';
import type { PropagationPolicy } from '../registry/deletion.ts';
import { timestamp } from '../registry/object-meta.ts';
import { selectionOf } from '../registry/selection.ts';
import { deleteObject, type DeletionOptions } from './delete.ts';
import { retrying, type Pipeline, type WriteCall } from './pipeline.ts';

/** Pods that a budget may count as on their way out before it refuses more. Source: eviction.go (MaxDisruptedPodSize). */
const disruptedPodsMax = 2_000;
/** How soon the budget's controller should have caught up. */
const catchUpSeconds = 10;
/**
 * A budget that allows no more names no time to come again: clients would wait for it by themselves, ten times and in
 * silence, instead of telling their user what kubectl drain is stuck at.
 */
const noTime = 0;

interface PodRef {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Deletes a pod if the disruption budgets over it allow. Throws TooManyRequests with cause `DisruptionBudget`.
 * Source: kubernetes pkg/registry/core/pod/storage/eviction.go.
 */
export async function evictPod(
  pipeline: Pipeline,
  call: WriteCall<Pod>,
  ref: PodRef,
  options: DeletionOptions,
): Promise<void> {
  const { signal } = call.context;
  const { object: pod } = await pipeline.registry.of(Pod).get(ref, { want: 'newest' }, signal);
  if (!leavesByItself(pod)) {
    const budgets = await budgetsOver(pipeline, pod, signal);
    if (budgets.length > 1) {
      throw internalError(
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      );
    }
    const [budget] = budgets;
    if (budget !== undefined && !mayGoUnhealthy(pod, budget)) {
      await takeDisruption(pipeline, call, { namespace: ref.namespace, name: budget.metadata?.name ?? '' }, ref.name);
    }
    if (!call.dryRun) await markDisrupted(pipeline, call, ref);
  }
  const { uid } = pod.metadata ?? {};
  await deleteObject(pipeline, call, ref, {
    ...options,
    preconditions: { ...(uid === undefined ? {} : { uid }), ...options.preconditions },
  });
}

/** Reads the deletion an Eviction asks for; it may ask for a dry run too. Throws Invalid. */
export function deletionOf({ deleteOptions = {} }: Eviction): DeletionOptions & { readonly dryRun: boolean } {
  const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun = [] } = deleteOptions;
  const errors = [
    ...dryRun.filter((value) => value !== 'All').map((value) => notSupported('dryRun', value, ['All'])),
    ...(propagationPolicy === undefined || isPolicy(propagationPolicy)
      ? []
      : [notSupported('propagationPolicy', propagationPolicy, propagationPolicies)]),
  ];
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
  return {
    gracePeriodSeconds,
    propagationPolicy: propagationPolicy !== undefined && isPolicy(propagationPolicy) ? propagationPolicy : undefined,
    preconditions,
    dryRun: dryRun.length > 0,
  };
}

const propagationPolicies = ['Orphan', 'Background', 'Foreground'] as const;
const isPolicy = (text: string): text is PropagationPolicy => (propagationPolicies as readonly string[]).includes(text);

/** Pods that serve nobody, or go anyway, count for no budget. */
function leavesByItself({ metadata, status }: Pod): boolean {
  const phase = status?.phase;
  return (
    metadata?.deletionTimestamp !== undefined || phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending'
  );
}

async function budgetsOver(
  { registry }: Pipeline,
  pod: Pod,
  signal: AbortSignal,
): Promise<readonly PodDisruptionBudget[]> {
  const { items } = await registry.of(PodDisruptionBudget).list({
    namespace: pod.metadata?.namespace,
    selection: selectionOf(PodDisruptionBudget, {}),
    freshness: { want: 'newest' },
    limit: 0,
    continue: undefined,
    signal,
  });
  return items
    .map(({ object }) => object)
    .filter(({ spec }) => selectorOf(spec?.selector).matches(pod.metadata?.labels));
}

/** A pod that is not ready may go although the budget is exhausted, as `unhealthyPodEvictionPolicy` says. */
function mayGoUnhealthy({ status: podStatus }: Pod, { spec, status }: PodDisruptionBudget): boolean {
  const ready = podStatus?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') === true;
  if (ready) return false;
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

async function takeDisruption(pipeline: Pipeline, call: WriteCall<Pod>, ref: PodRef, pod: string): Promise<void> {
  const budgets = { ...call, kind: PodDisruptionBudget };
  await retrying(pipeline, budgets, ref, async (stored) => {
    const budget = stored.object;
    const { status, metadata } = budget;
    const refuse = (message: string, retryAfterSeconds: number) =>
      tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", retryAfterSeconds, [
        { reason: 'DisruptionBudget', message },
      ]);
    if (status === undefined || (status.observedGeneration ?? 0) < (metadata?.generation ?? 0)) {
      throw refuse(`The disruption budget ${ref.name} is still being processed by the server.`, catchUpSeconds);
    }
    if (status.disruptionsAllowed < 0)
      throw forbiddenRequest(PodDisruptionBudget, ref.name, 'pdb disruptions allowed is negative');
    if (Object.keys(status.disruptedPods ?? {}).length > disruptedPodsMax) {
      throw forbiddenRequest(
        PodDisruptionBudget,
        ref.name,
        'DisruptedPods map too big - too many evictions not confirmed by PDB controller',
      );
    }
    if (status.disruptionsAllowed === 0) {
      throw refuse(
        `The disruption budget ${ref.name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`,
        noTime,
      );
    }
    if (call.dryRun) return;
    const next: PodDisruptionBudget = {
      ...budget,
      status: {
        ...status,
        disruptionsAllowed: status.disruptionsAllowed - 1,
        disruptedPods: { ...status.disruptedPods, [pod]: timestamp(pipeline.clock.now()) },
      },
    };
    await pipeline.registry.of(PodDisruptionBudget).replace(stored, next, call.context.signal);
  });
}

async function markDisrupted(pipeline: Pipeline, call: WriteCall<Pod>, ref: PodRef): Promise<void> {
  await retrying(pipeline, call, ref, async (stored) => {
    const pod = stored.object;
    const next: Pod = {
      ...pod,
      status: {
        ...pod.status,
        conditions: [
          ...(pod.status?.conditions ?? []).filter(({ type }) => type !== 'DisruptionTarget'),
          {
            type: 'DisruptionTarget',
            status: 'True',
            reason: 'EvictionByEvictionAPI',
            message: 'Eviction API: evicting',
            lastTransitionTime: timestamp(pipeline.clock.now()),
          },
        ],
      },
    };
    await pipeline.registry.of(Pod).replace(stored, next, call.context.signal);
  });
}
