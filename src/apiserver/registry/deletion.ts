import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { timestamp } from './object-meta.ts';

export type PropagationPolicy = 'Orphan' | 'Background' | 'Foreground';

export interface DeletionWish {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: PropagationPolicy | undefined;
}

/** `keep`: the object stays for now, as `object` (`changed` if that differs from what is stored). */
export type DeletionPlan<T> =
  | { readonly do: 'remove' }
  | { readonly do: 'keep'; readonly object: T; readonly changed: boolean };

const orphanFinalizer = 'orphan';
const foregroundFinalizer = 'foregroundDeletion';

interface Open {
  readonly spec?: { readonly finalizers?: readonly string[]; readonly nodeName?: string };
  readonly status?: { readonly phase?: string };
}

const is = (kind: Kind, group: string, plural: string) => kind.group === group && kind.plural === plural;

/** What still holds an object back: its finalizers, and those of a namespace's contents. */
export function finalizersOf(kind: Kind, object: ApiObject): readonly string[] {
  const own = object.metadata?.finalizers ?? [];
  return is(kind, '', 'namespaces') ? [...own, ...((object as Open).spec?.finalizers ?? [])] : own;
}

/** True once nothing holds a deleted object back, so that an update is its end. */
export function isFinished(kind: Kind, object: ApiObject): boolean {
  return (
    object.metadata?.deletionTimestamp !== undefined &&
    (object.metadata.deletionGracePeriodSeconds ?? 0) === 0 &&
    finalizersOf(kind, object).length === 0
  );
}

/**
 * Decides what a deletion does to `object`. Grace only shortens once it runs; pods that no node runs get none.
 * Source: k8s.io/apiserver/pkg/registry/rest/delete.go and generic/registry/store.go.
 */
export function planDeletion<T extends ApiObject>(
  kind: Kind<T>,
  stored: T,
  wish: DeletionWish,
  now: number,
): DeletionPlan<T> {
  const isFirst = stored.metadata?.deletionTimestamp === undefined;
  const object = (isFirst ? kind.prepareForDelete?.(stored, timestamp(now)) : undefined) ?? stored;
  const finalizers = finalizersFor(kind, object, wish.propagationPolicy);
  const metadata = object.metadata ?? {};
  const grace = graceFor(kind, object, wish.gracePeriodSeconds);
  const held = grace > 0 || finalizersOf(kind, { ...object, metadata: { ...metadata, finalizers } }).length > 0;
  if (!held) return { do: 'remove' };

  const { deletionTimestamp: before, deletionGracePeriodSeconds: graceBefore } = metadata;
  const sameFinalizers = String(finalizers) === String(metadata.finalizers ?? []);
  if (before !== undefined && grace === (graceBefore ?? 0) && sameFinalizers) {
    return { do: 'keep', object, changed: false };
  }
  const started = before === undefined ? now : Date.parse(before) - (graceBefore ?? 0) * 1000;
  const { finalizers: _f, ...rest } = metadata;
  const kept: T = {
    ...object,
    metadata: {
      ...rest,
      ...(finalizers.length === 0 ? {} : { finalizers }),
      ...(metadata.generation === undefined || before !== undefined ? {} : { generation: metadata.generation + 1 }),
      deletionTimestamp: timestamp(started + grace * 1000),
      deletionGracePeriodSeconds: grace,
    },
  };
  return { do: 'keep', object: is(kind, '', 'namespaces') ? terminating(kept) : kept, changed: true };
}

function terminating<T extends ApiObject>(namespace: T): T {
  return { ...namespace, status: { ...(namespace as Open).status, phase: 'Terminating' } };
}

/** Seconds of grace from the start of the deletion. */
function graceFor<T extends ApiObject>(kind: Kind<T>, object: T, wanted: number | undefined): number {
  if (kind.deletionGracePeriodSeconds === undefined) return 0;
  const running = object.metadata?.deletionGracePeriodSeconds;
  if (object.metadata?.deletionTimestamp !== undefined) {
    // Negative wishes mean "as short as possible": one second.
    const left = running ?? 0;
    return wanted === undefined ? left : Math.min(left, wanted < 0 ? 1 : wanted);
  }
  if (is(kind, '', 'pods') && !isOnNode(object)) return 0;
  const seconds = wanted ?? kind.deletionGracePeriodSeconds(object);
  return seconds < 0 ? 1 : seconds;
}

function isOnNode(pod: ApiObject): boolean {
  const { spec, status } = pod as Open;
  if ((spec?.nodeName ?? '') === '') return false;
  return status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
}

/** Kinds whose dependents are left behind unless the caller says otherwise, for old clients' sake. */
const orphansByDefault = (kind: Kind) => is(kind, '', 'replicationcontrollers') || is(kind, 'batch', 'jobs');

function finalizersFor(kind: Kind, object: ApiObject, policy: PropagationPolicy | undefined): readonly string[] {
  const present = object.metadata?.finalizers ?? [];
  const chosen = policy ?? (hasPolicy(present) ? undefined : orphansByDefault(kind) ? 'Orphan' : undefined);
  if (chosen === undefined) return present;
  const others = present.filter((name) => name !== orphanFinalizer && name !== foregroundFinalizer);
  switch (chosen) {
    case 'Orphan':
      return [...others, orphanFinalizer];
    case 'Foreground':
      return [...others, foregroundFinalizer];
    case 'Background':
      return others.length === present.length ? present : others;
  }
}

const hasPolicy = (finalizers: readonly string[]) =>
  finalizers.includes(orphanFinalizer) || finalizers.includes(foregroundFinalizer);
