import { ClusterRole } from '#api/rbac/cluster-role.ts';
import { ClusterRoleBinding } from '#api/rbac/cluster-role-binding.ts';
import { Role } from '#api/rbac/role.ts';
import { RoleBinding } from '#api/rbac/role-binding.ts';
import type { PolicyRule, RoleRef, Subject } from '#api/rbac/types.generated.ts';
import type { UserInfo } from '#client/client.ts';
import type { Registry } from '../../registry/registry.ts';
import { CacheFollower } from '../../watch-cache/cache-follower.ts';

type Binding = ClusterRoleBinding | RoleBinding;

/** Rules that somebody has, and through which binding. */
export interface Grant {
  readonly binding: Binding;
  /** The first subject of the binding that the holder answers to. */
  readonly subject: Subject;
  readonly rules: readonly PolicyRule[];
}

/** All that a caller has in a namespace, and what is wrong with bindings that name it. */
export interface Grants {
  readonly grants: readonly Grant[];
  readonly problems: readonly string[];
}

const clusterWide = '';

/**
 * Roles and bindings as the watch cache has them, found by whom they name: a caller costs a look-up for its name and
 * for each of its groups, however many bindings there are.
 */
export class RbacIndex {
  readonly #clusterRoles = new Map<string, ClusterRole>();
  readonly #roles = new Map<string, Role>();
  /** By namespace (`''` for the cluster) and subject, the bindings by name. */
  readonly #bindings = new Map<string, Map<string, Map<string, Binding>>>();
  readonly #followers: readonly CacheFollower[];
  #version = 0;

  constructor(registry: Registry) {
    this.#followers = [
      new CacheFollower<ClusterRole>(registry.of(ClusterRole).cache, {
        reset: () => this.#clusterRoles.clear(),
        changed: (role, previous) => replace(this.#clusterRoles, nameOf(role), role, nameOf(previous)),
      }),
      new CacheFollower<Role>(registry.of(Role).cache, {
        reset: () => this.#roles.clear(),
        changed: (role, previous) => replace(this.#roles, pathOf(role), role, pathOf(previous)),
      }),
      new CacheFollower<ClusterRoleBinding>(registry.of(ClusterRoleBinding).cache, {
        reset: () => this.#bindings.delete(clusterWide),
        changed: (binding, previous) => this.#rebind(clusterWide, binding, previous),
      }),
      new CacheFollower<RoleBinding>(registry.of(RoleBinding).cache, {
        reset: () => {
          for (const namespace of this.#bindings.keys())
            if (namespace !== clusterWide) this.#bindings.delete(namespace);
        },
        changed: (binding, previous) =>
          this.#rebind((binding ?? previous)?.metadata?.namespace ?? '?', binding, previous),
      }),
    ]; // each hears of its own kind
  }

  /** Rises with every change. */
  get version(): number {
    return this.#version;
  }

  /** Takes in what has changed, reading everything at the first call. */
  async refresh(signal: AbortSignal): Promise<void> {
    if (!this.isReady) await Promise.all(this.#followers.map((follower) => follower.load(signal)));
    this.catchUp();
  }

  get isReady(): boolean {
    return this.#followers.every((follower) => follower.isReady);
  }

  /** The same at once; only if it is ready. */
  catchUp(): void {
    let changed = false;
    for (const follower of this.#followers) changed = follower.catchUp() || changed;
    if (changed) this.#version++;
  }

  /** What `user` has in `namespace`, or cluster-wide without one. */
  grantsOf(user: UserInfo, namespace: string | undefined): Grants {
    const keys = new Set([`User ${user.username}`, ...user.groups.map((group) => `Group ${group}`)]);
    const grants: Grant[] = [];
    const problems: string[] = [];
    for (const scope of namespace === undefined || namespace === '' ? [clusterWide] : [clusterWide, namespace]) {
      const bySubject = this.#bindings.get(scope);
      if (bySubject === undefined) continue;
      const found = new Map<string, Binding>();
      for (const key of keys) for (const [name, binding] of bySubject.get(key) ?? []) found.set(name, binding);
      for (const binding of found.values()) {
        const subject = binding.subjects?.find((each) => keys.has(keyOf(each, scope)));
        const rules = this.rulesOf(binding.roleRef, scope);
        if (typeof rules === 'string') problems.push(rules);
        else if (subject !== undefined) grants.push({ binding, subject, rules });
      }
    }
    return { grants, problems };
  }

  /** The rules of a role that a binding in `namespace` refers to, or what is wrong with the reference. */
  rulesOf({ kind, name }: RoleRef, namespace: string): readonly PolicyRule[] | string {
    if (kind === 'ClusterRole') {
      const role = this.#clusterRoles.get(name);
      return role === undefined ? `clusterrole.rbac.authorization.k8s.io "${name}" not found` : (role.rules ?? []);
    }
    const role = this.#roles.get(`${namespace}/${name}`);
    return role === undefined ? `role.rbac.authorization.k8s.io "${name}" not found` : (role.rules ?? []);
  }

  #rebind(namespace: string, binding: Binding | undefined, previous: Binding | undefined): void {
    let bySubject = this.#bindings.get(namespace);
    const name = nameOf(binding ?? previous) ?? '';
    for (const subject of previous?.subjects ?? []) {
      const key = keyOf(subject, namespace);
      const bindings = bySubject?.get(key);
      bindings?.delete(name);
      if (bindings?.size === 0) bySubject?.delete(key);
    }
    if (binding?.subjects === undefined) return;
    if (bySubject === undefined) this.#bindings.set(namespace, (bySubject = new Map()));
    for (const subject of binding.subjects) {
      const key = keyOf(subject, namespace);
      const bindings = bySubject.get(key);
      if (bindings === undefined) bySubject.set(key, new Map([[name, binding]]));
      else bindings.set(name, binding);
    }
  }
}

/** Accounts are users with a name of a certain form; one without a namespace is meant in the binding's own. */
function keyOf({ kind, name, namespace = '' }: Subject, scope: string): string {
  if (kind !== 'ServiceAccount') return `${kind} ${name}`;
  const within = namespace === '' ? scope : namespace;
  return within === '' ? '' : `User system:serviceaccount:${within}:${name}`;
}

const nameOf = (object: ClusterRole | Role | Binding | undefined) => object?.metadata?.name;
const pathOf = (object: Role | undefined) =>
  object === undefined ? undefined : `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;

function replace<T>(map: Map<string, T>, key: string | undefined, value: T | undefined, previous: string | undefined) {
  if (value !== undefined && key !== undefined) map.set(key, value);
  else if (previous !== undefined) map.delete(previous);
}
