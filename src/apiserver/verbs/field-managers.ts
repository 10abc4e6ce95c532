import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import { leaf, type Fields } from '#machinery/apply/fields.ts';
import {
  managerName,
  startingEntries,
  trackUpdate,
  type Tracking,
  type Writer,
} from '#machinery/apply/managed-fields.ts';
import type { ApiObject } from '#machinery/object.ts';
import { timestamp } from '../registry/object-meta.ts';
import { withManagers } from '../registry/stored-object.ts';
import type { WriteCall } from './pipeline.ts';

/** What the server writes into metadata, and nobody manages. Source: managedfields internal (stripmeta.go). */
const serverMetadata: Fields = Object.fromEntries(
  [
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'generation',
    'managedFields',
    'resourceVersion',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ].map((name) => [`f:${name}`, leaf]),
);
/** What a write to `/status` cannot change either. */
const nonStatusMetadata: Fields = { ...serverMetadata, 'f:ownerReferences': leaf, 'f:finalizers': leaf };

const ignoredBy = new WeakMap<Kind, { readonly main: Fields; readonly status: Fields }>();

/** The fields that a write through `subresource` manages nothing of. */
function ignored(kind: Kind, subresource: string | undefined): Fields {
  let known = ignoredBy.get(kind);
  if (known === undefined) {
    const identity = { 'f:apiVersion': leaf, 'f:kind': leaf };
    const main = {
      ...identity,
      'f:metadata': serverMetadata,
      ...(kind.subresources?.status === true ? { 'f:status': leaf } : {}),
    };
    const others = Object.keys(kind.schema.fields).filter((name) => name !== 'metadata' && name !== 'status');
    const status = {
      ...identity,
      ...Object.fromEntries(others.map((name) => [`f:${name}`, leaf])),
      'f:metadata': nonStatusMetadata,
    };
    ignoredBy.set(kind, (known = { main, status }));
  }
  return subresource === 'status' ? known.status : known.main;
}

/** How a write is put down to its writer. `now` in milliseconds since the epoch. */
export function trackingOf<T extends ApiObject>(
  call: WriteCall<T>,
  now: number,
): { tracking: Tracking; writer: Writer } {
  const { kind, attributes, context, fieldManager } = call;
  const { subresource } = attributes;
  return {
    tracking: {
      schema: kind.schema,
      ignored: ignored(kind, subresource),
      time: timestamp(now),
    },
    writer: {
      manager: managerName(fieldManager, context.userAgent),
      apiVersion: apiVersionOf(kind),
      subresource,
    },
  };
}

const withoutManagers = <T extends ApiObject>(object: T) => withManagers(object, undefined);

/** A new object, all of which its creator manages. */
export function trackedCreate<T extends ApiObject>(call: WriteCall<T>, object: T, now: number): T {
  if (call.isTracked === true) return object;
  const { tracking, writer } = trackingOf(call, now);
  const entries = startingEntries(undefined, object.metadata?.managedFields, undefined);
  return withManagers(object, trackUpdate(tracking, writer, entries, {}, withoutManagers(object)));
}

/**
 * The next state of an object, with what its writer changes put down to that writer. An object that nobody manages
 * stays so until it is applied. `sent` is what the client asked for.
 */
export function trackedUpdate<T extends ApiObject>(call: WriteCall<T>, next: T, stored: T, sent: T, now: number): T {
  if (call.isTracked === true) return withManagers(next, sent.metadata?.managedFields);
  const { tracking, writer } = trackingOf(call, now);
  const entries = startingEntries(stored.metadata?.managedFields, sent.metadata?.managedFields, writer.subresource);
  if (entries.length === 0) return stored.metadata?.managedFields === undefined ? withoutManagers(next) : emptied(next);
  return withManagers(next, trackUpdate(tracking, writer, entries, withoutManagers(stored), withoutManagers(next)));
}

/** Says that nobody manages it, so that the stored entries are not kept. */
const emptied = <T extends ApiObject>(object: T): T => ({
  ...object,
  metadata: { ...object.metadata, managedFields: [] },
});
