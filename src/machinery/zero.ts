import type { Schema } from './schema.ts';

/** What an element of a list or map becomes when it is given as null: Go's zero value. A time that is none stays null. */
export function zeroOf(schema: Schema): unknown {
  switch (schema.type) {
    case 'string':
      return schema.format === 'date-time' || schema.format === 'micro-time' ? null : '';
    case 'integer':
    case 'number':
    case 'int-or-string':
      return 0;
    case 'boolean':
      return false;
    case 'quantity':
      return '0';
    case 'array':
      return [];
    case 'map':
    case 'object':
      return {};
    case 'any':
      return null;
  }
}
