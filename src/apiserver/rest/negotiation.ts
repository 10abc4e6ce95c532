import { notAcceptable } from '#machinery/status-error.ts';
import { parseAccept, type MediaType } from './media-type.ts';

export type Encoding = 'json' | 'yaml' | 'protobuf';
export type Shape = 'object' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';

/** How a reply is to look. */
export interface Representation {
  readonly encoding: Encoding;
  readonly shape: Shape;
  /** `v1` or `v1beta1` of meta.k8s.io, for shapes other than the object itself. */
  readonly version: string;
}

export const jsonType = 'application/json';
export const yamlType = 'application/yaml';
export const protobufType = 'application/vnd.kubernetes.protobuf';

/** What the reply at hand can be. */
export interface Offer {
  readonly shapes: ReadonlySet<Shape>;
  readonly encodings: readonly Encoding[];
}

/**
 * Chooses what the client likes best of what can be had, but for one thing: objects are kept as JSON bytes, so who
 * takes JSON at all gets JSON, and protobuf only goes to those who insist. Throws NotAcceptable naming what there is.
 * Source of the parameters: k8s.io/apiserver/pkg/endpoints/handlers/negotiation.
 */
export function negotiate(accept: string | undefined, { shapes, encodings }: Offer): Representation {
  let reluctantly: Representation | undefined;
  for (const range of parseAccept(accept)) {
    const encoding = encodings.find((each) => accepts(range, each));
    if (encoding === undefined) continue;
    const { as, g, v = '' } = range.parameters;
    if (as === undefined) {
      if (!shapes.has('object')) continue;
      if (encoding !== 'protobuf') return { encoding, shape: 'object', version: 'v1' };
      reluctantly ??= { encoding, shape: 'object', version: 'v1' };
      continue;
    }
    const shape = as as Shape;
    // Tables and the like are made in JSON alone.
    if (encoding !== 'json') continue;
    if (g === 'meta.k8s.io' && (v === 'v1' || v === 'v1beta1') && shape !== 'object' && shapes.has(shape)) {
      return { encoding, shape, version: v };
    }
  }
  if (reluctantly !== undefined) return reluctantly;
  const offered = encodings.map((each) => typeOf(each)).join(', ');
  throw notAcceptable(`only the following media types are accepted: ${offered}`);
}

function accepts(range: MediaType, encoding: Encoding): boolean {
  const { type } = range;
  if (type === '*/*') return encoding === 'json';
  if (type === 'application/*') return encoding === 'json';
  return type === typeOf(encoding) || (encoding === 'yaml' && type === 'text/yaml');
}

export function typeOf(encoding: Encoding): string {
  switch (encoding) {
    case 'json':
      return jsonType;
    case 'yaml':
      return yamlType;
    case 'protobuf':
      return protobufType;
  }
}
