/**
 * What applying manifests would do: to the objects, as the server itself says (server-side apply, dry run), and to the
 * pods, as a twin of the cluster shows. Nothing is changed.
 */
import { Namespace } from '#api/core/namespace.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import type { Client } from '#client/client.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import { keyOf, type ApiObject, type ObjectRef } from '#machinery/object.ts';
import { hasReason, StatusError } from '#machinery/status-error.ts';
import type { ProfileConfig } from '#scheduler/profile.ts';
import type { TestCluster } from '../test-cluster.ts';
import { kindsOf } from './kinds-of.ts';
import { objectDiff, type FieldChange } from './object-diff.ts';
import { comparePlacements, movesPods, type PlacementChange } from './placements.ts';
import { snapshotKinds, takeSnapshot } from './snapshot.ts';
import { settle, startTwin } from './twin.ts';

export interface ApplyOptions {
  readonly fieldManager: string;
  /** Takes fields over that others own. */
  readonly force: boolean;
  /** Where objects without a namespace go. */
  readonly namespace: string;
}

/** The state that a plan was made for; absent for what was not there. */
export interface Expected {
  readonly uid: string;
  readonly resourceVersion: string;
}

export interface ObjectPlan {
  /** As given, in its namespace. */
  readonly manifest: ApiObject;
  /** `Deployment default/web` */
  readonly object: string;
  readonly action: 'create' | 'change' | 'none';
  readonly expected?: Expected;
  /** Of what is there; empty for what is new. Values of Secrets are left out. */
  readonly changes: readonly FieldChange[];
  /** Why the server refuses it. */
  readonly refusal?: string;
}

export interface Plan {
  readonly objects: readonly ObjectPlan[];
  /** Absent if the server refuses an object. */
  readonly placements?: PlacementChange;
}

interface Target {
  readonly kind: Kind;
  readonly ref: ObjectRef;
  readonly manifest: ApiObject;
}

/** Virtual time for a new namespace to be furnished. */
const accountMs = 2_000;

/** Pods go where `profiles` say, or the usual one. Throws BadRequest for a kind that nobody knows. */
export async function planManifests(
  client: Client,
  manifests: readonly ApiObject[],
  options: ApplyOptions,
  signal: AbortSignal,
  profiles?: readonly ProfileConfig[],
): Promise<Plan> {
  const targets = await targetsOf(client, manifests, options, signal);
  const created = new Set(
    targets.filter(({ kind }) => kind === (Namespace as Kind)).map(({ ref }) => ref.name), // which may not be there yet
  );
  const objects: ObjectPlan[] = [];
  const rehearsed: (Target & { readonly result?: ApiObject })[] = [];
  for (const target of targets) {
    const { plan, result } = await planObject(client, target, options, created, signal);
    objects.push(plan);
    if (plan.action !== 'none') rehearsed.push({ ...target, ...(result === undefined ? {} : { result }) });
  }
  if (objects.some(({ refusal }) => refusal !== undefined)) return { objects };
  const moves = rehearsed.filter(({ kind }) => snapshotKinds.includes(kind));
  if (moves.length === 0) return { objects, placements: { workloads: [], unplaced: [], placed: [] } };
  const snapshot = await takeSnapshot(client, signal);
  await using twin = await startTwin(snapshot, { signal, ...(profiles === undefined ? {} : { profiles }) });
  for (const each of moves) {
    await enact(twin, each);
    // Pods in a new namespace need its service account.
    if (each.kind === (Namespace as Kind)) await twin.advance(accountMs);
  }
  await settle(twin);
  const { items } = await twin.client.list(Pod, { signal });
  return { objects, placements: comparePlacements(snapshot.pods, items, (pod) => twin.why(pod)) };
}

/** True if applying it would do anything, to objects or to pods. */
export const changesAnything = ({ objects, placements }: Plan): boolean =>
  objects.some(({ action }) => action !== 'none') || (placements !== undefined && movesPods(placements));

/** The objects with their kinds, namespaces first, for what lies in them can only come after. */
export async function targetsOf(
  client: Client,
  manifests: readonly ApiObject[],
  { namespace }: Pick<ApplyOptions, 'namespace'>,
  signal: AbortSignal,
): Promise<readonly Target[]> {
  const kindOf = await kindsOf(client, manifests, signal);
  const targets = manifests.map((manifest) => {
    const kind = kindOf(manifest);
    const { name = '', namespace: own } = manifest.metadata ?? {};
    if (!kind.namespaced) return { kind, ref: { name }, manifest };
    const ref = { namespace: own ?? namespace, name };
    return { kind, ref, manifest: { ...manifest, metadata: { ...manifest.metadata, ...ref } } };
  });
  const isNamespace = ({ kind }: Target) => kind === (Namespace as Kind);
  return [...targets.filter(isNamespace), ...targets.filter((target) => !isNamespace(target))];
}

/** One server-side apply. With `expected`, it is refused if the object is another than that by now. */
export function applyObject(
  client: Client,
  { kind, ref, manifest }: Target,
  { fieldManager, force }: ApplyOptions,
  call: { readonly signal: AbortSignal; readonly dryRun?: boolean; readonly expected?: Expected | undefined },
): Promise<ApiObject> {
  const { expected, ...rest } = call;
  const { resourceVersion: _, ...metadata } = manifest.metadata ?? {};
  const patch = { ...manifest, apiVersion: apiVersionOf(kind), metadata: { ...metadata, ...expected } };
  return client.patch(kind, ref, { type: 'apply', patch, force }, { ...rest, fieldManager });
}

async function planObject(
  client: Client,
  target: Target,
  options: ApplyOptions,
  created: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<{ readonly plan: ObjectPlan; readonly result?: ApiObject }> {
  const { kind, ref, manifest } = target;
  const object = `${kind.kind} ${keyOf(ref)}`;
  const before = await stored(client, target, signal);
  const { uid = '', resourceVersion = '' } = before?.metadata ?? {};
  const plan = { manifest, object, ...(before === undefined ? {} : { expected: { uid, resourceVersion } }) };
  try {
    const result = await applyObject(client, target, options, { signal, dryRun: true });
    if (before === undefined) return { plan: { ...plan, action: 'create', changes: [] }, result };
    const changes = objectDiff(before, result);
    const action = changes.length === 0 ? 'none' : 'change';
    return { plan: { ...plan, action, changes: kind === (Secret as Kind) ? veiled(changes) : changes }, result };
  } catch (error) {
    // Its namespace comes with it, so the server cannot look at it yet; the twin does.
    if (hasReason(error, 'NotFound') && created.has(ref.namespace ?? '')) {
      return { plan: { ...plan, action: 'create', changes: [] } };
    }
    if (!(error instanceof StatusError)) throw error;
    return {
      plan: {
        ...plan,
        action: before === undefined ? 'create' : 'change',
        changes: [],
        refusal: error.message,
      },
    };
  }
}

async function stored(client: Client, { kind, ref }: Target, signal: AbortSignal): Promise<ApiObject | undefined> {
  try {
    return await client.get(kind, ref, { signal });
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

const veiled = (changes: readonly FieldChange[]): readonly FieldChange[] =>
  changes.map((change) => (/^(data|stringData)\b/.test(change.field) ? { field: change.field } : change));

/**
 * Does in the twin what applying would do here. What is new is created as given; what is there becomes what the dry
 * run said, for a twin does not know who owns which field.
 */
async function enact(
  { client, signal }: TestCluster,
  { kind, ref, manifest, result }: Target & { readonly result?: ApiObject },
): Promise<void> {
  const twin = await stored(client, { kind, ref, manifest }, signal);
  if (twin === undefined) {
    const { resourceVersion: _, uid: _uid, ...metadata } = manifest.metadata ?? {};
    await client.create(kind, { ...manifest, metadata }, { signal });
    return;
  }
  const { managedFields: _, ...metadata } = (result ?? manifest).metadata ?? {};
  const { uid = '', resourceVersion = '' } = twin.metadata ?? {};
  await client.update(kind, { ...(result ?? manifest), metadata: { ...metadata, uid, resourceVersion } }, { signal });
}
