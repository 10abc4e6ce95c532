import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { ApiObject } from '#machinery/object.ts';
import { parseYaml } from '#machinery/yaml.ts';
import { UsageError } from './fail.ts';

/** Objects of one call. */
const objectsMax = 5_000;
const extensions = new Set(['.yaml', '.yml', '.json']);

/**
 * The objects that files hold, in their order: YAML of one or more documents, JSON, `List`s, a directory's files by
 * name (not its subdirectories), or standard input (`-`). Throws `UsageError` that names the file and the document.
 */
export async function readManifests(files: readonly string[]): Promise<readonly ApiObject[]> {
  const objects: ApiObject[] = [];
  for (const file of await expand(files)) {
    const content = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
    objects.push(...parseManifest(content, file === '-' ? 'standard input' : file));
    if (objects.length > objectsMax)
      throw new UsageError(`There are more than ${objectsMax} objects.`, 'plan them in parts');
  }
  if (objects.length === 0) throw new UsageError(`${files.join(', ')} holds no objects.`, 'name a file with some');
  return objects;
}

async function expand(files: readonly string[]): Promise<readonly string[]> {
  const all: string[] = [];
  for (const file of files) {
    if (file === '-') all.push(file);
    else if ((await found(file)).isDirectory()) {
      const names = (await readdir(file)).filter((name) => extensions.has(path.extname(name))).toSorted();
      all.push(...names.map((name) => path.join(file, name)));
    } else all.push(file);
  }
  return all;
}

async function found(file: string): Promise<Awaited<ReturnType<typeof stat>>> {
  try {
    return await stat(file);
  } catch (error) {
    throw new UsageError(`"${file}" cannot be read: ${(error as Error).message}.`, 'name a file, a directory or "-"');
  }
}

/** The objects of one file's text. `source` names it in errors. */
export function parseManifest(content: string, source: string): readonly ApiObject[] {
  const documents = content.split(/^---(?:[ \t].*)?$/m);
  return documents.flatMap((document, index) => {
    if (document.split('\n').every((line) => /^\s*(#.*)?$/.test(line))) return [];
    const place = documents.length === 1 ? source : `document ${index + 1} of ${source}`;
    let value: unknown;
    try {
      const parsed = parseYaml(document);
      const [twice] = parsed.duplicates;
      if (twice !== undefined) throw new Error(`key "${twice}" is there twice`);
      value = parsed.value;
    } catch (error) {
      throw new UsageError(`${place}: ${(error as Error).message}.`, 'mend the file');
    }
    return objectsOf(value, place);
  });
}

function objectsOf(value: unknown, place: string): readonly ApiObject[] {
  if (typeof value !== 'object' || value === null) throw new UsageError(`${place} is no object.`, 'mend the file');
  const { apiVersion, kind, metadata, items } = value as ApiObject & { readonly items?: unknown };
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    throw new UsageError(`${place} has no apiVersion and kind.`, 'say what the object is');
  }
  if (kind.endsWith('List') && Array.isArray(items)) return items.flatMap((item) => objectsOf(item, place));
  if (typeof metadata?.name !== 'string' || metadata.name === '') {
    throw new UsageError(`${place}: the ${kind} has no metadata.name.`, 'name it; names cannot be generated here');
  }
  return [value];
}
