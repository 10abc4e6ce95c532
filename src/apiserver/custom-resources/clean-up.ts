import { cleanupFinalizer, isTrue, withDefinitionCondition } from '#api/apiextensions/definition-conditions.ts';
import type { CustomResourceDefinition } from '#api/apiextensions/custom-resource-definition.ts';
import type { Kind } from '#machinery/kind.ts';
import type { Resource } from '../registry/resource.ts';

/** Deletes every object of a kind as far as it can; resolves to how many are left. */
export type DeleteAll = (kind: Kind, signal: AbortSignal) => Promise<number>;

interface Hands {
  readonly resource: Resource<CustomResourceDefinition>;
  readonly deleteAll: DeleteAll;
  /** RFC 3339. */
  readonly now: () => string;
  readonly signal: AbortSignal;
}

/**
 * Takes a definition that is being deleted one step further: its objects go first, and once none is left so does the
 * finalizer. False while objects are held back. Throws the store's Conflict.
 * Source: apiextensions-apiserver pkg/controller/finalizer (crd_finalizer.go).
 */
export async function cleanUp(
  crd: CustomResourceDefinition,
  kind: Kind | undefined,
  { resource, deleteAll, now, signal }: Hands,
): Promise<boolean> {
  if (kind === undefined || !isTrue(crd, 'Established')) {
    await finish(crd, 'NeverEstablished', 'resource was never established', { resource, now, signal });
    return true;
  }
  const told = await tell(crd, 'True', ['InstanceDeletionInProgress', 'CustomResource deletion is in progress'], {
    resource,
    now,
    signal,
  });
  let left: number;
  try {
    left = await deleteAll(kind, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const message = `could not issue all deletes: ${why}`;
    await tell(told, 'True', ['InstanceDeletionFailed', message], { resource, now, signal });
    return false;
  }
  if (left > 0) return false;
  await finish(told, 'InstanceDeletionCompleted', 'removed all instances', { resource, now, signal });
  return true;
}

type Tellers = Pick<Hands, 'resource' | 'now' | 'signal'>;

function withTerminating(
  crd: CustomResourceDefinition,
  status: 'True' | 'False',
  [reason, message]: readonly [string, string],
  now: string,
): CustomResourceDefinition {
  const conditions = crd.status?.conditions ?? [];
  const next = withDefinitionCondition(conditions, { type: 'Terminating', status, reason, message }, now);
  return next === conditions ? crd : { ...crd, status: { ...crd.status, conditions: next } };
}

async function tell(
  crd: CustomResourceDefinition,
  status: 'True' | 'False',
  why: readonly [string, string],
  { resource, now, signal }: Tellers,
): Promise<CustomResourceDefinition> {
  const next = withTerminating(crd, status, why, now());
  if (next === crd) return crd;
  return (await resource.replace(await storedOf(crd, resource, signal), next, signal)).object;
}

/** Lets go of the definition: without another finalizer it is gone. */
async function finish(
  crd: CustomResourceDefinition,
  reason: string,
  message: string,
  { resource, now, signal }: Tellers,
): Promise<void> {
  const stored = await storedOf(crd, resource, signal);
  const finalizers = crd.metadata?.finalizers?.filter((each) => each !== cleanupFinalizer) ?? [];
  if (finalizers.length === 0) {
    await resource.remove(stored, signal);
    return;
  }
  const next = withTerminating(crd, 'False', [reason, message], now());
  await resource.replace(stored, { ...next, metadata: { ...next.metadata, finalizers } }, signal);
}

/** The stored object `crd` was read from; whatever is newer makes the write that follows fail. */
async function storedOf(crd: CustomResourceDefinition, resource: Hands['resource'], signal: AbortSignal) {
  const stored = await resource.get({ name: crd.metadata?.name ?? '' }, { want: 'newest' }, signal);
  return stored.resourceVersion === crd.metadata?.resourceVersion ? stored : Promise.reject(changedMeanwhile());
}

const changedMeanwhile = () => new Error('it has changed meanwhile');
