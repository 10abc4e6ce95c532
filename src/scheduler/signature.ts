import type { Pod } from '#api/core/pod.ts';
import { defaultSchedulerName, demandKey, demandOf, templateOf, type Circumstances, type Demand } from './demand.ts';
import { serviceOf } from './service.ts';
import { VolumeBook } from './volumes/volume-book.ts';

/**
 * Stands for all pods with equal scheduling demands: whatever is decided for one of them by looking at nodes holds
 * for all. Compared by identity. Priority, age and a pin to one node are not part of it.
 */
export interface Signature {
  /** Rises with each new signature; never reused. */
  readonly id: number;
  readonly key: string;
  readonly demand: Demand;
  /** The demands without regard to what others mind: what a pod is known by once it has a place. */
  readonly placed: Signature;
}

/** What the demands of a pod without a place depend on, beside the pod itself. */
export type Surroundings = Pick<Circumstances, 'labelsRead' | 'defaultSpread'>;

/** What plugins of a profile look at: see `Demand`. */
export interface SignatureNeeds {
  readonly countsServices?: boolean;
  readonly readsPods?: boolean;
}

/**
 * Interns signatures for as long as somebody (a queued pod, a pod on a node, an evaluation) still holds one, so that
 * 100,000 pods of one Deployment share one.
 */
export class Signatures {
  /** What claims ask is read from here: it changes with what is known of storage. */
  readonly volumes = new VolumeBook();
  #nextId = 1;
  readonly #needs: (schedulerName: string) => SignatureNeeds;
  readonly #byKey = new Map<string, WeakRef<Signature>>();
  readonly #swept = new FinalizationRegistry<string>((key) => {
    if (this.#byKey.get(key)?.deref() === undefined) this.#byKey.delete(key);
  });

  /** `needs` tells of a profile, by its name, what of a pod belongs to its demands beside what decides by itself. */
  constructor({ needs = () => ({}) }: { needs?: (schedulerName: string) => SignatureNeeds } = {}) {
    this.#needs = needs;
  }

  of(pod: Pod, { labelsRead, defaultSpread }: Surroundings = {}): Signature {
    const { countsServices, readsPods } = this.#needs(pod.spec?.schedulerName ?? defaultSchedulerName);
    const service = countsServices === true ? serviceOf(pod) : undefined;
    const template = readsPods === true ? templateOf(pod) : undefined;
    const circumstances = { labelsRead, defaultSpread, service, template, volumes: this.volumes.demandOf(pod) };
    const key = demandKey(pod, circumstances);
    const known = this.#byKey.get(key)?.deref();
    if (known !== undefined) return known;
    const id = this.#nextId++;
    const demand = demandOf(pod, circumstances);
    const signature =
      labelsRead === undefined && defaultSpread === undefined
        ? placedSignature(id, key, demand)
        : { id, key, demand, placed: this.of(pod) };
    this.#byKey.set(key, new WeakRef(signature));
    this.#swept.register(signature, key);
    return signature;
  }

  /** Signatures known now; some may already be unused. */
  get size(): number {
    return this.#byKey.size;
  }
}

/** One that is its own `placed`. */
export function placedSignature(id: number, key: string, demand: Demand): Signature {
  const signature: { id: number; key: string; demand: Demand; placed?: Signature } = { id, key, demand };
  return Object.assign(signature, { placed: signature as Signature }); // it is one from here on
}
