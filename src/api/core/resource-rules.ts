/** Rules of requests and limits. Source: kubernetes pkg/apis/core/validation (ValidateContainerResourceName and around). */
import { forbidden, invalid, notFound, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { negativeComplaint, qualifiedNameComplaints } from '#machinery/names.ts';
import { compareQuantities, formatQuantity, parseQuantity } from '#machinery/quantity.ts';
import { complain, each } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

const standard = ['cpu', 'memory', 'ephemeral-storage'];
const isHugePages = (name: string) => name.startsWith('hugepages-');
/** Resources outside Kubernetes' own namespace: whole, and never overcommitted. */
const isExtended = (name: string) =>
  name.includes('/') && !name.startsWith('kubernetes.io/') && !name.startsWith('requests.');

function containerResourceNameErrors(field: string, name: string): FieldError[] {
  const errors = complain(field, name, qualifiedNameComplaints(name));
  if (errors.length > 0) return errors;
  if (!name.includes('/') && !standard.includes(name) && !isHugePages(name)) {
    return [invalid(field, name, 'must be a standard resource type or fully qualified')];
  }
  return [];
}

/** An amount that is not negative, and whole where parts make no sense. Never throws: a bad text is an error too. */
export function amountErrors(field: string, name: string, amount: string): FieldError[] {
  try {
    const { nanos } = parseQuantity(amount);
    if (nanos < 0n) return [invalid(field, amount, negativeComplaint)];
    if ((isExtended(name) || name === 'pods') && nanos % 1_000_000_000n !== 0n) {
      return [invalid(field, amount, 'must be an integer')];
    }
    return [];
  } catch (error) {
    return [invalid(field, amount, error instanceof Error ? error.message : String(error))];
  }
}

export function resourceListErrors(
  field: string,
  list: Readonly<Record<string, string>> | undefined,
  nameErrors: (field: string, name: string) => readonly FieldError[] = containerResourceNameErrors,
): FieldError[] {
  return Object.entries(list ?? {}).flatMap(([name, amount]) => [
    ...nameErrors(field, name),
    ...amountErrors(`${field}[${name}]`, name, amount),
  ]);
}

/** Requests and limits of a container. `claims` are the names of the pod's resource claims. */
export function resourceRequirementsErrors(
  field: string,
  resources: types.ResourceRequirements | undefined,
  claims: ReadonlySet<string> = new Set(),
): FieldError[] {
  if (resources === undefined) return [];
  const { limits = {}, requests = {} } = resources;
  const errors = [
    ...resourceListErrors(`${field}.limits`, limits),
    ...resourceListErrors(`${field}.requests`, requests),
  ];
  if (errors.length > 0) return errors;
  for (const [name, amount] of Object.entries(requests)) {
    const limit = limits[name];
    const rigid = isHugePages(name) || isExtended(name);
    const path = `${field}.requests`;
    if (limit === undefined) {
      if (rigid) errors.push(required(`${field}.limits`, 'Limit must be set for non overcommitable resources'));
    } else if (compareQuantities(amount, limit) > 0) {
      errors.push(
        invalid(path, canonical(amount), `must be less than or equal to ${name} limit of ${canonical(limit)}`),
      );
    } else if (rigid && compareQuantities(amount, limit) !== 0) {
      errors.push(invalid(path, canonical(amount), `must be equal to ${name} limit of ${canonical(limit)}`));
    }
  }
  const names = new Set([...Object.keys(limits), ...Object.keys(requests)]);
  if ([...names].some(isHugePages) && !names.has('cpu') && !names.has('memory')) {
    errors.push(forbidden(field, 'HugePages require cpu or memory'));
  }
  return [...errors, ...claimErrors(`${field}.claims`, resources.claims, claims)];
}

const canonical = (amount: string) => formatQuantity(parseQuantity(amount));

function claimErrors(
  field: string,
  list: readonly types.ResourceClaim[] | undefined,
  claims: ReadonlySet<string>,
): FieldError[] {
  return each(field, list, (path, { name }) => {
    if (name === '') return [required(`${path}.name`)];
    return claims.has(name) ? [] : [notFound(`${path}.name`, name)];
  });
}

/** Pod-level requests and limits know cpu, memory and huge pages only. */
export function podLevelResourcesErrors(
  field: string,
  resources: types.ResourceRequirements | undefined,
): FieldError[] {
  if (resources === undefined) return [];
  const names = [...Object.keys(resources.limits ?? {}), ...Object.keys(resources.requests ?? {})];
  const errors: FieldError[] = names
    .filter((name) => name !== 'cpu' && name !== 'memory' && !isHugePages(name))
    .map((name) => notSupported(field, name, ['cpu', 'hugepages-', 'memory']));
  if ((resources.claims ?? []).length > 0)
    errors.push(forbidden(`${field}.claims`, 'claims may not be set for Resources at pod-level'));
  return errors.length > 0 ? errors : resourceRequirementsErrors(field, resources);
}
