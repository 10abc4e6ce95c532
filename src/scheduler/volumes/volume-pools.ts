import type { PersistentVolume } from '#api/core/persistent-volume.ts';
import type { NodeSelector } from '#api/core/types.generated.ts';
import type { Selector } from '#machinery/labels.ts';
import { toUnits } from '#machinery/quantity.ts';
import { matchAnyTerm, type NodeLike, type NodeMatcher } from '../node-selector.ts';
import type { UnboundClaim } from './volume-demand.ts';

/** Available volumes that are equal but for their names: whatever takes one of them takes any. */
export interface Pool {
  /** Equal for equal volumes. */
  readonly key: string;
  readonly className: string;
  readonly bytes: number;
  readonly accessModes: readonly string[];
  readonly volumeMode: string;
  readonly attributesClass: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly reaches: NodeMatcher;
  /** Host names of the only nodes that reach it, where its affinity names them. */
  readonly hosts: readonly string[] | undefined;
  /** In alphabetical order. */
  readonly names: readonly string[];
}

interface MutablePool extends Pool {
  readonly names: string[];
}

interface ClassPools {
  readonly byHost: Map<string, Set<MutablePool>>;
  readonly others: Set<MutablePool>;
}

export const hostKey = 'kubernetes.io/hostname';
const everywhere: NodeMatcher = () => true;

/** All volumes that a claim may be bound to, pooled, and found by class and node. */
export class VolumePools {
  readonly #byKey = new Map<string, MutablePool>();
  readonly #byName = new Map<string, MutablePool>();
  readonly #classes = new Map<string, ClassPools>();

  /** Adds a volume; returns its pool. */
  add(name: string, volume: PersistentVolume): Pool {
    const text = poolKeyOf(volume);
    let pool = this.#byKey.get(text);
    if (pool === undefined) {
      pool = poolOf(text, volume);
      this.#byKey.set(text, pool);
      this.#index(pool);
    }
    pool.names.splice(position(pool.names, name), 0, name);
    this.#byName.set(name, pool);
    return pool;
  }

  /** True if the volume is here as it is now. */
  has(name: string, volume: PersistentVolume): boolean {
    const pool = this.#byName.get(name);
    return pool !== undefined && pool.key === poolKeyOf(volume);
  }

  /** Takes a volume out; returns the pool it was in. */
  delete(name: string): Pool | undefined {
    const pool = this.#byName.get(name);
    if (pool === undefined) return undefined;
    this.#byName.delete(name);
    pool.names.splice(position(pool.names, name), 1);
    if (pool.names.length === 0) {
      this.#byKey.delete(pool.key);
      this.#unindex(pool);
    }
    return pool;
  }

  /**
   * The smallest volume that satisfies the claim and that the node reaches; `taken` says how many of a pool are spoken
   * for. Which pool goes first does not depend on names: so whether several claims find volumes depends only on how
   * many there are.
   * Source: k8s.io/component-helpers/storage/volume (FindMatchingVolume).
   */
  find(claim: UnboundClaim, selector: Selector | undefined, node: NodeLike, taken: ReadonlyMap<Pool, number>) {
    const pools = this.#classes.get(claim.className);
    if (pools === undefined) return undefined;
    let best: { readonly pool: Pool; readonly name: string } | undefined;
    for (const pool of candidates(pools, node)) {
      const name = pool.names[taken.get(pool) ?? 0];
      if (name === undefined || (best !== undefined && !isBefore(pool, best.pool))) continue;
      if (satisfies(pool, claim, selector) && pool.reaches(node)) best = { pool, name };
    }
    return best;
  }

  #index(pool: MutablePool): void {
    let pools = this.#classes.get(pool.className);
    if (pools === undefined) {
      pools = { byHost: new Map(), others: new Set() };
      this.#classes.set(pool.className, pools);
    }
    if (pool.hosts === undefined) pools.others.add(pool);
    for (const host of pool.hosts ?? []) {
      const there = pools.byHost.get(host);
      if (there === undefined) pools.byHost.set(host, new Set([pool]));
      else there.add(pool);
    }
  }

  #unindex(pool: MutablePool): void {
    const pools = this.#classes.get(pool.className);
    pools?.others.delete(pool);
    for (const host of pool.hosts ?? []) {
      const there = pools?.byHost.get(host);
      there?.delete(pool);
      if (there?.size === 0) pools?.byHost.delete(host);
    }
    if (pools?.others.size === 0 && pools.byHost.size === 0) this.#classes.delete(pool.className);
  }
}

function* candidates({ byHost, others }: ClassPools, node: NodeLike): Iterable<Pool> {
  yield* others;
  const host = node.label(hostKey);
  const there = host === undefined ? undefined : byHost.get(host);
  if (there !== undefined) yield* there;
}

function isBefore(a: Pool, b: Pool): boolean {
  return a.bytes === b.bytes ? a.key < b.key : a.bytes < b.bytes;
}

function satisfies(pool: Pool, claim: UnboundClaim, selector: Selector | undefined): boolean {
  return (
    pool.bytes >= claim.bytes &&
    pool.volumeMode === claim.volumeMode &&
    pool.attributesClass === claim.attributesClass &&
    claim.accessModes.every((mode) => pool.accessModes.includes(mode)) &&
    (selector === undefined || selector.matches(pool.labels))
  );
}

/** Equal for volumes that are equal but for their names. */
export function poolKeyOf({ metadata, spec }: PersistentVolume): string {
  const { storageClassName, capacity, accessModes, volumeMode, volumeAttributesClassName, nodeAffinity } = spec;
  const text = [storageClassName, capacity?.['storage'], accessModes, volumeMode, volumeAttributesClassName];
  return JSON.stringify([text, metadata?.labels, nodeAffinity?.required]);
}

function poolOf(key: string, { metadata, spec }: PersistentVolume): MutablePool {
  const affinity = spec.nodeAffinity?.required;
  return {
    key,
    className: spec.storageClassName ?? '',
    bytes: bytesOf(spec.capacity),
    accessModes: spec.accessModes ?? [],
    volumeMode: spec.volumeMode ?? 'Filesystem',
    attributesClass: spec.volumeAttributesClassName ?? '',
    labels: metadata?.labels ?? {},
    reaches: affinity === undefined ? everywhere : matchAnyTerm(affinity.nodeSelectorTerms),
    hosts: affinity === undefined ? undefined : hostsOf(affinity),
    names: [],
  };
}

/** Amounts of storage beyond 2^53 bytes are not told apart. */
export const bytesOf = (amounts: Readonly<Record<string, string>> | undefined) => toUnits(amounts?.['storage'] ?? 0);

function hostsOf({ nodeSelectorTerms }: NodeSelector): readonly string[] | undefined {
  const hosts: string[] = [];
  for (const { matchExpressions = [] } of nodeSelectorTerms) {
    const named = matchExpressions.find(({ key, operator }) => key === hostKey && operator === 'In');
    if (named === undefined) return undefined;
    hosts.push(...(named.values ?? []));
  }
  return hosts;
}

/** Where `name` stands, or would. */
function position(names: readonly string[], name: string): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((names[middle] ?? '') < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
