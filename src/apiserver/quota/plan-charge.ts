import type { ResourceQuota } from '#api/core/resource-quota.ts';
import type { QuotaEvaluator, QuotaOperation } from '#api/quota/quota-evaluator.ts';
import { isInScopes } from '#api/quota/quota-scopes.ts';
import type { ApiObject } from '#machinery/object.ts';
import { compareQuantities } from '#machinery/quantity.ts';
import { addResources, excessResources, pickResources, type ResourceList } from '#machinery/resource-list.ts';

export interface ChargeRequest extends QuotaOperation {
  readonly evaluator: QuotaEvaluator;
  readonly object: ApiObject;
  readonly stored: ApiObject | undefined;
  readonly now: number;
}

/**
 * What becomes of the quotas, by position, if the object is written; the others stay as they are. A quota that the
 * object will count for, but whose usage nobody has summed up yet, is written unchanged: whoever is summing it up just
 * now must start again.
 */
export type ChargePlan =
  | { readonly do: 'refuse'; readonly because: string }
  | { readonly do: 'charge'; readonly quotas: ReadonlyMap<number, ResourceQuota> };

/** Decides on a write. Source: k8s.io/apiserver/pkg/admission/plugin/resourcequota (CheckRequest). */
export function planCharge(quotas: readonly ResourceQuota[], request: ChargeRequest): ChargePlan {
  const { evaluator, object, now } = request;
  const charged = new Map<number, ResourceQuota>();
  if (!evaluator.handles(request)) return { do: 'charge', quotas: charged };
  const usage = evaluator.usage(object, now);
  for (const [index, quota] of quotas.entries()) {
    if (!isInScopes(quota, evaluator, object)) continue;
    const name = quota.metadata?.name ?? '';
    const { hard = {}, used = {} } = quota.status ?? {};
    const counted = Object.keys(hard).filter((each) => evaluator.counts(each));
    const isUnknown = Object.keys(quota.spec?.hard ?? {}).some(
      (each) => hard[each] === undefined && evaluator.counts(each),
    );
    if (counted.length === 0) {
      if (isUnknown) charged.set(index, quota);
      continue;
    }
    const complaint = evaluator.complaint?.(counted, object);
    if (complaint !== undefined) return { do: 'refuse', because: `failed quota: ${name}: ${complaint}` };
    if (counted.some((each) => used[each] === undefined)) {
      return { do: 'refuse', because: `status unknown for quota: ${name}, resources: ${counted.join(',')}` };
    }
    const negative = Object.keys(usage).filter((each) => compareQuantities(usage[each]!, '0') < 0);
    if (negative.length > 0) {
      return { do: 'refuse', because: `quota usage is negative for resource(s): ${negative.join(',')}` };
    }
    const delta = pickResources(
      deltaOf(quota, usage, request),
      (each, amount) => hard[each] !== undefined && compareQuantities(amount, '0') > 0,
    );
    if (Object.keys(delta).length === 0) {
      if (isUnknown) charged.set(index, quota);
      continue;
    }
    const sum = addResources(used, delta);
    // What a node reports is so already; it can only be counted.
    const exceeded =
      request.subresource === 'status'
        ? []
        : Object.keys(delta).filter((each) => compareQuantities(sum[each]!, hard[each]!) > 0);
    if (exceeded.length > 0) {
      const of = (list: ResourceList) => formatted(pickResources(list, (each) => exceeded.includes(each)));
      return {
        do: 'refuse',
        because: `exceeded quota: ${name}, requested: ${of(delta)}, used: ${of(used)}, limited: ${of(hard)}`,
      };
    }
    charged.set(index, { ...quota, status: { ...quota.status, used: sum } });
  }
  return { do: 'charge', quotas: charged };
}

/** What a write adds; a change that lowers usage is left for whoever sums up. */
function deltaOf(quota: ResourceQuota, usage: ResourceList, request: ChargeRequest): ResourceList {
  const { operation, stored, evaluator, now } = request;
  if (operation === 'CREATE' || stored === undefined || !isInScopes(quota, evaluator, stored)) return usage;
  return excessResources(usage, evaluator.usage(stored, now));
}

const formatted = (list: ResourceList) =>
  Object.entries(list)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, amount]) => `${name}=${amount}`)
    .join(',');
