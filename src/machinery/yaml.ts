/**
 * YAML bodies. Read as Kubernetes reads them: YAML 1.1's scalars (`yes` is true, `0644` is octal) but without its
 * times, base 60 numbers, sets and binaries, which JSON has no place for. Source: sigs.k8s.io/yaml.
 *
 * What a small text can blow up to is bounded: bytes, nesting, aliases and nodes after aliases are followed.
 */
import { isAlias, isMap, isScalar, isSeq, parseAllDocuments, stringify, type Document } from 'yaml';
import { setOwn } from '#lib/set-own.ts';
import { decodeText, exactInteger, nestingMax } from './json.ts';
import { badRequest, tooLarge } from './status-error.ts';

/** Parsing takes about a millisecond a KiB of dense YAML, on the thread that serves everybody. */
export const yamlBytesMax = 1024 * 1024;
/** Values in a body once every alias stands for its own copy. */
const nodesMax = 200_000;

export interface ParsedYaml {
  readonly value: unknown;
  /** Paths of keys that occur more than once in the same map; the last one counts, as in JSON. */
  readonly duplicates: readonly string[];
}

/** Throws `BadRequest` if `body` is not one YAML document of what JSON can say, or one of the bounds is passed. */
export function parseYaml(body: Uint8Array | string): ParsedYaml {
  if (body.length > yamlBytesMax) {
    throw tooLarge(`the YAML body has ${body.length} bytes; at most ${yamlBytesMax} are read, send JSON instead`);
  }
  const text = typeof body === 'string' ? body : decodeText(body);
  const document = onlyDocument(text);
  const walk: Walk = { anchors: new Map(), inAliases: 0, nodes: 0, duplicates: [] };
  const value = document.contents === null ? null : toValue(document.contents, walk, '', 0);
  return { value, duplicates: walk.duplicates };
}

/** A value as YAML, keys in the order they have. */
export function formatYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0, version: '1.1' });
}

const tagsLeftOut = new Set(['binary', 'omap', 'pairs', 'set', 'timestamp'].map((name) => `tag:yaml.org,2002:${name}`));

function onlyDocument(text: string): Document.Parsed {
  let documents: readonly Document.Parsed[];
  try {
    const parsed = parseAllDocuments(text, {
      schema: 'yaml-1.1',
      customTags: (tags) =>
        tags.filter(
          (tag) => typeof tag === 'string' || !(tagsLeftOut.has(tag.tag) || ('format' in tag && tag.format === 'TIME')),
        ),
      // Its own check compares every pair of keys; toValue() finds repeated ones in one pass.
      uniqueKeys: false,
      prettyErrors: true,
      logLevel: 'error',
      intAsBigInt: true,
    });
    documents = 'empty' in parsed ? [] : parsed;
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep(); // the parser recurses
    throw badRequest(`the body is not valid YAML: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  const [document, more] = documents.filter((each) => each.contents !== null || each.errors.length > 0);
  if (document === undefined) throw badRequest('the body is empty; a YAML document is expected');
  if (more !== undefined) throw badRequest('the body has several YAML documents; send one a request');
  const error = document.errors[0];
  if (error?.code === 'RESOURCE_EXHAUSTION') throw tooDeep(); // the composer recurses, too, and keeps its RangeError
  if (error !== undefined) throw badRequest(`the body is not valid YAML: ${error.message}`, error);
  return document;
}

interface Walk {
  /**
   * What each anchor stands for at this point: an alias means the last one before it. The library's own search goes
   * through the whole document for every alias.
   */
  readonly anchors: Map<string, unknown>;
  /** Above 0 while what an alias stands for is copied: that defines nothing anew. */
  inAliases: number;
  nodes: number;
  readonly duplicates: string[];
}

function note(node: unknown, { anchors, inAliases }: Walk): void {
  if (inAliases > 0 || typeof node !== 'object' || node === null || isAlias(node)) return;
  if ('anchor' in node && typeof node.anchor === 'string') anchors.set(node.anchor, node);
}

function toValue(node: unknown, walk: Walk, path: string, depth: number): unknown {
  if (++walk.nodes > nodesMax)
    throw badRequest(`the YAML body has more than ${nodesMax} values once its aliases are followed`);
  if (depth > nestingMax) throw tooDeep();
  if (node === null) return null;
  note(node, walk);
  if (isScalar(node)) return toScalar(node.value, path);
  if (isSeq(node)) return node.items.map((item, index) => toValue(item, walk, `${path}[${index}]`, depth + 1));
  if (isAlias(node)) {
    const target = walk.anchors.get(node.source);
    if (target === undefined) throw badRequest(`unknown YAML alias *${node.source} at ${path}`);
    walk.inAliases++;
    const value = toValue(target, walk, path, depth + 1);
    walk.inAliases--;
    return value;
  }
  if (isMap(node)) return toObject(node.items, walk, path, depth);
  throw badRequest(`the YAML value at ${path} is nothing that JSON can hold`);
}

function toObject(
  items: readonly { key: unknown; value: unknown }[],
  walk: Walk,
  path: string,
  depth: number,
): unknown {
  const object: Record<string, unknown> = {};
  const own = new Set<string>();
  for (const { key: keyNode, value } of items) {
    note(keyNode, walk);
    const isMerge = isScalar(keyNode) && typeof keyNode.value === 'symbol';
    const key = isMerge ? '<<' : keyOf(keyNode, path);
    const keyPath = path === '' ? key : `${path}.${key}`;
    if (isMerge) {
      const merged = toValue(value, walk, keyPath, depth + 1);
      // What a map says itself counts before what it merges in, and the first merged before the later.
      for (const part of Array.isArray(merged) ? merged : [merged]) {
        if (typeof part !== 'object' || part === null) throw badRequest(`the YAML merge at ${keyPath} is no map`);
        for (const [name, each] of Object.entries(part)) if (!Object.hasOwn(object, name)) setOwn(object, name, each);
      }
      continue;
    }
    if (own.has(key)) walk.duplicates.push(keyPath);
    own.add(key);
    setOwn(object, key, toValue(value, walk, keyPath, depth + 1));
  }
  return object;
}

function keyOf(node: unknown, path: string): string {
  if (isScalar(node)) {
    const { value } = node;
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
      return node.source ?? String(value);
    if (value === null && typeof node.source === 'string' && node.source !== '') return node.source;
  }
  throw badRequest(`a YAML key ${path === '' ? 'of the document' : `in ${path}`} is no string`);
}

function toScalar(given: unknown, path: string): unknown {
  const value = typeof given === 'bigint' ? exactInteger(given) : given;
  if (value === undefined) return null;
  if (typeof value === 'number' && !Number.isFinite(value))
    throw badRequest(`the YAML number at ${path} is none of JSON's`);
  if (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    typeof value === 'bigint'
  )
    return value;
  throw badRequest(`the YAML value at ${path} is nothing that JSON can hold`);
}

const tooDeep = () => badRequest(`the YAML body is nested deeper than ${nestingMax} levels`);
