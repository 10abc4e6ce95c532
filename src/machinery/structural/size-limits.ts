/**
 * How large values of a structural schema can be in one request, for estimates of what rules cost.
 * Source: k8s.io/apiserver/pkg/cel/common (schemas.go) and pkg/cel/limits.go.
 */
import type { SizeAt } from '../cel/cost.ts';
import type { JsonSchema } from './json-schema.ts';

/** What estimates assume of a request, whatever a server takes. */
export const requestBytes = 3 * 1024 * 1024;

/** Of one part of a schema, with those below it. */
export interface SizeLimits {
  /** Characters of a text, items, entries; 0 for what has no size. */
  readonly most: number;
  /** The fewest bytes that it takes as JSON. */
  readonly leastBytes: number;
  readonly items?: SizeLimits;
  readonly keys?: SizeLimits;
  readonly fields?: ReadonlyMap<string, SizeLimits>;
}

const text = (most: number, leastBytes = 2): SizeLimits => ({ most, leastBytes });
const key = text(0);
/** Names are DNS subdomains. */
const nameMax = 253;
const metadata: SizeLimits = {
  most: 0,
  leastBytes: 2,
  fields: new Map([
    ['name', text(4 * nameMax)],
    ['generateName', text(4 * nameMax)],
  ]),
};

/** Undefined for what expressions know nothing of. */
export function sizeLimits(schema: JsonSchema, isRoot: boolean): SizeLimits | undefined {
  if (schema['x-kubernetes-int-or-string'] === true) {
    return text(schema.maxLength === undefined ? requestBytes - 2 : lengthOf(schema.maxLength), 1);
  }
  switch (schema.type) {
    case 'array': {
      const items = schema.items && sizeLimits(schema.items, isResource(schema.items));
      if (items === undefined) return undefined;
      const fit = Math.floor((requestBytes - 2) / (items.leastBytes + 1));
      return { most: Math.max(0, schema.maxItems ?? fit), leastBytes: 2, items };
    }
    case 'object':
      return objectLimits(schema, isRoot);
    case 'string':
      return textLimits(schema);
    case 'boolean':
      return { most: 0, leastBytes: 4 };
    case 'number':
    case 'integer':
      return { most: 0, leastBytes: 1 };
    default:
      return undefined;
  }
}

const isResource = (schema: JsonSchema) => schema['x-kubernetes-embedded-resource'] === true;
/** Each character may take four bytes. */
const lengthOf = (maxLength: number) => Math.max(0, maxLength) * 4;

function textLimits({ format, maxLength, enum: values = [] }: JsonSchema): SizeLimits {
  switch (format) {
    case 'byte':
      return text(maxLength === undefined ? requestBytes - 2 : Math.max(0, maxLength));
    case 'duration':
      return text(32, 3);
    case 'date':
      return text(12, 12);
    case 'date-time':
      return text(32, 21);
    default:
      break;
  }
  if (maxLength !== undefined) return text(lengthOf(maxLength));
  if (values.length === 0) return text(requestBytes - 2);
  return text(Math.max(0, ...values.map((value) => (typeof value === 'string' ? Buffer.byteLength(value) : 0))));
}

function objectLimits(schema: JsonSchema, isRoot: boolean): SizeLimits | undefined {
  const { additionalProperties, properties = {}, required = [], maxProperties } = schema;
  if (typeof additionalProperties === 'object') {
    const items = sizeLimits(additionalProperties, isResource(additionalProperties));
    if (items === undefined) return undefined;
    const fit = Math.floor((requestBytes - 2) / (items.leastBytes + 6));
    return { most: Math.max(0, maxProperties ?? fit), leastBytes: 2, items, keys: key };
  }
  const fields = new Map<string, SizeLimits>();
  let leastBytes = 2;
  for (const [name, each] of Object.entries(properties)) {
    const limits = sizeLimits(each, isResource(each));
    if (limits === undefined) continue;
    fields.set(name, limits);
    if (required.includes(name) && each.default === undefined) leastBytes += name.length + limits.leastBytes + 4;
  }
  if (isRoot) {
    for (const name of ['kind', 'apiVersion']) fields.set(name, text(requestBytes - 2));
    fields.set('metadata', metadata);
  }
  return { most: 0, leastBytes, fields };
}

/** Sizes below `root`, which is what `self` and `oldSelf` are. */
export function sizesBelow(root: SizeLimits): SizeAt {
  return (path) => {
    let at: SizeLimits | undefined = root;
    for (const step of path.slice(1)) {
      if (step === '@items' || step === '@values') at = at.items;
      else if (step === '@keys') at = at.keys;
      else at = at.fields?.get(step);
      if (at === undefined) return undefined;
    }
    return { min: 0, max: at.most };
  };
}
