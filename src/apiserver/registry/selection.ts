import { checkFields, everyField, parseFieldSelector, type FieldSelector } from '#machinery/field-selector.ts';
import { everything, type LabelRequirements } from '#machinery/labels.ts';
import { parseSelector } from '#machinery/label-selector-parser.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';

/** Which objects of a kind a request means, beyond their namespace. */
export interface Selection<T extends ApiObject = ApiObject> {
  /** True if every object is meant, so that nothing need be parsed to know. */
  readonly all: boolean;
  matches(object: T): boolean;
  /** A field that must have exactly one value, if any: lets watches skip events without looking. */
  readonly exact: { readonly field: string; readonly value: string } | undefined;
}

const meansAll: Selection = { all: true, matches: () => true, exact: undefined };

export function fieldValue<T extends ApiObject>(kind: Kind<T>, object: T, field: string): string {
  if (field === 'metadata.name') return object.metadata?.name ?? '';
  if (field === 'metadata.namespace') return object.metadata?.namespace ?? '';
  return kind.selectableFields?.[field]?.(object) ?? '';
}

/** Reads the selectors of a request. Throws BadRequest, also for fields the kind does not publish. */
export function selectionOf<T extends ApiObject>(
  kind: Kind<T>,
  options: { readonly labelSelector?: string | undefined; readonly fieldSelector?: string | undefined },
): Selection<T> {
  const labels: LabelRequirements =
    options.labelSelector === undefined || options.labelSelector === ''
      ? everything
      : parseSelector(options.labelSelector);
  const fields: FieldSelector =
    options.fieldSelector === undefined || options.fieldSelector === ''
      ? everyField
      : parseFieldSelector(options.fieldSelector);
  if (labels.requirements.length === 0 && fields.terms.length === 0) return meansAll;
  checkFields(
    fields,
    (field) =>
      field === 'metadata.name' ||
      (field === 'metadata.namespace' && kind.namespaced) ||
      (kind.selectableFields !== undefined && Object.hasOwn(kind.selectableFields, field)),
  );
  const exact = fields.terms.find((term) => term.equal);
  return {
    all: false,
    matches: (object) =>
      labels.matches(object.metadata?.labels) && fields.matches((field) => fieldValue(kind, object, field)),
    exact: exact && { field: exact.field, value: exact.value },
  };
}
