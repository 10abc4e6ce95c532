import { parseExact } from '#machinery/json.ts';
import type { ApiObject, ManagedFieldsEntry } from '#machinery/object.ts';
import type { Key, Revision } from '#store/store.ts';
import type { Layout } from './layout.ts';

/**
 * One object at one revision: its stored bytes, and the object itself once somebody has asked for it. The bytes
 * are shared with the store and the object with every reader; neither is ever changed.
 *
 * The object that readers share leaves `metadata.managedFields` out: nobody in this process looks at it, and it would
 * be as large as the rest. `whole` has it.
 */
export class StoredObject<T extends ApiObject = ApiObject> {
  readonly #layout: Layout<T>;
  readonly key: Key;
  readonly revision: Revision;
  readonly value: Uint8Array;
  #object: T | undefined;

  constructor(layout: Layout<T>, key: Key, value: Uint8Array, revision: Revision, object?: T) {
    this.#layout = layout;
    this.key = key;
    this.value = value;
    this.revision = revision;
    this.#object = object && withoutManagers(object);
  }

  get layout(): Layout<T> {
    return this.#layout;
  }

  /** The object with its resourceVersion and without `metadata.managedFields`; parsed on first use. */
  get object(): T {
    return (this.#object ??= withoutManagers(this.#parse()));
  }

  /** The same with `metadata.managedFields`, sharing everything else; for who writes it or shows all of it. */
  get whole(): T {
    return withManagers(this.object, this.managedFields);
  }

  /** Who manages which of its fields; read out of the bytes each time. Undefined if nobody does. */
  get managedFields(): readonly ManagedFieldsEntry[] | undefined {
    return this.#parse().metadata?.managedFields;
  }

  /** Saves a parse: `object` is what `value` holds, with its resourceVersion. */
  adopt(object: T): void {
    this.#object ??= withoutManagers(object);
  }

  get resourceVersion(): string {
    return String(this.revision);
  }

  get namespace(): string | undefined {
    if (!this.#layout.kind.namespaced) return undefined;
    const start = this.#layout.prefix.length;
    return this.key.slice(start, this.key.indexOf('/', start));
  }

  get name(): string {
    return this.key.slice(this.key.lastIndexOf('/') + 1);
  }

  /** The same content under a later revision: how a deletion presents the last state. */
  at(revision: Revision): StoredObject<T> {
    if (revision === this.revision) return this;
    const object = this.#object;
    return new StoredObject(
      this.#layout,
      this.key,
      this.value,
      revision,
      object && { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } },
    );
  }

  /** Bytes of the JSON that goes over the wire. */
  get wireLength(): number {
    return this.value.byteLength + this.#spliced().length;
  }

  /** Writes the wire form into `target`, returning the offset after it. */
  writeTo(target: Buffer, offset: number): number {
    const { head } = this.#layout;
    target.set(head, offset);
    let end = offset + head.length;
    end += target.write(this.#spliced(), end, 'latin1');
    target.set(this.value.subarray(head.length), end);
    return end + this.value.byteLength - head.length;
  }

  toBuffer(): Buffer {
    const bytes = Buffer.allocUnsafe(this.wireLength);
    this.writeTo(bytes, 0);
    return bytes;
  }

  /** The only part of the wire form that is not stored. */
  #spliced(): string {
    if (this.revision === 0n) return ''; // computed, never stored
    return `"resourceVersion":"${this.revision}",`;
  }

  #parse(): T {
    const { buffer, byteOffset, byteLength } = this.value;
    const json = Buffer.from(buffer, byteOffset, byteLength).toString();
    const object = parseExact(json) as T & { metadata: { resourceVersion: string } };
    object.metadata.resourceVersion = String(this.revision);
    return object;
  }
}

/** The very same object if it has no `metadata.managedFields`. */
function withoutManagers<T extends ApiObject>(object: T): T {
  if (object.metadata?.managedFields === undefined) return object;
  const { managedFields: _managers, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** The object with these entries, or without any. */
export function withManagers<T extends ApiObject>(object: T, entries: readonly ManagedFieldsEntry[] | undefined): T {
  if (entries === undefined || entries.length === 0) return withoutManagers(object);
  return { ...object, metadata: { ...object.metadata, managedFields: entries } };
}
