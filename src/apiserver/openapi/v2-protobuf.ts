/**
 * The protobuf form of an OpenAPI v2 document, which older clients ask for. Its messages are gnostic's `openapi.v2`;
 * the tables below give the field numbers of what our documents use. Source: google/gnostic, openapiv2/OpenAPIv2.proto.
 */
import { WireWriter, wireBytes, wireVarint } from '#machinery/protobuf-wire.ts';
import type { Json } from './components.ts';

/** How one JSON field is written: its number, and what it is. */
type Writing =
  | 'string'
  | 'strings'
  | 'bool'
  /** A `$ref`, a schema and so on. */
  | { readonly one: () => Message }
  | { readonly many: () => Message }
  /** A JSON object as a message (number `inside`) of repeated pairs of name and value. */
  | { readonly named: () => Message; readonly inside?: number }
  | { readonly pick: (value: Json) => Message };
type Message = Readonly<Record<string, readonly [number, Writing]>> & { readonly extensions?: never };

/** Fields that start with `x-` go to this number. */
const extensionNumbers = new WeakMap<Message, number>();
function message(fields: Message, extensions?: number): Message {
  if (extensions !== undefined) extensionNumbers.set(fields, extensions);
  return fields;
}

const schema: Message = message(
  {
    $ref: [1, 'string'],
    format: [2, 'string'],
    description: [4, 'string'],
    required: [19, 'strings'],
    additionalProperties: [21, { one: () => wrapped(1, () => schema) }],
    type: [22, { one: () => typeItem }],
    items: [23, { one: () => wrapped(1, () => schema) }],
    properties: [25, { named: () => schema, inside: 1 }],
  },
  31,
);
const typeItem: Message = { '': [1, 'string'] };
/** A message whose only field, `number`, holds the value itself. */
const wrapped = (number: number, inner: () => Message): Message => ({ '': [number, { one: inner }] });

const bodyParameter: Message = {
  name: [2, 'string'],
  in: [3, 'string'],
  required: [4, 'bool'],
  schema: [5, { one: () => schema }],
};
const queryParameter: Message = {
  required: [1, 'bool'],
  in: [2, 'string'],
  name: [4, 'string'],
  type: [6, 'string'],
  uniqueItems: [20, 'bool'],
};
const pathParameter: Message = {
  required: [1, 'bool'],
  in: [2, 'string'],
  name: [4, 'string'],
  type: [5, 'string'],
  uniqueItems: [19, 'bool'],
};
/** ParametersItem → Parameter → body, or NonBodyParameter → query or path. */
const parameterMessages = {
  body: wrapped(1, () => wrapped(1, () => bodyParameter)),
  query: wrapped(1, () => wrapped(2, () => wrapped(3, () => queryParameter))),
  path: wrapped(1, () => wrapped(2, () => wrapped(4, () => pathParameter))),
} as const;
const parameterIn = (parameter: Json): Message => parameterMessages[parameter['in'] as keyof typeof parameterMessages];

const response: Message = { description: [1, 'string'], schema: [2, { one: () => wrapped(1, () => schema) }] };
const operation: Message = message(
  {
    tags: [1, 'strings'],
    operationId: [5, 'string'],
    produces: [6, 'strings'],
    consumes: [7, 'strings'],
    parameters: [8, { pick: parameterIn }],
    responses: [9, { named: () => wrapped(1, () => response), inside: 1 }],
    schemes: [10, 'strings'],
  },
  13,
);
const one = { one: () => operation };
const pathItem: Message = {
  get: [2, one],
  put: [3, one],
  post: [4, one],
  delete: [5, one],
  patch: [8, one],
  parameters: [9, { pick: parameterIn }],
};
const apiKey: Message = { type: [1, 'string'], name: [2, 'string'], in: [3, 'string'], description: [4, 'string'] };
const stringArray: Message = { '': [1, 'strings'] };
const securityRequirement: Message = { '': [1, { named: () => stringArray }] };
const document: Message = {
  swagger: [1, 'string'],
  info: [2, { one: () => ({ title: [1, 'string'], version: [2, 'string'] }) }],
  paths: [8, { named: () => pathItem, inside: 2 }],
  definitions: [9, { named: () => schema, inside: 1 }],
  security: [12, { many: () => securityRequirement }],
  securityDefinitions: [13, { named: () => wrapped(2, () => apiKey), inside: 1 }],
};

/** The bytes of `com.github.proto-openapi.spec.v2@v1.0+protobuf`. */
export function encodeOpenapiV2(value: Json): Uint8Array {
  const writer = new WireWriter();
  writeMessage(document, value, writer);
  return writer.finish();
}

/** The writer works from back to front, so everything is written last first. */
function writeMessage(shape: Message, value: unknown, writer: WireWriter): void {
  const extensions = extensionNumbers.get(shape);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (extensions !== undefined && isObject) {
    for (const [name, each] of Object.entries(value).toReversed()) {
      if (name.startsWith('x-')) writeNamed(extensions, name, writer, () => writeAny(each, writer));
    }
  }
  for (const [key, [number, writing]] of Object.entries(shape).toSorted(([, [a]], [, [b]]) => b - a)) {
    const each = key === '' ? value : isObject ? (value as Json)[key] : undefined;
    if (each !== undefined) writeField(number, writing, each, writer);
  }
}

function writeField(number: number, writing: Writing, value: unknown, writer: WireWriter): void {
  if (writing === 'string') {
    writer.string(String(value));
    writer.tag(number, wireBytes);
  } else if (writing === 'strings') {
    for (const each of (value as readonly string[]).toReversed()) writeField(number, 'string', each, writer);
  } else if (writing === 'bool') {
    writer.varint(value === true ? 1 : 0);
    writer.tag(number, wireVarint);
  } else if ('one' in writing) delimited(number, writer, () => writeMessage(writing.one(), value, writer));
  else if ('named' in writing) {
    const { inside } = writing;
    if (inside === undefined) writePairs(number, writing.named(), value as Json, writer);
    else delimited(number, writer, () => writePairs(inside, writing.named(), value as Json, writer));
  } else {
    for (const each of (value as readonly Json[]).toReversed()) {
      delimited(number, writer, () =>
        writeMessage('many' in writing ? writing.many() : writing.pick(each), each, writer),
      );
    }
  }
}

function writePairs(number: number, shape: Message, value: Json, writer: WireWriter): void {
  for (const [name, each] of Object.entries(value).toReversed()) {
    writeNamed(number, name, writer, () => writeMessage(shape, each, writer));
  }
}

function writeNamed(number: number, name: string, writer: WireWriter, content: () => void): void {
  delimited(number, writer, () => {
    delimited(2, writer, content);
    writer.string(name);
    writer.tag(1, wireBytes);
  });
}

/** Any: its YAML. JSON is YAML. */
function writeAny(value: unknown, writer: WireWriter): void {
  writer.string(JSON.stringify(value));
  writer.tag(2, wireBytes);
}

function delimited(number: number, writer: WireWriter, content: () => void): void {
  const before = writer.length;
  content();
  writer.varint(writer.length - before);
  writer.tag(number, wireBytes);
}
