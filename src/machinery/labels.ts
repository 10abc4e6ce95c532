import type { FieldError } from './field-error.ts';
import { invalid } from './field-error.ts';
import { labelValueComplaints, qualifiedNameComplaints } from './names.ts';

/** Decides which objects a list, a watch or an owner means by their labels. */
export interface Selector {
  matches(labels: Readonly<Record<string, string>> | undefined): boolean;
  /** The string form, as it goes into queries and columns. */
  toString(): string;
}

/** The operators of requirements: those of strings, of LabelSelector objects and of node selectors in one set. */
export type Operator = '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<';

export interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

/** Labels that satisfy every requirement; none selects everything. */
export class LabelRequirements implements Selector {
  readonly requirements: readonly Requirement[];

  constructor(requirements: readonly Requirement[]) {
    this.requirements = requirements;
  }

  matches(labels: Readonly<Record<string, string>> | undefined): boolean {
    for (const requirement of this.requirements) if (!satisfies(requirement, labels)) return false;
    return true;
  }

  /** The string form, which `parseSelector()` reads back; values of sets sorted. */
  toString(): string {
    return this.requirements.map(requirementText).join(',');
  }
}

export const everything = new LabelRequirements([]);
export const nothing: Selector = { matches: () => false, toString: () => '' };

/** Absent labels satisfy `!`, `!=` and `notin`. `>` and `<` compare whole numbers and fail on anything else. */
export function satisfies(
  { key, operator, values }: Requirement,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case '=':
    case 'in':
      return value !== undefined && values.includes(value);
    case '!=':
    case 'notin':
      return value === undefined || !values.includes(value);
    case '>':
    case '<': {
      const [bound] = values;
      if (value === undefined || bound === undefined || !isWhole(value) || !isWhole(bound)) return false;
      return operator === '>' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
    }
  }
}

const isWhole = (text: string) => /^[-+]?\d{1,19}$/.test(text);

function requirementText({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.toSorted().join(',')})`;
    default:
      return `${key}${operator}${values[0] ?? ''}`;
  }
}

/** Selects objects that carry every one of `labels`: Services and ReplicationControllers. */
export function selectorFromLabels(labels: Readonly<Record<string, string>>): LabelRequirements {
  return new LabelRequirements(
    Object.keys(labels)
      .toSorted()
      .map((key) => ({ key, operator: '=' as const, values: [labels[key] ?? ''] })),
  );
}

/** `meta/v1 LabelSelector`. */
export interface LabelSelectorSource {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

const operatorOf: ReadonlyMap<string, Operator> = new Map([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
  ['Gt', '>'],
  ['Lt', '<'],
]);

/**
 * Reads a LabelSelector: an empty one selects everything, an absent one nothing. Expects one that passed validation;
 * an unknown operator selects nothing.
 */
export function selectorOf(source: LabelSelectorSource | undefined): Selector {
  if (source === undefined) return nothing;
  const requirements = [...selectorFromLabels(source.matchLabels ?? {}).requirements];
  for (const { key, operator: name, values = [] } of source.matchExpressions ?? []) {
    const operator = operatorOf.get(name);
    if (operator === undefined) return nothing;
    requirements.push({ key, operator, values });
  }
  return new LabelRequirements(requirements);
}

/** A selector's string form for printed columns: `<none>` when it selects everything or is absent. */
export function formatSelector(source: LabelSelectorSource | undefined): string {
  if (source === undefined) return '<none>';
  const text = selectorOf(source).toString();
  return text === '' ? '<none>' : text;
}

/** Labels as `kubectl` prints them: sorted `a=b,c=d`, or `<none>`. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const keys = Object.keys(labels ?? {}).toSorted();
  return keys.length === 0 ? '<none>' : keys.map((key) => `${key}=${labels?.[key] ?? ''}`).join(',');
}

export function labelKeyErrors(field: string, key: string): FieldError[] {
  return qualifiedNameComplaints(key).map((complaint) => invalid(field, key, complaint));
}

/** Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation (ValidateLabels): the path names the map, not the key. */
export function labelsErrors(field: string, labels: Readonly<Record<string, string>> | undefined): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    errors.push(...labelKeyErrors(field, key));
    for (const complaint of labelValueComplaints(value)) errors.push(invalid(field, value, complaint));
  }
  return errors;
}
