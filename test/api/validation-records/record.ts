import type { Kind } from '#machinery/kind.ts';

/** One bad object, and what upstream answers to it. */
export interface ValidationRecord {
  /** The upstream function that the expectation was derived from, by its name in kubernetes v1.35. */
  readonly source: string;
  /** What makes the valid object bad, as a JSON merge patch. */
  readonly change: object;
  /** The causes in upstream's order, as `field: message`. One that upstream's layers repeat is listed once. */
  readonly causes: readonly string[];
  /** Set where Tutti answers otherwise on purpose: why, and what its causes are instead. */
  readonly deviation?: { readonly why: string; readonly causes: readonly string[] };
}

/** Bad objects of one kind that are made from the same valid one. */
export interface RecordTable {
  readonly kind: Kind;
  readonly operation: 'create' | 'update';
  /** Written to this subresource instead of the object itself. */
  readonly subresource?: string;
  /** The valid object: a new one, or the one that is there and is to be replaced. */
  readonly object: Readonly<Record<string, unknown>> & { readonly metadata: object };
  /** Which controller or client has written what is there, where it is more than `object`: its status. */
  readonly status?: object;
  readonly records: readonly ValidationRecord[];
}

/** A record that Tutti agrees with. */
export const bad = (source: string, change: object, ...causes: readonly string[]): ValidationRecord => ({
  source,
  change,
  causes,
});

/** The reason of a cause by the words that its message begins with (apimachinery pkg/util/validation/field, ErrorType). */
const reasons: Readonly<Record<string, string>> = {
  'Required value': 'FieldValueRequired',
  'Invalid value': 'FieldValueInvalid',
  'Duplicate value': 'FieldValueDuplicate',
  'Unsupported value': 'FieldValueNotSupported',
  'Not found': 'FieldValueNotFound',
  Forbidden: 'FieldValueForbidden',
  'Too long': 'FieldValueTooLong',
  'Too many': 'FieldValueTooMany',
  'Internal error': 'InternalError',
};

/** The whole answer that has these causes, as apimachinery's errors.NewInvalid() and ErrorList.ToAggregate() put it. */
export function invalidAnswer({ group, kind }: Kind, name: string, causes: readonly string[]): object {
  const what = group === '' ? kind : `${kind}.${group}`;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `${what} ${JSON.stringify(name)} is invalid: ${causes.length === 1 ? causes[0] : `[${causes.join(', ')}]`}`,
    reason: 'Invalid',
    details: {
      ...(name === '' ? {} : { name }),
      ...(group === '' ? {} : { group }),
      kind,
      causes: causes.map(causeOf),
    },
    code: 422,
  };
}

function causeOf(text: string): object {
  const [, field = '', message = ''] = /^(.*?): (.*)$/s.exec(text) ?? [];
  const reason = Object.entries(reasons).find(([words]) => message === words || message.startsWith(`${words}: `))?.[1];
  if (reason === undefined) throw new Error(`record is none: ${text}`);
  return { reason, message, field };
}
