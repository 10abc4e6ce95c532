import { inCategoryAll, placeOf, shortNames, withGeneration } from './names.ts';
import type { Resource } from './resources.ts';

/** The first version of a kind's file; afterwards it belongs to its editors. */
export function kindSource(pkg: string, resource: Resource, verbsDiffer: boolean): string {
  const { group, version, kind, plural, namespaced } = resource;
  const place = placeOf(pkg);
  const names = shortNames[plural];
  const has = (name: string) => resource.subresources.has(name);
  const more = [...resource.subresources].filter(([name]) => name !== 'status' && name !== 'scale');
  const lines = [
    `  group: '${group}',`,
    `  version: '${version}',`,
    `  kind: '${kind}',`,
    `  plural: '${plural}',`,
    `  singular: '${kind.toLowerCase()}',`,
    ...(names === undefined ? [] : [`  shortNames: [${names.map((each) => `'${each}'`).join(', ')}],`]),
    ...(inCategoryAll.has(plural) ? [`  categories: ['all'],`] : []),
    `  namespaced: ${namespaced},`,
    ...(verbsDiffer ? [`  verbs: [${resource.verbs.map((each) => `'${each}'`).join(', ')}],`] : []),
    `  get schema() {`,
    `    return definition('${pkg}.${kind}');`,
    `  },`,
    ...(withGeneration.has(plural) ? [`  hasGeneration: true,`] : []),
  ];
  if (has('status') || has('scale') || more.length > 0) {
    lines.push('  subresources: {');
    if (has('status')) lines.push('    status: true,');
    if (has('scale')) {
      lines.push(
        `    scale: { specReplicas: 'spec.replicas', statusReplicas: 'status.replicas', labelSelector: 'spec.selector' },`,
      );
    }
    if (more.length > 0) {
      lines.push('    more: {');
      for (const [name, sub] of more) {
        const verbs = sub.verbs.map((each) => `'${each}'`).join(', ');
        lines.push(
          `      ${name}: { group: '${sub.kind.group}', version: '${sub.kind.version}', kind: '${sub.kind.kind}', verbs: [${verbs}] },`,
        );
      }
      lines.push('    },');
    }
    lines.push('  },');
  }
  return [
    `import type { Kind } from '#machinery/kind.ts';`,
    `import { definition } from '../definitions.ts';`,
    `import type * as types from './${place.typesFile}';`,
    '',
    `export type ${kind} = types.${kind};`,
    `export const ${kind}: Kind<${kind}> = {`,
    ...lines,
    '};',
    '',
  ].join('\n');
}
