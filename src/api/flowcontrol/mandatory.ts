import { isDeepStrictEqual } from 'node:util';
import { invalid } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { ApiObject } from '#machinery/object.ts';
import type * as types from './types.generated.ts';

/** Every request that is a resource, and every one that is not. */
export const allRequests = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
} as const;

const group = (name: string): types.Subject => ({ kind: 'Group', group: { name } });

/**
 * What every server has and nobody may change: those above all limits, and those whom nothing else names.
 * Source: k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go.
 */
export const mandatoryFlowSchemas: Readonly<Record<string, types.FlowSchemaSpec>> = {
  exempt: {
    matchingPrecedence: 1,
    priorityLevelConfiguration: { name: 'exempt' },
    rules: [{ subjects: [group('system:masters')], ...allRequests }],
  },
  'catch-all': {
    matchingPrecedence: 10_000,
    priorityLevelConfiguration: { name: 'catch-all' },
    distinguisherMethod: { type: 'ByUser' },
    rules: [{ subjects: [group('system:unauthenticated'), group('system:authenticated')], ...allRequests }],
  },
};

export const mandatoryPriorityLevels: Readonly<Record<string, types.PriorityLevelConfigurationSpec>> = {
  exempt: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  'catch-all': {
    type: 'Limited',
    limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
  },
};

/** The complaint about a mandatory object that somebody wants otherwise; `part` is what must be as it is. */
export function fixedSpecErrors<S>(
  fixed: Readonly<Record<string, S>>,
  { metadata, spec }: ApiObject & { readonly spec: S },
  part: (spec: S) => unknown = (whole) => whole,
): readonly FieldError[] {
  const name = metadata?.name ?? '';
  const wanted = Object.hasOwn(fixed, name) ? fixed[name] : undefined;
  if (wanted === undefined || isDeepStrictEqual(part(wanted), part(spec))) return [];
  return [invalid('spec', spec, `spec of '${name}' must equal the fixed value`)];
}
