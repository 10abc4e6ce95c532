import { formatJson, parseExact } from '#machinery/json.ts';
import { definition } from '#api/definitions.ts';
import { builtinKinds } from '#api/kinds.ts';
import { conform } from '#machinery/conform.ts';
import { apiVersionOf, type Kind } from '#machinery/kind.ts';
import { tooLarge } from '#machinery/status-error.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import type { Entry, Key } from '#store/store.ts';
import { StoredObject } from './stored-object.ts';
import { Unreadable } from './unreadable.ts';

/** Everything the API stores lies under this. */
export const registryRoot: Key = '/registry/';

/** Bytes of one encoded object, above which it is refused: etcd's limit, kept for every store. */
export const objectBytesMax = 1_536 * 1024;

const encoder = new TextEncoder();
const builtInSchemas: ReadonlySet<object> = new Set(builtinKinds.map(({ schema }) => schema));

/**
 * Where and how the objects of one kind lie in the store: `/registry/<group or core>/<plural>[/<namespace>]/<name>`,
 * as JSON without `metadata.resourceVersion` (that is the store's revision). The JSON always opens with `head`
 * (apiVersion, kind and the brace of metadata), so that the version can be spliced in without parsing.
 */
export class Layout<T extends ApiObject = ApiObject> {
  readonly kind: Kind<T>;
  /** `core/pods`: what names the kind inside a key. */
  readonly folder: string;
  readonly prefix: Key;
  readonly head: Buffer;
  readonly #isBuiltIn: boolean;

  constructor(kind: Kind<T>) {
    this.kind = kind;
    this.#isBuiltIn = builtInSchemas.has(kind.schema);
    this.folder = `${kind.group === '' ? 'core' : kind.group}/${kind.plural}`;
    this.prefix = `${registryRoot}${this.folder}/`;
    this.head = Buffer.from(
      `{"apiVersion":${JSON.stringify(apiVersionOf(kind))},"kind":${JSON.stringify(kind.kind)},"metadata":{`,
    );
  }

  key({ namespace, name }: ObjectRef): Key {
    return this.kind.namespaced ? `${this.prefix}${namespace ?? ''}/${name}` : `${this.prefix}${name}`;
  }

  /** The prefix of all keys of a namespace; of the kind, without one. */
  prefixIn(namespace: string | undefined): Key {
    return namespace === undefined || !this.kind.namespaced ? this.prefix : `${this.prefix}${namespace}/`;
  }

  /** The bytes to store. Throws RequestEntityTooLarge. */
  encode(object: T): Uint8Array {
    const { apiVersion: _a, kind: _k, metadata, ...rest } = object;
    const { resourceVersion: _r, ...meta } = metadata ?? {};
    const json = formatJson({
      apiVersion: apiVersionOf(this.kind),
      kind: this.kind.kind,
      metadata: meta,
      ...rest,
    });
    // A buffer of its own: pooled ones would be copied whole, neighbours included, when handed to a worker.
    const bytes = encoder.encode(json);
    if (bytes.byteLength > objectBytesMax) {
      throw tooLarge(
        `${this.kind.kind} "${metadata?.name ?? ''}" is too large: ${bytes.byteLength} bytes encoded, at most ${objectBytesMax} are stored; move data into several objects`,
      );
    }
    return bytes;
  }

  /**
   * An object out of the store, as this server would have stored it: who wrote it may have been another version, which
   * knew fewer defaults or more fields. Throws Unreadable for a value that is no such object, so that
   * nothing behind ever meets one; custom resources, whose schema changes under them, need sound metadata alone.
   */
  decode(entry: Entry): StoredObject<T> {
    const { key, modified } = entry;
    if (entry.unreadable !== undefined) throw new Unreadable(key, entry.unreadable);
    let value: Uint8Array;
    let object: T;
    try {
      value = this.#canonical(entry.value);
      object = parseValue(value) as T;
    } catch (error) {
      throw new Unreadable(key, `its value is no ${this.kind.kind}`, error);
    }
    const today = this.#today(object, key);
    return today === object
      ? new StoredObject(this, key, value, modified)
      : new StoredObject(this, key, this.encode(today), modified);
  }

  /** The very same object if nothing is to be done. */
  #today(object: T, key: Key): T {
    const { value, errors } = conform(this.kind.schema, object);
    const complaint = this.#isBuiltIn ? errors[0] : metadataComplaint(object);
    if (complaint !== undefined) throw new Unreadable(key, complaint);
    const { name, namespace } = object.metadata ?? {};
    if (key !== this.key({ name: name ?? '', namespace: namespace ?? '' })) {
      throw new Unreadable(key, `it says that it is ${this.key({ name: name ?? '', namespace: namespace ?? '' })}`);
    }
    if (errors.length > 0) return object;
    const conforming = value as T; // it conforms to the schema that T was generated from
    return this.kind.defaults?.(conforming) ?? conforming;
  }

  /** Values written by anything else than `encode()` are brought into its form. */
  #canonical(value: Uint8Array): Uint8Array {
    return this.head.compare(value, 0, this.head.length) === 0 ? value : this.encode(parseValue(value) as T);
  }
}

export function parseValue({ buffer, byteOffset, byteLength }: Uint8Array): unknown {
  return parseExact(Buffer.from(buffer, byteOffset, byteLength).toString());
}

function metadataComplaint({ metadata }: ApiObject): string | undefined {
  return conform(definition('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'), metadata).errors[0];
}
