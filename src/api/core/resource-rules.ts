/** Rules of requests and limits. Source: kubernetes pkg/apis/core/validation (validateResourceRequirements and around). */
import { duplicate, forbidden, invalid, notFound, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123LabelComplaints, negativeComplaint } from '#machinery/names.ts';
import { compareQuantities, formatQuantity, parseQuantity } from '#machinery/quantity.ts';
import { complain, each } from '../rules/fields.ts';
import { containersRequests } from './pod-resources.ts';
import {
  containerResourceNameComplaints,
  isHugePages,
  isInteger,
  isOvercommitAllowed,
  resourceNameComplaints,
} from './resource-names.ts';
import type * as types from './types.generated.ts';

const one = 1_000_000_000n;

/** An amount that is not negative, and whole where parts make no sense. Never throws: a bad text is an error too. */
export function amountErrors(field: string, name: string, amount: string): FieldError[] {
  try {
    const { nanos } = parseQuantity(amount);
    const errors: FieldError[] = [];
    if (nanos < 0n) errors.push(invalid(field, canonical(amount), negativeComplaint));
    if (isInteger(name) && nanos % one !== 0n) errors.push(invalid(field, canonical(amount), 'must be an integer'));
    return errors;
  } catch (error) {
    return [invalid(field, amount, error instanceof Error ? error.message : String(error))];
  }
}

type NameErrors = (field: string, name: string) => readonly FieldError[];

const containerResourceNameErrors: NameErrors = (field, name) =>
  complain(field, name, containerResourceNameComplaints(name));

/** Amounts by resource, those of a container unless `nameErrors` is given. */
export function resourceListErrors(
  field: string,
  list: Readonly<Record<string, string>> | undefined,
  nameErrors: NameErrors = containerResourceNameErrors,
): FieldError[] {
  return Object.entries(list ?? {}).flatMap(([name, amount]) => [
    ...nameErrors(`${field}[${name}]`, name),
    ...amountErrors(`${field}[${name}]`, name, amount),
    ...hugePagesErrors(`${field}[${name}]`, name, amount),
  ]);
}

/** Huge pages come in whole ones, whose size is in their name. */
function hugePagesErrors(field: string, name: string, amount: string): FieldError[] {
  if (!isHugePages(name)) return [];
  const size = nanosOf(name.slice('hugepages-'.length));
  const value = nanosOf(amount);
  if (size > 0n && size % one === 0n && value % size === 0n) return [];
  return [invalid(field, canonical(amount), `${canonical(amount)} is not positive integer multiple of ${name}`)];
}

function nanosOf(amount: string): bigint {
  try {
    return parseQuantity(amount).nanos;
  } catch {
    return -1n;
  }
}

/** Requests and limits of a container. `claims` are the names of the pod's resource claims. */
export function resourceRequirementsErrors(
  field: string,
  resources: types.ResourceRequirements | undefined,
  claims: ReadonlySet<string> = new Set(),
  nameErrors: NameErrors = containerResourceNameErrors,
): FieldError[] {
  if (resources === undefined) return [];
  const { limits = {}, requests = {} } = resources;
  const errors = resourceListErrors(`${field}.limits`, limits, nameErrors);
  const path = `${field}.requests`;
  for (const [name, amount] of Object.entries(requests)) {
    errors.push(...resourceListErrors(path, { [name]: amount }, nameErrors));
    const limit = limits[name];
    if (limit === undefined) {
      if (!isOvercommitAllowed(name)) {
        errors.push(required(`${field}.limits`, 'Limit must be set for non overcommitable resources'));
      }
      continue;
    }
    const order = nanosOf(amount) - nanosOf(limit);
    if (order !== 0n && !isOvercommitAllowed(name)) {
      errors.push(invalid(path, canonical(amount), `must be equal to ${name} limit of ${canonical(limit)}`));
    } else if (order > 0n) {
      errors.push(
        invalid(path, canonical(amount), `must be less than or equal to ${name} limit of ${canonical(limit)}`),
      );
    }
  }
  const names = new Set([...Object.keys(limits), ...Object.keys(requests)]);
  if ([...names].some(isHugePages) && !names.has('cpu') && !names.has('memory')) {
    errors.push(forbidden(field, 'HugePages require cpu or memory'));
  }
  return [...errors, ...claimErrors(`${field}.claims`, resources.claims, claims)];
}

function canonical(amount: string): string {
  try {
    return formatQuantity(parseQuantity(amount));
  } catch {
    return amount;
  }
}

function claimErrors(
  field: string,
  list: readonly types.ResourceClaim[] | undefined,
  claims: ReadonlySet<string>,
): FieldError[] {
  const taken = new Set<string>();
  return each(field, list, (path, { name, request = '' }) => {
    if (name === '') return [required(path)];
    const errors = request === '' ? [] : complain(`${path}.request`, request, dns1123LabelComplaints(request));
    const key = request === '' ? name : `${name}/${request}`;
    const requested = request === '' ? [...taken].filter((other) => other.startsWith(`${name}/`)) : [];
    if (taken.has(name)) errors.push(duplicate(path, name));
    else if (taken.has(key)) errors.push(duplicate(path, key));
    else errors.push(...requested.map(() => duplicate(path, name)));
    taken.add(key);
    if (!claims.has(name)) {
      const known = claims.size === 0 ? ' which is empty' : `: ${[...claims].toSorted().join(', ')}`;
      errors.push(notFound(path, name, `must be one of the names in pod.spec.resourceClaims${known}`));
    }
    return errors;
  });
}

const podResourceNameErrors: NameErrors = (field, name) => {
  const errors = complain(field, name, resourceNameComplaints(name));
  if (errors.length > 0 || name === 'cpu' || name === 'memory' || isHugePages(name)) return errors;
  return [notSupported(field, name, ['cpu', 'hugepages-', 'memory'])];
};

/** Pod-level requests and limits know cpu, memory and huge pages only, and are no less than those of the containers. */
export function podLevelResourcesErrors(field: string, spec: types.PodSpec): FieldError[] {
  const { resources } = spec;
  if (resources === undefined) return [];
  const errors =
    resources.claims === undefined
      ? []
      : [forbidden(`${field}.resources.claims`, 'claims may not be set for Resources at pod-level')];
  errors.push(
    ...resourceRequirementsErrors(
      `${field}.resources`,
      { ...resources, claims: [] },
      new Set<string>(),
      podResourceNameErrors,
    ),
  );
  for (const [name, sum] of Object.entries(containersRequests(spec))) {
    const whole = resources.requests?.[name];
    if (whole !== undefined && compareQuantities(sum, whole) > 0) {
      errors.push(
        invalid(
          `${field}.resources.requests[${name}]`,
          canonical(whole),
          `must be greater than or equal to aggregate container requests of ${canonical(sum)}`,
        ),
      );
    }
  }
  for (const [index, { resources: own }] of (spec.containers ?? []).entries()) {
    for (const [name, limit] of Object.entries(own?.limits ?? {})) {
      const whole = resources.limits?.[name];
      if (whole !== undefined && compareQuantities(limit, whole) > 0) {
        errors.push(
          invalid(
            `${field}.resources.containers[${index}][${name}].limits`,
            canonical(limit),
            `must be less than or equal to pod limits of ${canonical(whole)}`,
          ),
        );
      }
    }
  }
  return errors;
}
