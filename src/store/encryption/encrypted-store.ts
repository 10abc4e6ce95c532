import {
  Conflict,
  type CallOptions,
  type Change,
  type Entry,
  type Key,
  type Page,
  type Revision,
  type Store,
  type Write,
} from '../store.ts';
import { isSealed, keyNameOf, Opener, Sealer, Unreadable } from './envelope.ts';
import type { KeyEncryptionKey } from './key-ring.ts';

/** What happens to the keys that start with `prefix`. The first rule that fits a key counts. */
export interface EncryptionRule {
  readonly prefix: Key;
  /** New values are sealed under this key; undefined leaves them as they are. */
  readonly writeKey: KeyEncryptionKey | undefined;
  /** Whether values in the clear are handed out, too; if not, they are unreadable. */
  readonly readsPlain: boolean;
}

export interface EncryptionPlan {
  readonly rules: readonly EncryptionRule[];
  /** All that may be needed to read, whatever the rule: what is sealed says with which. */
  readonly keys: readonly KeyEncryptionKey[];
}

interface Transform extends EncryptionRule {
  readonly sealer: Sealer | undefined;
}

/** How a value lies in the store. */
export type Sealing = { readonly is: 'plain' } | { readonly is: 'sealed'; readonly key: string };

/**
 * A store whose values are encrypted on their way to `inner` and decrypted on their way back, by rules on their keys.
 * A value that cannot be opened comes as an entry that says so (`unreadable`), so that one bad value keeps nobody from
 * the others. It owns `inner`.
 */
export class EncryptedStore implements Store {
  readonly #inner: Store;
  #transforms: readonly Transform[] = [];
  #opener = new Opener([]);

  constructor(inner: Store, plan: EncryptionPlan) {
    this.#inner = inner;
    this.use(plan);
  }

  /** From the next call on. */
  use({ rules, keys }: EncryptionPlan): void {
    this.#transforms = rules.map((rule) => ({
      ...rule,
      sealer: rule.writeKey === undefined ? undefined : new Sealer(rule.writeKey),
    }));
    this.#opener = new Opener(keys);
  }

  /** The store below, where values are as they lie. */
  get inner(): Store {
    return this.#inner;
  }

  /** True if a value lies as this store would write it today. */
  isCurrent({ key, value }: Entry): boolean {
    const writeKey = this.#transformOf(key)?.writeKey?.name;
    const sealing = sealingOf(value);
    return sealing.is === 'plain' ? writeKey === undefined : sealing.key === writeKey;
  }

  async get(key: Key, options: CallOptions): Promise<Entry | undefined> {
    const entry = await this.#inner.get(key, options);
    return entry && this.opened(entry);
  }

  async list(prefix: Key, options: Parameters<Store['list']>[1]): Promise<Page> {
    const page = await this.#inner.list(prefix, options);
    return { ...page, entries: page.entries.map((entry) => this.opened(entry)) };
  }

  async commit(writes: readonly Write[], options: CallOptions): Promise<Revision> {
    try {
      return await this.#inner.commit(
        writes.map((write) => this.#sealed(write)),
        options,
      );
    } catch (error) {
      if (!(error instanceof Conflict) || error.current === undefined) throw error;
      throw new Conflict(error.key, this.opened(error.current));
    }
  }

  async *watch(prefix: Key, options: CallOptions & { after: Revision }): AsyncGenerator<readonly Change[]> {
    for await (const changes of this.#inner.watch(prefix, options)) {
      yield changes.map((change) => this.#openedChange(change));
    }
  }

  current(options: CallOptions): Promise<Revision> {
    return this.#inner.current(options);
  }

  compact(at: Revision, options: CallOptions): Promise<void> {
    return this.#inner.compact(at, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  /** An entry of the store below as this store hands it out. */
  opened(entry: Entry): Entry {
    const { key, value } = entry;
    if (!isSealed(value)) {
      return this.#transformOf(key)?.readsPlain === false
        ? {
            ...entry,
            unreadable: 'it lies in the clear, and the encryption configuration has no identity provider for it',
          }
        : entry;
    }
    return new SealedEntry(entry, this.#opener);
  }

  #openedChange(change: Change): Change {
    const { previous } = change;
    const before = previous && this.opened(previous);
    if (change.type === 'delete')
      return before === previous ? change : { ...change, previous: this.opened(change.previous) };
    const entry = this.opened(change.entry);
    if (entry === change.entry && before === previous) return change;
    return { ...change, entry, ...(before === undefined ? {} : { previous: before }) };
  }

  #sealed(write: Write): Write {
    if (write.do !== 'put') return write;
    const sealer = this.#transformOf(write.key)?.sealer;
    return sealer === undefined ? write : { ...write, value: sealer.seal(write.key, write.value) };
  }

  #transformOf(key: Key): Transform | undefined {
    return this.#transforms.find(({ prefix }) => key.startsWith(prefix));
  }
}

export function sealingOf(value: Uint8Array): Sealing {
  if (!isSealed(value)) return { is: 'plain' };
  try {
    return { is: 'sealed', key: keyNameOf(value) };
  } catch {
    return { is: 'sealed', key: '' }; // damaged
  }
}

/** Opened when somebody looks: who has written a value knows it, and most changes are one's own. */
class SealedEntry implements Entry {
  readonly #sealed: Entry;
  readonly #opener: Opener;
  #opened: { readonly value: Uint8Array; readonly unreadable: string | undefined } | undefined;

  constructor(sealed: Entry, opener: Opener) {
    this.#sealed = sealed;
    this.#opener = opener;
  }

  get key(): Key {
    return this.#sealed.key;
  }
  get created(): Revision {
    return this.#sealed.created;
  }
  get modified(): Revision {
    return this.#sealed.modified;
  }
  get value(): Uint8Array {
    return this.#open().value;
  }
  get unreadable(): string | undefined {
    return this.#open().unreadable;
  }

  #open() {
    return (this.#opened ??= this.#tried());
  }

  #tried() {
    const { key, value } = this.#sealed;
    try {
      return { value: this.#opener.open(key, value), unreadable: undefined };
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      return { value, unreadable: error.message };
    }
  }
}
