import { duplicate, forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import { compareQuantities } from '#machinery/quantity.ts';
import { definition } from '../definitions.ts';
import { createdColumn, nameColumn } from '../rules/columns.ts';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { complain, each } from '../rules/fields.ts';
import { amountErrors } from './resource-rules.ts';
import type * as types from './types.generated.ts';

export type LimitRange = types.LimitRange;
export const LimitRange: Kind<LimitRange> = {
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  singular: 'limitrange',
  shortNames: ['limits'],
  namespaced: true,
  createsOnUpdate: true,
  get schema() {
    return definition('io.k8s.api.core.v1.LimitRange');
  },
  /** For containers: a limit is the most they may have, a request is their limit, or else the least they must have. */
  defaults(range) {
    return mapField(range, 'spec', (spec) =>
      mapField(spec, 'limits', (limits) =>
        mapItems(limits, (item) => {
          if (item.type !== 'Container') return item;
          const limit = withDefaults(item.default ?? {}, item.max ?? {});
          const request = withDefaults(withDefaults(item.defaultRequest ?? {}, limit), item.min ?? {});
          return limit === item.default && request === item.defaultRequest
            ? item
            : { ...item, default: limit, defaultRequest: request };
        }),
      ),
    );
  },
  /** Source: kubernetes pkg/apis/core/validation (ValidateLimitRange). */
  validate({ spec }) {
    const seen = new Set<string>();
    return each('spec.limits', spec.limits, (path, item) => {
      const errors: FieldError[] = [];
      if (seen.has(item.type)) errors.push(duplicate(`${path}.type`, item.type));
      seen.add(item.type);
      return [
        ...errors,
        ...complain(`${path}.type`, item.type, item.type === '' ? [] : qualifiedNameComplaints(item.type)),
        ...itemErrors(path, item),
      ];
    });
  },
  columns: [nameColumn, createdColumn],
};

function itemErrors(field: string, item: types.LimitRangeItem): FieldError[] {
  const { min = {}, max = {}, default: limits = {}, defaultRequest = {}, maxLimitRequestRatio = {} } = item;
  const errors: FieldError[] = [];
  for (const [name, list] of Object.entries({ min, max, default: limits, defaultRequest, maxLimitRequestRatio })) {
    for (const [resource, amount] of Object.entries(list)) {
      errors.push(...amountErrors(`${field}.${name}[${resource}]`, resource, amount));
    }
  }
  if (errors.length > 0) return errors;
  if (item.type === 'Pod') {
    for (const name of ['default', 'defaultRequest'] as const) {
      if (Object.keys(item[name] ?? {}).length > 0) {
        errors.push(forbidden(`${field}.${name}`, "may not be specified when `type` is 'Pod'"));
      }
    }
  }
  if (item.type === 'PersistentVolumeClaim' && min['storage'] === undefined && max['storage'] === undefined) {
    errors.push(
      required(`${field}.limits`, 'either minimum or maximum storage value is required, but neither was provided'),
    );
  }
  const order: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['min', min],
    ['defaultRequest', defaultRequest],
    ['default', limits],
    ['max', max],
  ];
  const texts: Readonly<Record<string, string>> = {
    min: 'min',
    defaultRequest: 'default request',
    default: 'default',
    max: 'max',
  };
  const resources = new Set([min, max, limits, defaultRequest].flatMap((list) => Object.keys(list)));
  for (const resource of resources) {
    for (const [index, [low, lows]] of order.entries()) {
      for (const [high, highs] of order.slice(index + 1)) {
        const [a, b] = [lows[resource], highs[resource]];
        if (a !== undefined && b !== undefined && compareQuantities(a, b) > 0) {
          const at =
            low === 'defaultRequest' && high === 'default'
              ? 'defaultRequest'
              : low === 'min' && high !== 'max'
                ? high
                : low;
          errors.push(
            invalid(
              `${field}.${at}[${resource}]`,
              a,
              `${texts[low]} value ${a} is greater than ${texts[high]} value ${b}`,
            ),
          );
        }
      }
    }
    const ratio = maxLimitRequestRatio[resource];
    if (ratio !== undefined && compareQuantities(ratio, '1') < 0) {
      errors.push(invalid(`${field}.maxLimitRequestRatio[${resource}]`, ratio, `ratio ${ratio} is less than 1`));
    }
  }
  return errors;
}
