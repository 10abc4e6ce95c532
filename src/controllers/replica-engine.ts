import { isDeepStrictEqual } from 'node:util';
import { Pod } from '#api/core/pod.ts';
import type { PodTemplateSpec } from '#api/core/types.generated.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import type { WorkResult } from '#lib/work-queue.ts';
import type { Kind } from '#machinery/kind.ts';
import type { Selector } from '#machinery/labels.ts';
import type { ApiObject } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import { claim, refOfObject } from './claims.ts';
import { withCondition, withoutCondition } from './conditions.ts';
import type { ReconcileContext } from './controller.ts';
import { controllerReference } from './owner-reference.ts';
import { timestamp } from './pod-state.ts';
import {
  countReplicas,
  nextAvailableMs,
  planReplicas,
  type ReplicaCounts,
  type ReplicaDemand,
  type ReplicaPlan,
} from './replica-plan.ts';
import { slowStart } from './slow-start.ts';

interface ReplicaCondition {
  readonly lastTransitionTime?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly status: string;
  readonly type: string;
}

interface ReplicaStatus extends ReplicaCounts {
  readonly conditions?: readonly ReplicaCondition[];
  readonly observedGeneration?: number;
}

/** How ReplicaSets and ReplicationControllers differ, for the one engine that drives both. */
export interface ReplicaDriver<T extends ApiObject & { readonly status?: ReplicaStatus }> {
  readonly kind: Kind<T>;
  demandOf(owner: T): ReplicaDemand;
  selectorOf(owner: T): Selector;
  templateOf(owner: T): PodTemplateSpec | undefined;
  /** Active pods of the same workload, its own included. */
  relatedOf(owner: T, pods: readonly Pod[], context: ReconcileContext): readonly Pod[];
  /** Counts that only this kind's status has. */
  moreCounts(pods: readonly Pod[]): Partial<NonNullable<T['status']>>;
}

const deletionsAtOnceMax = 32;

/** One pass: claims pods, creates or deletes what the plan says, and writes the status that results. */
export async function reconcileReplicas<T extends ApiObject & { readonly status?: ReplicaStatus }>(
  driver: ReplicaDriver<T>,
  owner: T,
  context: ReconcileContext,
): Promise<WorkResult> {
  const { clock } = context;
  const claimed = await claim(context, Pod, { owner, ownerKind: driver.kind, selector: driver.selectorOf(owner) });
  const demand = driver.demandOf(owner);
  const plan = planReplicas(demand, claimed, driver.relatedOf(owner, claimed, context), clock.now());
  const failure = await apply(driver, owner, plan, context);
  await writeStatus(driver, owner, { demand, pods: claimed, plan, failure }, context);
  if (failure !== undefined) throw failure;
  const againMs = nextAvailableMs(demand, claimed, clock.now());
  return againMs === undefined ? undefined : { againMs };
}

/** Carries out a plan; returns the first failure. */
async function apply<T extends ApiObject & { readonly status?: ReplicaStatus }>(
  driver: ReplicaDriver<T>,
  owner: T,
  plan: ReplicaPlan,
  { client, signal, events }: ReconcileContext,
): Promise<unknown> {
  const template = driver.templateOf(owner);
  if (plan.create > 0 && template !== undefined) {
    const pod = podFrom(template, driver.kind, owner);
    const { failure } = await slowStart(plan.create, async () => {
      const { metadata } = await client.create(Pod, pod, { signal });
      events.record(owner, {
        type: 'Normal',
        reason: 'SuccessfulCreate',
        message: `Created pod: ${metadata?.name ?? ''}`,
      });
    });
    // A namespace on its way out takes no more pods, and that is as it should be.
    if (failure === undefined || isNamespaceTerminating(failure)) return undefined;
    events.record(owner, { type: 'Warning', reason: 'FailedCreate', message: `Error creating: ${textOf(failure)}` });
    return failure;
  }
  try {
    await forEachLimit(plan.remove, deletionsAtOnceMax, async (pod) => {
      const { uid, name = '' } = pod.metadata ?? {};
      try {
        const preconditions = uid === undefined ? {} : { uid };
        await client.delete(Pod, refOfObject(pod), { signal, preconditions });
        events.record(owner, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
      } catch (error) {
        if (!hasReason(error, 'NotFound', 'Conflict')) throw error; // gone, or another pod of that name by now
      }
    });
    return undefined;
  } catch (error) {
    events.record(owner, { type: 'Warning', reason: 'FailedDelete', message: `Error deleting: ${textOf(error)}` });
    return error;
  }
}

async function writeStatus<T extends ApiObject & { readonly status?: ReplicaStatus }>(
  driver: ReplicaDriver<T>,
  owner: T,
  now: { demand: ReplicaDemand; pods: readonly Pod[]; plan: ReplicaPlan; failure: unknown },
  { client, clock, signal }: ReconcileContext,
): Promise<void> {
  let conditions: readonly ReplicaCondition[] = owner.status?.conditions ?? [];
  if (now.failure === undefined) conditions = withoutCondition(conditions, 'ReplicaFailure');
  else if (!conditions.some(({ type }) => type === 'ReplicaFailure')) {
    conditions = withCondition(conditions, {
      type: 'ReplicaFailure',
      status: 'True',
      reason: now.plan.create > 0 ? 'FailedCreate' : 'FailedDelete',
      message: textOf(now.failure),
      lastTransitionTime: timestamp(clock.now()),
    });
  }
  const generation = owner.metadata?.generation;
  const status: ReplicaStatus = {
    ...countReplicas(now.demand, now.pods, clock.now()),
    ...driver.moreCounts(now.pods),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
  if (isDeepStrictEqual(status, owner.status)) return;
  await client.update(driver.kind, { ...owner, status }, { signal, subresource: 'status' });
}

/** The pod a template describes, controlled by `owner`. The server makes its name. */
export function podFrom(template: PodTemplateSpec, kind: Kind, owner: ApiObject): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const { name = '', namespace } = owner.metadata ?? {};
  return {
    metadata: {
      generateName: `${name}-`,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [controllerReference(kind, owner)],
    },
    spec: template.spec,
  };
}

/** Upstream's admission marks this refusal with a cause of its own. */
export function isNamespaceTerminating(error: unknown): boolean {
  return (
    hasReason(error, 'Forbidden') &&
    (error.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating')
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
