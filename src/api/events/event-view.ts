/**
 * There is one store of events with two views. They are kept as core/v1 Events, because that is what clients have
 * listed and watched for longest; events.k8s.io/v1 names some fields otherwise and is translated on its way in and
 * out, without loss. Source: kubernetes pkg/apis/events/v1/conversion.go.
 */
import type * as core from '../core/types.generated.ts';
import type * as types from './types.generated.ts';

const names = [
  ['note', 'message'],
  ['regarding', 'involvedObject'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
  ['reportingController', 'reportingComponent'],
] as const satisfies readonly (readonly [keyof types.Event, keyof core.Event])[];

const storedName: ReadonlyMap<string, string> = new Map(names);
const viewName: ReadonlyMap<string, string> = new Map(names.map(([view, stored]) => [stored, view]));

function renamed(object: object, nameOf: ReadonlyMap<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => [nameOf.get(name) ?? name, value as unknown]),
  );
}

export function eventToStored(event: types.Event): core.Event {
  const stored = { ...renamed(event, storedName), apiVersion: 'v1' };
  return { involvedObject: {}, ...stored } as unknown as core.Event; // the same fields under core's names
}

export function eventFromStored(stored: core.Event): types.Event {
  return { ...renamed(stored, viewName), apiVersion: 'events.k8s.io/v1' } as unknown as types.Event; // and back
}
