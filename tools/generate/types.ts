import { alwaysPresent, placeOf, type Place } from './names.ts';
import type { FieldRow, Row } from '#api/definitions.ts';

/** Generated types that already exist, written by hand, in `machinery/object.ts`. */
const handWritten = new Set(['ListMeta', 'ManagedFieldsEntry', 'ObjectMeta', 'OwnerReference']);

const scalars: Readonly<Record<string, string>> = {
  string: 'string',
  byte: 'string',
  time: 'string',
  microtime: 'string',
  quantity: 'string',
  intorstring: 'number | string',
  int32: 'number',
  int64: 'number',
  integer: 'number',
  double: 'number',
  number: 'number',
  bool: 'boolean',
};

/** The TypeScript source of one package's types. */
export function typesSource(place: Place, table: Readonly<Record<string, Row>>): string {
  const imports = new Set<string>();
  const local = (pkg: string, name: string): string => {
    if (placeOf(pkg).area === 'machinery' && handWritten.has(name)) {
      imports.add('object');
      return `object.${name}`;
    }
    if (pkg === place.pkg) return name;
    imports.add(pkg);
    return `${placeOf(pkg).alias}.${name}`;
  };
  const typeOf = (code: string): string => {
    if (code.startsWith('*')) return typeOf(code.slice(1));
    if (code.startsWith('[]')) {
      const element = typeOf(code.slice(2));
      return element.includes(' ') ? `readonly (${element})[]` : `readonly ${element}[]`;
    }
    if (code.startsWith('{}')) return `Readonly<Record<string, ${typeOf(code.slice(2))}>>`;
    const scalar = scalars[code.replace(/=$/, '')];
    if (scalar !== undefined) return scalar;
    const hash = code.indexOf('#');
    if (hash < 0) return local(place.pkg, code);
    const pkg = code.slice(0, hash);
    const name = code.slice(hash + 1);
    if (pkg === 'io.k8s.apimachinery.pkg.runtime') return 'Readonly<Record<string, unknown>>';
    return local(pkg, name);
  };
  const body: string[] = [];
  for (const name of Object.keys(table).toSorted()) {
    const row = table[name]!;
    if (place.area === 'machinery' && handWritten.has(name)) continue;
    if (row.a !== undefined) {
      body.push(`export type ${name} = ${row.a === 'any' ? 'unknown' : 'Readonly<Record<string, unknown>>'};`);
      continue;
    }
    const required = new Set(row.r);
    const lines = Object.entries(row.f ?? {}).map(([field, [, code]]) => {
      const present =
        required.has(field) ||
        alwaysPresent.has(`${place.pkg}.${name}.${field}`) ||
        (field === 'spec' && isValueStruct(code)) ||
        (field === 'metadata' && name.endsWith('List') && row.g !== undefined);
      const key = /^[A-Za-z_$][\w$]*$/.test(field) ? field : JSON.stringify(field);
      return `  readonly ${key}${present ? '' : '?'}: ${typeOf(code)};`;
    });
    body.push(
      lines.length === 0
        ? `export type ${name} = Readonly<Record<string, never>>;`
        : `export interface ${name} {\n${lines.join('\n')}\n}`,
    );
  }
  const head = [...imports].toSorted().map((pkg) => {
    if (pkg === 'object')
      return `import type * as object from '${place.area === 'machinery' ? './object.ts' : '#machinery/object.ts'}';`;
    const other = placeOf(pkg);
    const from =
      other.area === 'machinery'
        ? '#machinery/meta.generated.ts'
        : other.area === place.area
          ? `./${other.typesFile}`
          : `../${other.area}/${other.typesFile}`;
    return `import type * as ${other.alias} from '${from}';`;
  });
  return `// Written by tools/generate-api.ts from Kubernetes v1.35's published schemas. Do not edit.\n${head.join('\n')}${head.length === 0 ? '' : '\n'}\n${body.join('\n\n')}\n`;
}

/** A struct that is always there in Go (`spec`), unlike a pointer to one. */
function isValueStruct(code: FieldRow[1]): boolean {
  return /^([A-Z]|.*#)/.test(code) && !code.startsWith('*');
}
