import type { FieldValidation } from '#machinery/decode.ts';
import { duplicateFields, decodeText, parseJson } from '#machinery/json.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import { badRequest, invalidObject, unsupportedMediaType } from '#machinery/status-error.ts';
import { notSupported } from '#machinery/field-error.ts';
import { readObject } from '../codec.ts';
import { readBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { parseContentType } from './media-type.ts';
import { jsonType, protobufType, yamlType } from './negotiation.ts';

const validations = ['Ignore', 'Warn', 'Strict'] as const;

/** The `fieldValidation` parameter; `Warn` unless given. Throws Invalid. */
export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const text = query.get('fieldValidation') ?? '';
  if (text === '') return 'Warn';
  const found = validations.find((each) => each === text);
  if (found !== undefined) return found;
  throw invalidObject({ group: 'meta.k8s.io', kind: 'CreateOptions' }, '', [
    notSupported('fieldValidation', text, ['', ...validations]),
  ]);
}

/** A body once parsed, whatever it was written in. */
export interface ParsedBody {
  readonly value: unknown;
  readonly duplicates: readonly string[];
}

/** Reads the body in any of the encodings of objects. Throws UnsupportedMediaType and BadRequest. */
export async function parseBody(exchange: Exchange, kind: Kind, validation: FieldValidation): Promise<ParsedBody> {
  const type = parseContentType(exchange.req.headers['content-type'])?.type ?? jsonType;
  const bytes = await readBody(exchange);
  switch (type) {
    case jsonType: {
      const value = parseJson(bytes);
      return { value, duplicates: validation === 'Ignore' ? [] : duplicateFields(decodeText(bytes), value) };
    }
    default:
      throw unsupportedMediaType(
        `the body of the request was in an unknown format - accepted media types include: ${jsonType}, ${yamlType}, ${protobufType}`,
      );
  }
}

/** The body as an object of `kind`. */
export async function readBodyAs<T extends ApiObject>(exchange: Exchange, kind: Kind<T>): Promise<T> {
  const validation = fieldValidationOf(exchange.query);
  const { value, duplicates } = await parseBody(exchange, kind as unknown as Kind, validation);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest(`the body must be one ${kind.kind} object`);
  }
  return readObject(kind, value, { validation, duplicates, warn: (text) => exchange.context.warn(text) });
}
