import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The areas in their order (docs/architecture.md): a file may import from its own area and from those before it. */
const areas = [
  'lib',
  'machinery',
  'api',
  'store',
  'client',
  'apiserver',
  'controllers',
  'scheduler',
  'agent',
  'network',
  'dialects',
  'cluster',
  'cmd',
] as const;

/** These meet in `client/` alone: they import neither each other, nor the store, nor the API server. */
const apart = new Set<string>(['controllers', 'scheduler', 'agent', 'network', 'dialects']);
const outOfReach = new Set<string>([...apart, 'store', 'apiserver']);
/** Tests may set up a real cluster's parts. */
const isTest = (file: string) => /\.test\.ts$|\/testing\//.test(file);

/** Every way in which `source`, the text of `file` (relative to src/), breaks the rules. */
export function importFaults(file: string, source: string): readonly string[] {
  const own = file.split('/')[0]!;
  const faults: string[] = [];
  for (const [, specifier] of source.matchAll(/(?:from|import|import\()\s*'([^']+)'/g)) {
    if (specifier === undefined || specifier.startsWith('node:')) continue;
    if (specifier.startsWith('.')) {
      const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
      if (own !== file && target.split('/')[0] !== own)
        faults.push(`${file}: reaches ${target} by a relative path; write #${target}`);
      continue;
    }
    const area = /^#([a-z]+)\//.exec(specifier)?.[1];
    if (area === undefined || area === 'test' || own === file) continue;
    const rank = areas.indexOf(area as (typeof areas)[number]);
    if (rank < 0) faults.push(`${file}: ${specifier} names no area`);
    else if (area === own) faults.push(`${file}: imports its own area as ${specifier}; write a relative path`);
    else if (isTest(file)) continue;
    else if (rank > areas.indexOf(own as (typeof areas)[number]))
      faults.push(`${file}: ${own} may not import ${area}, which comes after it`);
    else if (apart.has(own) && outOfReach.has(area))
      faults.push(`${file}: ${own} may not import ${area}; they meet in client`);
  }
  return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const src = path.join(import.meta.dirname, '..', 'src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const faults = files.flatMap((file) => importFaults(file, readFileSync(path.join(src, file), 'utf8')));
  for (const fault of faults) console.error(fault);
  console.log(`${files.length} files, ${faults.length} wrong imports`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
