import type { ServiceIndex } from '../service-index.ts';
import { namesOf, type ServiceNames } from './service-records.ts';

/** How long the reverse index is brought up to date before queries get their turn. */
const indexSliceMs = 2;

/**
 * What the names of the cluster lead to, in memory. A name is always answered from the newest that watches brought;
 * the way back, from addresses to names, follows within a few turns of the event loop.
 */
export class Zone implements Disposable {
  readonly #index: Pick<ServiceIndex, 'get' | 'onChange'>;
  readonly #listening: Disposable;
  readonly #names = new Map<string, ServiceNames>();
  readonly #dirty = new Set<string>();
  readonly #byAddress = new Map<string, Map<string, string>>();
  /** Services a namespace, so that `ns.svc` exists where there is one. */
  readonly #namespaces = new Map<string, number>();
  #isScheduled = false;

  constructor(index: Pick<ServiceIndex, 'get' | 'onChange'>) {
    this.#index = index;
    this.#listening = index.onChange((key) => {
      this.#dirty.add(key);
      this.#schedule();
    });
  }

  service(namespace: string, name: string): ServiceNames | undefined {
    const key = `${namespace}/${name}`;
    if (this.#dirty.has(key)) this.#refresh(key);
    return this.#names.get(key);
  }

  hasNamespace(namespace: string): boolean {
    return this.#namespaces.has(namespace);
  }

  /** Names (below the cluster's domain) of an address: `web.default.svc`, `db-0.db.default.svc`. */
  namesOfAddress(ip: string): readonly string[] {
    return [...(this.#byAddress.get(ip)?.keys() ?? [])];
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const since = performance.now();
      for (const key of this.#dirty) {
        this.#refresh(key);
        if (performance.now() - since < indexSliceMs) continue;
        this.#schedule();
        break;
      }
    });
  }

  #refresh(key: string): void {
    this.#dirty.delete(key);
    const before = this.#names.get(key);
    const now = namesOf(this.#index.get(key));
    const namespace = key.slice(0, key.indexOf('/'));
    if (before === undefined && now !== undefined) count(this.#namespaces, namespace, 1);
    if (before !== undefined && now === undefined) count(this.#namespaces, namespace, -1);
    for (const [ip, name] of addressesOf(key, before)) {
      const names = this.#byAddress.get(ip);
      names?.delete(name);
      if (names?.size === 0) this.#byAddress.delete(ip);
    }
    for (const [ip, name] of addressesOf(key, now)) {
      const names = this.#byAddress.get(ip) ?? new Map<string, string>();
      this.#byAddress.set(ip, names.set(name, key));
    }
    if (now === undefined) this.#names.delete(key);
    else this.#names.set(key, now);
  }
}

function count(counts: Map<string, number>, key: string, by: number): void {
  const now = (counts.get(key) ?? 0) + by;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
}

function addressesOf(key: string, names: ServiceNames | undefined): readonly (readonly [string, string])[] {
  if (names === undefined || names.kind === 'alias') return [];
  const [namespace = '', name = ''] = key.split('/');
  const own = `${name}.${namespace}.svc`;
  if (names.kind === 'cluster') return names.ips.map((ip) => [ip, own] as const);
  return names.endpoints.map(({ ip, host }) => [ip, `${host}.${own}`] as const);
}
