/**
 * What happens to a simulated cluster: a file of JSON lines, documented in docs/simulation.md. The first line names the
 * format, each other one is an event; times never go back.
 */
import type { NodeShape } from '#agent/sim/node-shape.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { parseQuantity } from '#machinery/quantity.ts';
import { builtinKindOf } from '../rehearsal/kinds-of.ts';

export const traceFormat = 'tutti.dev/trace/1';

/** `at` is in milliseconds from the trace's beginning; the file has seconds. */
export type TraceEvent =
  | { readonly at: number; readonly do: 'nodes'; readonly shape: NodeShape }
  /** `count` copies, named NAME-1 and so on, or the one object as it is. */
  | {
      readonly at: number;
      readonly do: 'create';
      readonly kind: Kind;
      readonly object: ApiObject;
      readonly count?: number;
    }
  | { readonly at: number; readonly do: 'scale'; readonly of: TraceRef; readonly replicas: number }
  | { readonly at: number; readonly do: 'delete'; readonly of: TraceRef }
  /** Nodes fall silent, with everything on them, or are heard of again. */
  | { readonly at: number; readonly do: 'fail' | 'recover'; readonly nodes: readonly string[] };

export interface TraceRef {
  readonly kind: Kind;
  readonly ref: ObjectRef;
}

/** Bounds of one trace. */
const eventsMax = 1_000_000;
const copiesMax = 200_000;
const secondsMax = 366 * 86_400;

/** A line of a trace that cannot be played. */
export class TraceError extends Error {
  constructor(source: string, line: number, why: string) {
    super(`${source}, line ${line}: ${why}`);
    this.name = 'TraceError';
  }
}

type Fields = Readonly<Record<string, unknown>>;
type Refuse = (why: string) => never;

/** Reads a trace. `source` names it in errors. Throws TraceError at the first line that is wrong. */
export function parseTrace(text: string, source: string): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  let [last, begun] = [0, false];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const refuse = (why: string): never => {
      throw new TraceError(source, index + 1, why);
    };
    const fields = fieldsOf(line, refuse);
    if (!begun) {
      if (fields['trace'] !== traceFormat) refuse(`a trace begins with {"trace":"${traceFormat}"}`);
      begun = true;
      continue;
    }
    const event = eventOf(fields, refuse);
    if (event.at < last)
      refuse(`"at" is ${event.at / 1000}, but the event before is at ${last / 1000}: sort the lines by time`);
    last = event.at;
    if (events.push(event) > eventsMax) refuse(`there are more than ${eventsMax} events`);
  }
  if (!begun) throw new TraceError(source, 1, `a trace begins with {"trace":"${traceFormat}"}`);
  return events;
}

function fieldsOf(line: string, refuse: Refuse): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    refuse(`no JSON: ${(error as Error).message}`);
  }
  return asFields(value) ?? refuse('an event is a JSON object');
}

const asFields = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;

const fieldsByEvent: Readonly<Record<TraceEvent['do'], readonly string[]>> = {
  nodes: ['count', 'namePrefix', 'cpu', 'memory', 'ephemeralStorage', 'pods', 'extended', 'labels', 'zones', 'taints'],
  create: ['object', 'count'],
  scale: ['apiVersion', 'kind', 'namespace', 'name', 'replicas'],
  delete: ['apiVersion', 'kind', 'namespace', 'name'],
  fail: ['nodes'],
  recover: ['nodes'],
};

function eventOf(fields: Fields, refuse: Refuse): TraceEvent {
  const { at, do: what } = fields;
  if (typeof at !== 'number' || !(at >= 0 && at <= secondsMax)) {
    return refuse(`"at" must be seconds from the beginning, from 0 to ${secondsMax}, not ${JSON.stringify(at)}`);
  }
  if (typeof what !== 'string' || !Object.hasOwn(fieldsByEvent, what)) {
    refuse(`"do" must be one of ${Object.keys(fieldsByEvent).join(', ')}, not ${JSON.stringify(what)}`);
  }
  const action = what as TraceEvent['do'];
  const known = fieldsByEvent[action];
  const unknown = Object.keys(fields).find((name) => name !== 'at' && name !== 'do' && !known.includes(name));
  if (unknown !== undefined) refuse(`"${action}" has no field "${unknown}", but ${known.join(', ')}`);
  const when = Math.round(at * 1000);
  switch (action) {
    case 'nodes':
      return { at: when, do: action, shape: shapeOf(fields, refuse) };
    case 'create':
      return { at: when, do: action, ...createdOf(fields, refuse) };
    case 'scale': {
      const of = refOf(fields, refuse);
      if (of.kind.subresources?.scale === undefined) refuse(`a ${of.kind.kind} has no replicas`);
      return { at: when, do: action, of, replicas: whole(fields, 'replicas', 0, copiesMax, refuse) };
    }
    case 'delete':
      return { at: when, do: action, of: refOf(fields, refuse) };
    case 'fail':
    case 'recover': {
      const { nodes } = fields;
      if (!Array.isArray(nodes) || nodes.length === 0 || !nodes.every((name) => typeof name === 'string')) {
        return refuse('"nodes" must be a list of names');
      }
      return { at: when, do: action, nodes };
    }
  }
}

function whole(fields: Fields, name: string, min: number, max: number, refuse: Refuse): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    return refuse(`"${name}" must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`);
  }
  return value;
}

const quantityFields = ['cpu', 'memory', 'ephemeralStorage'] as const;

function shapeOf(fields: Fields, refuse: Refuse): NodeShape {
  const { namePrefix, extended, labels, zones, taints } = fields;
  for (const name of quantityFields) if (fields[name] !== undefined) quantity(fields[name], `"${name}"`, refuse);
  for (const [name, value] of Object.entries(texts(extended, 'extended', refuse))) {
    quantity(value, `"extended" ${name}`, refuse);
  }
  texts(labels, 'labels', refuse);
  if (namePrefix !== undefined && (typeof namePrefix !== 'string' || !/^[a-z0-9][-.a-z0-9]*$/.test(namePrefix))) {
    refuse(`"namePrefix" must be the beginning of a node's name, not ${JSON.stringify(namePrefix)}`);
  }
  if (zones !== undefined && !(Array.isArray(zones) && zones.every((zone) => typeof zone === 'string'))) {
    refuse('"zones" must be a list of names');
  }
  const isTaint = (taint: unknown) => ['key', 'effect'].every((name) => typeof asFields(taint)?.[name] === 'string');
  if (taints !== undefined && !(Array.isArray(taints) && taints.every(isTaint))) {
    refuse('"taints" must be a list of {key, value, effect}');
  }
  whole(fields, 'count', 1, copiesMax, refuse);
  if (fields['pods'] !== undefined) whole(fields, 'pods', 0, copiesMax, refuse);
  const { at: _at, do: _do, ...shape } = fields;
  return shape as unknown as NodeShape; // each field has been looked at
}

function quantity(value: unknown, name: string, refuse: Refuse): void {
  try {
    if (typeof value !== 'string') throw new Error();
    parseQuantity(value);
  } catch {
    refuse(`${name} must be a quantity such as "4" or "16Gi", not ${JSON.stringify(value)}`);
  }
}

function texts(value: unknown, name: string, refuse: Refuse): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  const fields = asFields(value);
  if (fields === undefined || !Object.values(fields).every((text) => typeof text === 'string')) {
    return refuse(`"${name}" must be an object of texts`);
  }
  return fields as Readonly<Record<string, string>>;
}

function kindOf(fields: Fields, refuse: Refuse): Kind {
  const { apiVersion, kind } = fields;
  const found =
    typeof apiVersion === 'string' && typeof kind === 'string' ? builtinKindOf({ apiVersion, kind }) : undefined;
  return (
    found ?? refuse(`apiVersion ${JSON.stringify(apiVersion)} and kind ${JSON.stringify(kind)} name no built-in kind`)
  );
}

function refOf(fields: Fields, refuse: Refuse): TraceRef {
  const kind = kindOf(fields, refuse);
  const { name, namespace = 'default' } = fields;
  if (typeof name !== 'string' || name === '') return refuse('"name" must name the object');
  if (typeof namespace !== 'string') return refuse('"namespace" must be a name');
  return { kind, ref: kind.namespaced ? { namespace, name } : { name } };
}

function createdOf({ object: value, count }: Fields, refuse: Refuse) {
  const object = asFields(value) ?? refuse('"object" must be a manifest');
  const kind = kindOf(object, refuse);
  const metadata = asFields(object['metadata']);
  if (typeof metadata?.['name'] !== 'string') refuse('"object" has no metadata.name');
  const placed = kind.namespaced ? { ...object, metadata: { namespace: 'default', ...metadata } } : object;
  // What else is wrong with it, the API server says.
  const made = { kind, object: placed as unknown as ApiObject };
  return count === undefined ? made : { ...made, count: whole({ count }, 'count', 1, copiesMax, refuse) };
}

/** The lines of a trace; `parseTrace()` reads them back. */
export function traceText(events: readonly TraceEvent[]): string {
  const lines = events.map((event) => {
    const at = event.at / 1000;
    switch (event.do) {
      case 'nodes':
        return { at, do: event.do, ...event.shape };
      case 'create':
        return { at, do: event.do, count: event.count, object: event.object };
      case 'scale':
      case 'delete': {
        const { of, ...rest } = event;
        return { ...rest, at, apiVersion: apiVersionOf(of.kind), kind: of.kind.kind, ...of.ref };
      }
      case 'fail':
      case 'recover':
        return { at, do: event.do, nodes: event.nodes };
    }
  });
  return [{ trace: traceFormat }, ...lines].map((line) => `${JSON.stringify(line)}\n`).join('');
}
