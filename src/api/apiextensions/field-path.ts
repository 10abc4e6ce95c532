import { schemaOfKey, type JsonSchema } from '#machinery/structural/json-schema.ts';

export interface FieldPath {
  readonly keys: readonly string[];
  /** As messages name it: `spec.list.name`, `spec.map[key]`. */
  readonly text: string;
  readonly schema: JsonSchema;
}

const token = /^(?:\.([A-Za-z_][A-Za-z0-9_]*)|\[\s*(['"])((?:\\.|(?!\2).)*)\2\s*\])/;

/**
 * A path to a field of a schema, as rules and selectable fields name one: `.spec.size`, `.spec['a-b']`. A text that says
 * what is wrong, for a path that leads nowhere. Source: apiextensions-apiserver pkg/apiserver/schema/cel (ValidFieldPath).
 */
export function validFieldPath(path: string, schema: JsonSchema, { brackets = true } = {}): FieldPath | string {
  if (path.length === 0) return 'fieldPath must not be empty';
  const keys: string[] = [];
  let text = '';
  let at: JsonSchema = schema;
  let rest = path;
  while (rest !== '') {
    const match = token.exec(rest);
    if (match === null) {
      return rest.startsWith('.') || rest.startsWith('[')
        ? `expected single quoted string or identifier at ${JSON.stringify(rest)}`
        : `expected [ or . but got: ${rest.slice(0, 1)}`;
    }
    const bracketed = match[1] === undefined;
    if (bracketed && !brackets) return `expected . but got: [`;
    const key = match[1] ?? (match[3] ?? '').replaceAll(/\\(.)/g, '$1');
    const sub = schemaOfKey(at, key);
    if (sub === undefined) return `does not refer to a valid field`;
    const isField = at.properties !== undefined && Object.hasOwn(at.properties, key);
    text += isField ? (text === '' ? key : `.${key}`) : `[${key}]`;
    keys.push(key);
    at = sub;
    rest = rest.slice(match[0].length);
  }
  return { keys, text, schema: at };
}
