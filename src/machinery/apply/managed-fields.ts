/**
 * Who manages which fields of an object: `metadata.managedFields`, kept up to date by every write. Pure: time, names
 * and states come in, entries go out.
 * Source: structured-merge-diff merge/update.go and k8s.io/apimachinery/pkg/util/managedfields/internal.
 */
import type { ManagedFieldsEntry } from '../object.ts';
import type { Schema } from '../schema.ts';
import { compareFields } from './compare.ts';
import {
  difference,
  intersection,
  isFields,
  pathsOf,
  sameFields,
  union,
  withoutSubtrees,
  type Fields,
} from './fields.ts';
import { mergeFields, pruneFields } from './merge.ts';
import { fieldsOf } from './to-fields.ts';

/** Who writes, and by which door. */
export interface Writer {
  readonly manager: string;
  /** The version the writer speaks: `apps/v1`. */
  readonly apiVersion: string;
  /** `status`, `scale` …; absent for the object itself. */
  readonly subresource?: string | undefined;
}

export interface Tracking {
  readonly schema: Schema;
  /** Fields that no writer manages, or not through this door: their subtrees are left out of every set. */
  readonly ignored: Fields;
  /** RFC 3339, whole seconds. */
  readonly time: string;
}

/** More different writers by update are folded into one. Source: managedfields (maxUpdateManagers). */
export const updateManagersMax = 10;
const ancient = 'ancient-changes';
/** Who managed everything before the first apply. */
const beforeFirstApply = 'before-first-apply';
/** Names are cut to this many characters. Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation. */
const managerLengthMax = 128;

/** The manager a request names or, without a name, the first word of its user agent. */
export function managerName(fieldManager: string | undefined, userAgent: string): string {
  if (fieldManager !== undefined && fieldManager !== '') return fieldManager;
  const [name = ''] = userAgent.split('/');
  return name.replaceAll(/\p{C}/gu, '').slice(0, managerLengthMax) || 'unknown';
}

const fieldsOfEntry = ({ fieldsV1 }: ManagedFieldsEntry): Fields | undefined =>
  fieldsV1 === undefined || Object.keys(fieldsV1).length === 0 ? undefined : (fieldsV1 as Fields); // checked when it came in

const isReset = (entries: readonly ManagedFieldsEntry[]) =>
  entries.length === 1 && Object.values(entries[0]!).every((value) => value === undefined);

/** What is wrong with entries that a client sends; undefined if they can be kept. */
function complaintOf(entries: readonly ManagedFieldsEntry[]): string | undefined {
  for (const { operation, fieldsType, fieldsV1, apiVersion = '' } of entries) {
    if (operation !== 'Apply' && operation !== 'Update') return `operation ${JSON.stringify(operation ?? '')}`;
    if (fieldsType !== 'FieldsV1' || apiVersion === '') return 'fieldsType or apiVersion';
    if (fieldsV1 !== undefined && !isFields(fieldsV1)) return 'fieldsV1';
  }
  return undefined;
}

/**
 * The entries a write starts from: the client's own if it sends some that can be read, else the stored ones. A client
 * that sends one empty entry resets them.
 */
export function startingEntries(
  stored: readonly ManagedFieldsEntry[] | undefined,
  sent: readonly ManagedFieldsEntry[] | undefined,
  subresource: string | undefined,
): readonly ManagedFieldsEntry[] {
  if (subresource !== undefined || sent === undefined || sent.length === 0) return stored ?? [];
  if (isReset(sent)) return [];
  return complaintOf(sent) === undefined ? sent : (stored ?? []);
}

/** The entries after an update from `before` to `after`; `entries` are those it starts from. */
export function trackUpdate(
  { schema, ignored, time }: Tracking,
  writer: Writer,
  entries: readonly ManagedFieldsEntry[],
  before: unknown,
  after: unknown,
): readonly ManagedFieldsEntry[] {
  const { added, removed, modified } = compareFields(schema, before, after);
  const touched = withoutSubtrees(union(added, modified), ignored);
  const gone = withoutSubtrees(removed, ignored);
  if (touched === undefined && gone === undefined) return entries;
  const own = entries.findIndex((entry) => isSameManager(entry, writer, 'Update'));
  const others = entries.flatMap((entry, index) => {
    if (index === own) return [];
    return left(entry, difference(difference(fieldsOfEntry(entry), touched), gone));
  });
  const mine = own < 0 ? undefined : entries[own];
  const fields = union(difference(mine && fieldsOfEntry(mine), gone), touched);
  if (fields === undefined) return sorted(others);
  if (mine !== undefined && sameFields(fields, fieldsOfEntry(mine))) return sorted([...others, mine]);
  return capped(sorted([...others, entryOf(writer, 'Update', fields, time)]));
}

/** A manager owns what an apply would change. */
export interface Conflict {
  readonly entry: ManagedFieldsEntry;
  readonly paths: readonly string[];
}

export interface Applied {
  /** The merged object, not yet defaulted. */
  readonly object: unknown;
  readonly entries: readonly ManagedFieldsEntry[];
  /** Not empty only without `force`; then nothing else counts. */
  readonly conflicts: readonly Conflict[];
}

/**
 * Applies `config` to `live`. Throws ShapeError if the configuration's lists cannot be merged.
 */
export function applyFields(
  tracking: Tracking,
  writer: Writer,
  entries: readonly ManagedFieldsEntry[],
  live: unknown,
  config: unknown,
  { force, yields }: { readonly force: boolean; readonly yields?: Fields | undefined },
): Applied {
  const { schema, ignored, time } = tracking;
  const own = entries.findIndex((entry) => isSameManager(entry, writer, 'Apply'));
  const mine = own < 0 ? undefined : entries[own];
  const others = entries.filter((_, index) => index !== own);
  const fields = withoutSubtrees(fieldsOf(schema, config), ignored);
  const last = mine && fieldsOfEntry(mine);
  const managed = others.reduce((all, entry) => union(all, fieldsOfEntry(entry)), fields);
  const object = pruneFields(schema, mergeFields(schema, live, config), last, managed);
  const { added, removed, modified } = compareFields(schema, live, object);
  const touched = withoutSubtrees(union(added, modified), ignored);
  const gone = withoutSubtrees(removed, ignored);
  const conflicts = others.flatMap((entry) => {
    const both = difference(intersection(fieldsOfEntry(entry), touched), yields);
    return both === undefined ? [] : [{ entry, paths: pathsOf(both) }];
  });
  if (!force && conflicts.length > 0) return { object: live, entries, conflicts };
  const kept = others.flatMap((entry) => left(entry, difference(difference(fieldsOfEntry(entry), touched), gone)));
  if (fields === undefined) return { object, entries: sorted(kept), conflicts: [] };
  const next =
    mine !== undefined && mine.apiVersion === writer.apiVersion && sameFields(fields, last)
      ? mine
      : entryOf(writer, 'Apply', fields, time);
  return { object, entries: sorted([...kept, next]), conflicts: [] };
}

/** The entries of an object that was never tracked, as a first apply finds it: everything belongs to somebody before. */
export function untrackedEntries(
  { schema, ignored, time }: Tracking,
  apiVersion: string,
  live: unknown,
): readonly ManagedFieldsEntry[] {
  const fields = withoutSubtrees(compareFields(schema, {}, live).added, ignored);
  if (fields === undefined) return [];
  return [entryOf({ manager: beforeFirstApply, apiVersion }, 'Update', fields, time)];
}

function entryOf(
  { manager, apiVersion, subresource }: Writer,
  operation: 'Apply' | 'Update',
  fields: Fields,
  time: string,
): ManagedFieldsEntry {
  return {
    manager,
    operation,
    apiVersion,
    time,
    fieldsType: 'FieldsV1',
    fieldsV1: fields,
    ...(subresource === undefined ? {} : { subresource }),
  };
}

/** The entry with what is left of its fields, or none. */
function left(entry: ManagedFieldsEntry, fields: Fields | undefined): readonly ManagedFieldsEntry[] {
  if (fields === undefined) return [];
  return fields === fieldsOfEntry(entry) ? [entry] : [{ ...entry, fieldsV1: fields }];
}

/** Appliers are one manager in whatever version they apply; updaters are another in each. */
function isSameManager(
  entry: ManagedFieldsEntry,
  { manager, apiVersion, subresource }: Writer,
  operation: string,
): boolean {
  return (
    entry.manager === manager &&
    entry.operation === operation &&
    (entry.subresource ?? '') === (subresource ?? '') &&
    (operation === 'Apply' || entry.apiVersion === apiVersion)
  );
}

/** Appliers first, then by time. Source: managedfields internal (sortEncodedManagedFields). */
function sorted(entries: readonly ManagedFieldsEntry[]): readonly ManagedFieldsEntry[] {
  return entries.toSorted(
    (a, b) =>
      compareText(a.operation, b.operation) ||
      compareText(a.time, b.time) ||
      compareText(a.manager, b.manager) ||
      compareText(a.apiVersion, b.apiVersion) ||
      compareText(a.subresource, b.subresource),
  );
}

const compareText = (a = '', b = '') => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Folds the oldest updaters of a version into one, so that an object's entries stay few. `entries` are sorted.
 * Source: managedfields internal (capmanagers.go).
 */
function capped(entries: readonly ManagedFieldsEntry[]): readonly ManagedFieldsEntry[] {
  const updaters = entries.filter(({ operation }) => operation === 'Update');
  let excess = updaters.length - updateManagersMax;
  if (excess <= 0) return entries;
  const byVersion = new Map<string, ManagedFieldsEntry[]>();
  for (const entry of updaters) {
    if (excess <= 0) break;
    const { apiVersion = '' } = entry;
    const group = byVersion.get(apiVersion);
    if (group === undefined) byVersion.set(apiVersion, [entry]);
    else {
      group.push(entry);
      excess--;
    }
  }
  const groups = [...byVersion.values()].filter(({ length }) => length > 1);
  const gone = new Set(groups.flat());
  const folded = groups.map((group) => {
    const { apiVersion = '', time = '' } = group.at(-1)!;
    const fields = group.reduce<Fields | undefined>((all, entry) => union(all, fieldsOfEntry(entry)), undefined);
    return entryOf({ manager: ancient, apiVersion }, 'Update', fields ?? {}, time);
  });
  return sorted([...entries.filter((entry) => !gone.has(entry)), ...folded]);
}
