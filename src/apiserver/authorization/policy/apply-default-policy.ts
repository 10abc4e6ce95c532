import { ClusterRole } from '#api/rbac/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac/cluster-role-binding.ts';
import { Role } from '#api/rbac/role.ts';
import { RoleBinding } from '#api/rbac/role-binding.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Write } from '#store/store.ts';
import { stampNew } from '../../registry/object-meta.ts';
import type { Registry } from '../../registry/registry.ts';
import { fromStore, isConflict } from '../../registry/store-errors.ts';
import { defaultPolicy } from './default-policy.ts';
import { isProtected, mendedBinding, mendedRole } from './reconcile.ts';

export interface ApplyOptions {
  readonly now: number;
  readonly newUid: () => string;
  readonly signal: AbortSignal;
}

/** Writes of one commit: below what etcd takes in one transaction. */
const writesMax = 100;
/** Another server may do the same at the same moment. */
const attemptsMax = 5;
const freshMsMax = 5_000;

/**
 * Creates the roles and bindings that every cluster has, and mends those that lack something, in a commit or two. What
 * is marked `autoupdate: "false"` is left alone. Safe to call at each start; costs a read if nothing is to be done.
 */
export async function applyDefaultPolicy(registry: Registry, options: ApplyOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const writes = await plan(registry, options);
      for (let start = 0; start < writes.length; start += writesMax) {
        await fromStore(registry.store.commit(writes.slice(start, start + writesMax), { signal: options.signal }));
      }
      return;
    } catch (error) {
      if (!isConflict(error) || attempt === attemptsMax) throw error;
      await registry.feed.fresh({ signal: options.signal, withinMs: freshMsMax });
    }
  }
}

async function plan(registry: Registry, options: ApplyOptions): Promise<readonly Write[]> {
  const policy = defaultPolicy();
  const plans = await Promise.all([
    planKind(registry, ClusterRole, policy.clusterRoles, mendedRole, options),
    planKind(registry, ClusterRoleBinding, policy.clusterRoleBindings, mendedBinding, options),
    planKind(registry, Role, policy.roles, mendedRole, options),
    planKind(registry, RoleBinding, policy.roleBindings, mendedBinding, options),
  ]);
  return plans.flat();
}

async function planKind<T extends ApiObject>(
  registry: Registry,
  kind: Kind<T>,
  wanted: readonly T[],
  mend: (stored: T, wanted: T) => T | undefined,
  { now, newUid, signal }: ApplyOptions,
): Promise<readonly Write[]> {
  const { cache, layout } = registry.of(kind);
  await cache.load(signal);
  return wanted.flatMap((object): readonly Write[] => {
    const { name = '', namespace } = object.metadata ?? {};
    const ref = namespace === undefined ? { name } : { namespace, name };
    const fresh = () => layout.encode(stampNew(kind, object, ref, { now, uid: newUid() }));
    const stored = cache.get(ref);
    if (stored === undefined) return [{ do: 'put', key: layout.key(ref), value: fresh(), expect: 'absent' }];
    if (isProtected(stored.object)) return [];
    const mended = mend(stored.object, object);
    if (mended === stored.object) return [];
    const value = mended === undefined ? fresh() : layout.encode(mended);
    return [{ do: 'put', key: stored.key, value, expect: stored.revision }];
  });
}
