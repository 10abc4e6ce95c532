import type { KindSource } from '#client/kind-source.ts';
import type { Kind } from '#machinery/kind.ts';
import { fromStore } from '../registry/store-errors.ts';
import { Layout, registryRoot } from '../registry/layout.ts';
import type { Registry } from '../registry/registry.ts';

/** With no more custom kinds than this, all of them are followed, so that owners of which none is left are known for gone. */
const followedMax = 100;

/**
 * Which custom kinds have had objects, so that whoever follows all objects of a cluster need not follow a thousand kinds
 * of which there are none. A kind counts from its first object on, for as long as it is served.
 */
export class KindsInUse implements KindSource {
  readonly #fixed: readonly Kind[];
  /** By folder. */
  readonly #customs = new Map<string, Kind>();
  readonly #used = new Set<string>();
  readonly #unknown = new Set<string>();
  readonly #handlers = new Set<() => void>();
  #kinds: readonly Kind[];

  constructor(fixed: readonly Kind[]) {
    this.#fixed = fixed;
    this.#kinds = fixed;
  }

  get kinds(): readonly Kind[] {
    return this.#kinds;
  }

  /** A custom kind that is served, whether it has objects or not. */
  find(group: string, kind: string): Kind | undefined {
    for (const custom of this.#customs.values()) if (custom.group === group && custom.kind === kind) return custom;
    return undefined;
  }

  onChange(handler: () => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  /** Takes up what is served now, one kind for each custom resource. */
  serve(kinds: readonly Kind[]): void {
    const folders = new Map(kinds.map((kind) => [folderOf(kind), kind]));
    for (const folder of this.#customs.keys()) {
      if (folders.has(folder)) continue;
      this.#customs.delete(folder);
      this.#used.delete(folder);
      this.#unknown.delete(folder);
    }
    for (const [folder, kind] of folders) {
      if (!this.#customs.has(folder)) this.#unknown.add(folder);
      this.#customs.set(folder, kind);
    }
    this.#tell();
  }

  /** Something below the folder has changed. */
  touched(folder: string): void {
    if (!this.#customs.has(folder) || this.#used.has(folder)) return;
    this.#used.add(folder);
    this.#unknown.delete(folder);
    this.#tell();
  }

  /** Looks in the store for objects of the kinds that are new. */
  async look({ store }: Registry, signal: AbortSignal): Promise<void> {
    for (const folder of this.#unknown) {
      const { entries } = await fromStore(store.list(`${registryRoot}${folder}/`, { limit: 1, signal }));
      this.#unknown.delete(folder);
      if (entries.length > 0) this.touched(folder);
    }
  }

  #tell(): void {
    const folders = this.#customs.size <= followedMax ? this.#customs.keys() : this.#used;
    const used = [...folders].flatMap((folder) => this.#customs.get(folder) ?? []);
    const next = [...this.#fixed, ...used];
    if (next.length === this.#kinds.length && next.every((kind, index) => kind === this.#kinds[index])) return;
    this.#kinds = next;
    for (const handler of this.#handlers) handler();
  }
}

const folderOf = (kind: Kind) => new Layout(kind).folder;
