import { formatJson, parseExact } from '../json.ts';
import { StatusError, badRequest, tooLarge } from '../status-error.ts';
import { checkPatchValue, isObject, own, sameJson } from './json-value.ts';
import type { JsonObject, JsonValue } from './json-value.ts';

/**
 * RFC 6902 as Kubernetes' API server understands it: negative indexes count from the end, `test` for null holds for
 * an absent member. Source: github.com/evanphx/json-patch v4 and k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
 */
export const operationsMax = 10_000;
/** Total size of what `copy` operations may add, as JSON. */
export const copiedBytesMax = 3 * 1024 * 1024;

interface Operation {
  readonly op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
  readonly path: string;
  readonly from: string;
  /** Undefined if the operation has none. */
  readonly value: JsonValue | undefined;
}

/**
 * Applies every operation or none, and changes neither argument. Throws `BadRequest` for a malformed patch,
 * `RequestEntityTooLarge` for too many operations and `Invalid` (422) for one that does not apply.
 */
export function applyJsonPatch<T extends object>(document: T, patch: unknown): T {
  const operations = parseOperations(patch);
  const editor = new Editor(document as unknown as JsonValue);
  for (const operation of operations) editor.apply(operation);
  if (!isObject(editor.root)) throw doesNotApply('the patched document is not an object');
  return editor.root as unknown as T; // JSON in, JSON out; the caller validates it as a T
}

function parseOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) throw badRequest('JSON patch must be an array of operations');
  if (patch.length > operationsMax) {
    throw tooLarge(`The allowed maximum operations in a JSON patch is ${operationsMax}, got ${patch.length}`);
  }
  checkPatchValue(patch);
  return patch.map((item: unknown, index) => {
    if (!isObject(item)) throw badRequest(`operation ${index} of the JSON patch is not an object`);
    const { op, path, from } = item;
    if (!isOperator(op)) throw badRequest(`operation ${index} of the JSON patch is unknown: ${JSON.stringify(op)}`);
    if (typeof path !== 'string') throw badRequest(`operation ${index} (${op}) of the JSON patch has no path`);
    const needsFrom = op === 'move' || op === 'copy';
    if (needsFrom && typeof from !== 'string') {
      throw badRequest(`operation ${index} (${op}) of the JSON patch has no from`);
    }
    const value = own(item, 'value');
    if (value === undefined && (op === 'add' || op === 'replace')) {
      throw badRequest(`operation ${index} (${op}) of the JSON patch has no value`);
    }
    return { op, path, from: typeof from === 'string' ? from : '', value };
  });
}

const operators = ['add', 'remove', 'replace', 'move', 'copy', 'test'] as const;
const isOperator = (op: unknown): op is Operation['op'] => (operators as readonly unknown[]).includes(op);

/** Upstream answers 422 with a fixed sentence and keeps the cause to itself; ours adds the cause. */
function doesNotApply(detail: string): StatusError {
  const message = `the server rejected our request due to an error in our request: ${detail}`;
  return new StatusError('Invalid', message, { details: { causes: [{ reason: 'InvalidPatch', message: detail }] } });
}

function tokensOf(path: string): string[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw doesNotApply(`path '${path}' does not start with '/'`);
  const tokens = path.slice(1).split('/');
  if (tokens.includes('__proto__')) throw badRequest('patch must not contain the key "__proto__"');
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

type Container = JsonValue[] | Record<string, JsonValue>;

/** A document under change: a container is copied the first time it is written, and then changed in place. */
class Editor {
  root: JsonValue;
  readonly #own = new WeakSet<object>();
  #copiedBytes = 0;

  constructor(root: JsonValue) {
    this.root = root;
  }

  apply({ op, path, from, value = null }: Operation): void {
    switch (op) {
      case 'add':
        return this.#add('add', path, value);
      case 'replace':
        return this.#replace(path, value);
      case 'remove':
        this.#remove('remove', path);
        return;
      case 'move':
        return this.#move(from, path);
      case 'copy':
        return this.#copy(from, path);
      case 'test':
        return this.#test(path, value);
    }
  }

  #add(op: string, path: string, value: JsonValue): void {
    const tokens = tokensOf(path);
    const last = tokens.pop();
    if (last === undefined) {
      this.root = value;
      return;
    }
    const parent = this.#parent(op, path, tokens);
    if (!Array.isArray(parent)) {
      parent[last] = value;
      return;
    }
    const index = last === '-' ? parent.length : indexOf(op, path, last, parent.length + 1);
    parent.splice(index, 0, value);
  }

  #replace(path: string, value: JsonValue): void {
    const tokens = tokensOf(path);
    const last = tokens.pop();
    if (last === undefined) {
      this.root = value;
      return;
    }
    const parent = this.#parent('replace', path, tokens);
    if (Array.isArray(parent)) {
      parent[indexOf('replace', path, last, parent.length)] = value;
      return;
    }
    if (!Object.hasOwn(parent, last)) {
      throw doesNotApply(`replace operation does not apply: doc is missing key: ${path}: missing value`);
    }
    parent[last] = value;
  }

  #remove(op: string, path: string): JsonValue {
    const tokens = tokensOf(path);
    const last = tokens.pop();
    if (last === undefined) throw doesNotApply(`${op} operation does not apply: cannot take the whole document`);
    const parent = this.#parent(op, path, tokens);
    if (Array.isArray(parent)) return parent.splice(indexOf(op, path, last, parent.length), 1)[0] ?? null;
    const value = own(parent, last);
    if (value === undefined) {
      throw doesNotApply(
        `error in ${op} for path: '${path}': Unable to remove nonexistent key: ${last}: missing value`,
      );
    }
    delete parent[last];
    return value;
  }

  #move(from: string, path: string): void {
    if (path.startsWith(`${from}/`)) throw doesNotApply(`cannot move '${from}' into itself ('${path}')`);
    if (from === path && this.#find('move', from) !== undefined) return;
    this.#add('move', path, this.#remove('move', from));
  }

  #copy(from: string, path: string): void {
    const value = this.#find('copy', from);
    if (value === undefined) {
      throw doesNotApply(`copy operation does not apply: doc is missing from path: ${from}: missing value`);
    }
    const json = formatJson(value);
    this.#copiedBytes += Buffer.byteLength(json);
    if (this.#copiedBytes > copiedBytesMax) {
      throw doesNotApply(
        `Unable to complete the copy, the accumulated size increase of copy is ${this.#copiedBytes}, exceeding the limit ${copiedBytesMax}`,
      );
    }
    // A copy of its own, so that a later change of the one is none of the other.
    this.#add('copy', path, parseExact(json) as JsonValue);
  }

  #test(path: string, expected: JsonValue): void {
    if (!sameJson(this.#find('test', path) ?? null, expected)) {
      throw doesNotApply(`testing value ${path} failed: test failed`);
    }
  }

  /** The value at `path`; undefined for an absent member of an object that is there. */
  #find(op: string, path: string): JsonValue | undefined {
    let [value, walked]: [JsonValue | undefined, string] = [this.root, ''];
    for (const token of tokensOf(path)) {
      if (typeof value !== 'object' || value === null) throw missing(op, path);
      walked = `${walked}/${token}`;
      value = Array.isArray(value) ? value[indexOf(op, path, token, value.length)] : own(value as JsonObject, token); // no array, so an object
    }
    return value;
  }

  /** The container at the end of `tokens`, writable. */
  #parent(op: string, path: string, tokens: readonly string[]): Container {
    let container = this.#writable(this.root);
    if (container === undefined) throw missing(op, path);
    this.root = container;
    for (const token of tokens) {
      const key = Array.isArray(container) ? indexOf(op, path, token, container.length) : token;
      const child: Container | undefined = this.#writable(
        Array.isArray(container) ? container[Number(key)] : own(container, token),
      );
      if (child === undefined) throw missing(op, path);
      if (Array.isArray(container)) container[Number(key)] = child;
      else container[token] = child;
      container = child;
    }
    return container;
  }

  #writable(value: JsonValue | undefined): Container | undefined {
    if (typeof value !== 'object' || value === null) return undefined;
    if (this.#own.has(value)) return value as Container; // made writable below
    const copy: Container = Array.isArray(value) ? [...value] : { ...(value as JsonObject) };
    this.#own.add(copy);
    return copy;
  }
}

const missing = (op: string, path: string) =>
  doesNotApply(`${op} operation does not apply: doc is missing path: "${path}": missing value`);

/** An index below `length`; negative ones count from the end. */
function indexOf(op: string, path: string, token: string, length: number): number {
  if (!/^-?\d{1,9}$/.test(token)) {
    throw doesNotApply(`error in ${op} for path: '${path}': value was not a proper array index: '${token}'`);
  }
  const index = Number(token);
  if (index >= length || index < -length) {
    throw doesNotApply(
      `error in ${op} for path: '${path}': Unable to access invalid index: ${index}: invalid index referenced`,
    );
  }
  return index < 0 ? index + length : index;
}
