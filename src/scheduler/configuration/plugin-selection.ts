import { duplicate, invalid, notSupported, type FieldError } from '#machinery/field-error.ts';
import type { FieldReader } from './field-reader.ts';
import {
  accompanyingPoints,
  decidingPoints,
  knownPlugins,
  type AccompanyingPoint,
  type DecidingPoint,
} from './known-plugins.ts';

/** A plugin that takes part at a point, and how much it counts there if that is `score`. */
export interface Chosen {
  readonly name: string;
  readonly weight: number;
  /** The field that named it; undefined for one that is on by default. */
  readonly field?: string;
}

/** Which plugins a profile asks where, in order. */
export type PluginSelection = Readonly<Record<DecidingPoint, readonly Chosen[]>>;

/** What one extension point's `enabled` and `disabled` say. */
interface PluginSet {
  readonly enabled: readonly Chosen[];
  readonly disabled: ReadonlySet<string>;
}

const noSet: PluginSet = { enabled: [], disabled: new Set() };
const everything = '*';

/**
 * Reads `plugins` of a profile. Defaults are what `multiPoint` has unless it says otherwise; what a single extension
 * point says goes before that; enabling goes before disabling. A plugin that is enabled without a weight counts once.
 * Source: k8s.io/kubernetes/pkg/scheduler/framework/runtime (expandMultiPointPlugins), apis/config/v1 (mergePluginSet).
 *
 * `custom` are the names of the operator's own plugins: they may be named anywhere.
 */
export function readPlugins(
  plugins: FieldReader | undefined,
  custom: ReadonlySet<string>,
  warn: (text: string) => void,
): PluginSelection {
  const setAt = (point: DecidingPoint | AccompanyingPoint | 'multiPoint') => readSet(plugins, point, custom, warn);
  const multi = setAt('multiPoint');
  const given = new Map(decidingPoints.map((point) => [point, setAt(point)]));
  for (const point of accompanyingPoints) {
    const { enabled, disabled } = setAt(point);
    if (point === 'queueSort' && disabled.size > 0 && enabled.length === 0) {
      plugins?.refuse(invalid(plugins.at(point), 'disabled', 'pods are always sorted by PrioritySort'));
    } else if (enabled.length + disabled.size > 0 && point !== 'queueSort') {
      warn(
        `${plugins?.at(point) ?? point} has no effect of its own: plugins are chosen at ${decidingPoints.join(', ')}`,
      );
    }
  }
  plugins?.done();
  const broad = merged(
    Object.entries(knownPlugins).map(([name, { weight = 1 }]) => ({ name, weight })),
    multi,
  );
  const at = (point: DecidingPoint) =>
    merged(
      broad.filter(({ name }) => custom.has(name) || knownPlugins[name]?.points.includes(point) === true),
      given.get(point) ?? noSet,
    );
  return {
    filter: at('filter'),
    postFilter: at('postFilter'),
    score: at('score'),
    reserve: at('reserve'),
    permit: at('permit'),
    bind: at('bind'),
  };
}

/** `before` without what is disabled; what is enabled takes its place there, or follows. */
function merged(before: readonly Chosen[], { enabled, disabled }: PluginSet): readonly Chosen[] {
  const anew = new Map(enabled.map((each) => [each.name, each]));
  const kept = before.flatMap((each): readonly Chosen[] => {
    const again = anew.get(each.name);
    anew.delete(each.name);
    if (again !== undefined) return [again];
    return disabled.has(everything) || disabled.has(each.name) ? [] : [each];
  });
  return [...kept, ...anew.values()];
}

function readSet(
  plugins: FieldReader | undefined,
  point: DecidingPoint | AccompanyingPoint | 'multiPoint',
  custom: ReadonlySet<string>,
  warn: (text: string) => void,
): PluginSet {
  const set = plugins?.object(point);
  if (set === undefined) return noSet;
  const [enabled, disabled] = [set.objects('enabled'), set.objects('disabled')];
  set.done();
  const chosen = enabled.flatMap((entry): readonly Chosen[] => {
    const name = entry.text('name', { required: true });
    const weight =
      entry.whole('weight', { min: 1, hint: 'a plugin that is not to count is turned off under "disabled"' }) ?? 1;
    entry.done();
    if (name === undefined) return [];
    const errors = nameErrors(entry.at('name'), name, point, custom);
    entry.refuse(...errors);
    if (errors.length > 0) return [];
    if (knownPlugins[name]?.missing === true) warn(`${entry.path}: Tutti has no ${name} yet, so it decides nothing`);
    return [{ name, weight, field: entry.path }];
  });
  for (const [index, { name }] of chosen.entries()) {
    if (chosen.findIndex((each) => each.name === name) < index) {
      set.refuse(duplicate(set.at(`enabled[${index}].name`), name));
    }
  }
  const names = disabled.flatMap((entry): readonly string[] => {
    const name = entry.text('name', { required: true });
    entry.any('weight');
    entry.done();
    if (name === undefined) return [];
    const errors = name === everything ? [] : nameErrors(entry.at('name'), name, point, custom);
    entry.refuse(...errors);
    if (knownPlugins[name]?.fixed === true) {
      entry.refuse(invalid(entry.at('name'), name, 'is part of how Tutti works and cannot be turned off'));
    }
    return errors.length > 0 ? [] : [name];
  });
  return { enabled: chosen, disabled: new Set(names) };
}

function nameErrors(
  field: string,
  name: string,
  point: DecidingPoint | AccompanyingPoint | 'multiPoint',
  custom: ReadonlySet<string>,
): readonly FieldError[] {
  if (custom.has(name)) return [];
  const known = Object.hasOwn(knownPlugins, name) ? knownPlugins[name] : undefined;
  const fitting = Object.entries(knownPlugins).filter(
    ([, { points }]) => point === 'multiPoint' || points.includes(point),
  );
  const names = [...fitting.map(([each]) => each), ...custom];
  if (known === undefined) {
    return [notSupported(field, name, names)];
  }
  if (point === 'multiPoint' || known.points.includes(point)) return [];
  return [invalid(field, name, `does nothing at ${point}; those that do are ${names.join(', ')}`)];
}
