import { duplicate, forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import type { Kind } from '#machinery/kind.ts';
import { qualifiedNameComplaints } from '#machinery/names.ts';
import { compareQuantities, parseQuantity } from '#machinery/quantity.ts';
import { definition } from '../definitions.ts';
import { createdColumn, nameColumn } from '../rules/columns.ts';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { complain, each } from '../rules/fields.ts';
import { containerResourceNameComplaints, isOvercommitAllowed, resourceNameComplaints } from './resource-names.ts';
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
      const type = item.type ?? '';
      const errors = complain(`${path}.type`, type, typeComplaints(type));
      if (seen.has(type)) errors.push(duplicate(`${path}.type`, type));
      seen.add(type);
      return [...errors, ...itemErrors(path, item)];
    });
  },
  columns: [nameColumn, createdColumn],
};

const standardTypes = ['Pod', 'Container', 'PersistentVolumeClaim'];

function typeComplaints(type: string): readonly string[] {
  const complaints = qualifiedNameComplaints(type);
  if (complaints.length > 0) return complaints;
  return type.includes('/') || standardTypes.includes(type) ? [] : ['must be a standard limit type or fully qualified'];
}

type Amounts = Readonly<Record<string, string>>;

function itemErrors(field: string, item: types.LimitRangeItem): FieldError[] {
  const ofContainers = item.type === 'Pod' || item.type === 'Container';
  const names = (at: string, list: Amounts | undefined) =>
    Object.keys(list ?? {}).flatMap((name) =>
      complain(
        `${field}.${at}[${name}]`,
        name,
        ofContainers ? containerResourceNameComplaints(name) : resourceNameComplaints(name),
      ),
    );
  const errors = [...names('max', item.max), ...names('min', item.min)];
  for (const name of ['default', 'defaultRequest'] as const) {
    if (item.type !== 'Pod') errors.push(...names(name, item[name]));
    else if (Object.keys(item[name] ?? {}).length > 0) {
      errors.push(forbidden(`${field}.${name}`, "may not be specified when `type` is 'Pod'"));
    }
  }
  if (
    item.type === 'PersistentVolumeClaim' &&
    item.min?.['storage'] === undefined &&
    item.max?.['storage'] === undefined
  ) {
    errors.push(
      required(`${field}.limits`, 'either minimum or maximum storage value is required, but neither was provided'),
    );
  }
  errors.push(...names('maxLimitRequestRatio', item.maxLimitRequestRatio));
  const defaults = item.type === 'Pod' ? [] : [item.default, item.defaultRequest];
  const resources = new Set(
    [item.max, item.min, ...defaults, item.maxLimitRequestRatio].flatMap((list) => Object.keys(list ?? {})),
  );
  return [...errors, ...[...resources].flatMap((resource) => orderErrors(field, item, resource))];
}

/** The least is no more than what is given by default, and that no more than the most. */
function orderErrors(field: string, item: types.LimitRangeItem, resource: string): FieldError[] {
  const { [resource]: least } = item.min ?? {};
  const { [resource]: most } = item.max ?? {};
  const isPod = item.type === 'Pod';
  const limit = isPod ? undefined : item.default?.[resource];
  const request = isPod ? undefined : item.defaultRequest?.[resource];
  const { [resource]: ratio } = item.maxLimitRequestRatio ?? {};
  const more = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && compareQuantities(a, b) > 0;
  const errors: FieldError[] = [];
  const bad = (at: string, value: string | undefined, why: string) =>
    errors.push(invalid(`${field}.${at}[${resource}]`, value, why));
  if (more(least, most)) bad('min', least, `min value ${least} is greater than max value ${most}`);
  if (more(least, request)) {
    bad('defaultRequest', request, `min value ${least} is greater than default request value ${request}`);
  }
  if (more(request, most)) {
    bad('defaultRequest', request, `default request value ${request} is greater than max value ${most}`);
  }
  if (more(request, limit)) {
    bad('defaultRequest', request, `default request value ${request} is greater than default limit value ${limit}`);
  }
  if (more(least, limit)) bad('default', least, `min value ${least} is greater than default value ${limit}`);
  if (more(limit, most)) bad('default', most, `default value ${limit} is greater than max value ${most}`);
  if (more('1', ratio)) bad('maxLimitRequestRatio', ratio, `ratio ${ratio} is less than 1`);
  if (ratio !== undefined && least !== undefined && most !== undefined) {
    const span = Number(parseQuantity(most).nanos) / Number(parseQuantity(least).nanos);
    if (Number(parseQuantity(ratio).nanos) / 1e9 > span) {
      bad('maxLimitRequestRatio', ratio, `ratio ${ratio} is greater than max/min = ${span.toFixed(6)}`);
    }
  }
  if (
    !isOvercommitAllowed(resource) &&
    limit !== undefined &&
    request !== undefined &&
    compareQuantities(limit, request) !== 0
  ) {
    bad(
      'defaultRequest',
      request,
      `default value ${limit} must equal to defaultRequest value ${request} in ${resource}`,
    );
  }
  return errors;
}
