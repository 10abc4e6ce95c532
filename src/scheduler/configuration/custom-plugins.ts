import { duplicate, invalid, required } from '#machinery/field-error.ts';
import type { FieldReader } from './field-reader.ts';
import { knownPlugins } from './known-plugins.ts';

/** A plugin of the operator's own, as the configuration names it. */
export interface CustomPluginEntry {
  readonly name: string;
  /** A path, absolute or from the configuration's folder on. */
  readonly module: string;
  readonly args: unknown;
  readonly callTimeoutMs: number;
  readonly waitTimeoutMs: number;
  /** Where it stands in the file. */
  readonly field: string;
}

const pluginsMax = 32;
const callTimeout = { usualMs: 500, minMs: 10, maxMs: 5_000 };
const waitTimeout = { usualSeconds: 60, maxSeconds: 900 };

/** Reads `tuttiPlugins`, which upstream does not have. */
export function readCustomPlugins(root: FieldReader): readonly CustomPluginEntry[] {
  const entries = root.objects('tuttiPlugins');
  if (entries.length > pluginsMax)
    root.refuse(invalid('tuttiPlugins', entries.length, `at most ${pluginsMax} plugins`));
  const seen = new Set<string>();
  return entries.flatMap((entry): readonly CustomPluginEntry[] => {
    const name = entry.text('name', { required: true });
    const module = entry.text('module', { required: true });
    const args = entry.any('args');
    const callTimeoutMs = entry.whole('callTimeoutMilliseconds', { min: callTimeout.minMs, max: callTimeout.maxMs });
    const waitTimeoutSeconds = entry.whole('waitTimeoutSeconds', { min: 1, max: waitTimeout.maxSeconds });
    entry.done();
    if (name === undefined || module === undefined) return [];
    if (!/^[A-Za-z][A-Za-z0-9._-]{0,62}$/.test(name)) {
      entry.refuse(invalid(entry.at('name'), name, 'must be a letter and up to 62 letters, digits, ".", "_" or "-"'));
    } else if (Object.hasOwn(knownPlugins, name)) {
      entry.refuse(invalid(entry.at('name'), name, 'is the name of a built-in plugin: choose another'));
    } else if (seen.has(name)) entry.refuse(duplicate(entry.at('name'), name));
    seen.add(name);
    if (!/^(\.{0,2}\/|[^/:]+\/)|\.[cm]?[jt]s$/.test(module)) {
      entry.refuse(required(entry.at('module'), `"${module}" is no path of a file: write "./${module}.ts"`));
    }
    return [
      {
        name,
        module,
        args,
        callTimeoutMs: callTimeoutMs ?? callTimeout.usualMs,
        waitTimeoutMs: (waitTimeoutSeconds ?? waitTimeout.usualSeconds) * 1000,
        field: entry.path,
      },
    ];
  });
}
