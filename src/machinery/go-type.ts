import type { Schema } from './schema.ts';

/** What a JSON value is called in decoding errors. */
export function jsonTypeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'bigint') return 'number';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** A schema's type as upstream's decoding errors spell it: `int32`, `[]v1.Container`, `map[string]string`. */
export function goTypeOf(schema: Schema): string {
  switch (schema.type) {
    case 'string':
      if (schema.format === 'date-time') return 'v1.Time';
      if (schema.format === 'micro-time') return 'v1.MicroTime';
      return schema.format === 'byte' ? '[]uint8' : 'string';
    case 'integer':
      return schema.format === 'int32' ? 'int32' : 'int64';
    case 'number':
      return 'float64';
    case 'boolean':
      return 'bool';
    case 'quantity':
      return 'resource.Quantity';
    case 'int-or-string':
      return 'intstr.IntOrString';
    case 'any':
      return schema.object === true ? 'map[string]interface {}' : 'interface {}';
    case 'array':
      return `[]${goTypeOf(schema.items)}`;
    case 'map':
      return `map[string]${goTypeOf(schema.values)}`;
    case 'object':
      return schema.name === undefined ? 'map[string]interface {}' : schema.name.split('.').slice(-2).join('.');
  }
}
