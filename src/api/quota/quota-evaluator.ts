import type { ScopedResourceSelectorRequirement } from '../core/types.generated.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { ResourceList } from '#machinery/resource-list.ts';
import { claimQuota } from './claim-quota.ts';
import { objectCount } from './object-count.ts';
import { podQuota } from './pod-quota.ts';
import { serviceQuota } from './service-quota.ts';

export type ScopeRequirement = ScopedResourceSelectorRequirement;

/** A write as quotas see it. */
export interface QuotaOperation {
  readonly operation: 'CREATE' | 'UPDATE';
  readonly subresource: string | undefined;
}

/**
 * What objects of one kind use up of a ResourceQuota. Methods, so that one for pods is also one for any object: they
 * are only handed objects of their kind. Source: kubernetes pkg/quota/v1/evaluator, k8s.io/apiserver/pkg/quota/v1.
 */
export interface QuotaEvaluator<T extends ApiObject = ApiObject> {
  /** Whether objects of this kind use up what this name in a quota's `hard` limits. */
  counts(name: string): boolean;
  /** Whether this write can change what is used. */
  handles(operation: QuotaOperation): boolean;
  usage(object: T, now: number): ResourceList;
  /** Kinds without scopes match none. */
  matchesScope(requirement: ScopeRequirement, object: T): boolean;
  /** What an object must say before it can be held against a quota of these names, but does not. */
  complaint?(names: readonly string[], object: T): string | undefined;
}

const special: Readonly<Record<string, QuotaEvaluator>> = {
  '/pods': podQuota,
  '/services': serviceQuota,
  '/persistentvolumeclaims': claimQuota,
};

/** Kinds that nobody would want to run out of: events tell of that, and the others are only questions. */
const ignored = new Set(['/events', 'events.k8s.io/events', '/bindings']);

/** Undefined for kinds that no quota concerns. */
export function quotaEvaluatorOf(kind: Kind): QuotaEvaluator | undefined {
  const id = `${kind.group}/${kind.plural}`;
  if (!kind.namespaced || ignored.has(id)) return undefined;
  return special[id] ?? objectCount(kind);
}
