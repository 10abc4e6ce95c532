import { ResourceQuota } from '#api/core/resource-quota.ts';
import { quotaEvaluatorOf } from '#api/quota/quota-evaluator.ts';
import { abortable } from '#lib/abortable.ts';
import type { Clock } from '#lib/clock.ts';
import type { ApiObject } from '#machinery/object.ts';
import { conflict, forbiddenRequest } from '#machinery/status-error.ts';
import type { Key, Revision, Write } from '#store/store.ts';
import type { AdmissionRequest } from '../admission/admission.ts';
import { listStored } from '../registry/list-all.ts';
import type { Registry } from '../registry/registry.ts';
import type { Resource } from '../registry/resource.ts';
import { isConflict } from '../registry/store-errors.ts';
import { StoredObject, withManagers } from '../registry/stored-object.ts';
import type { Committed, Ledger } from '../verbs/pipeline.ts';
import { type ChargeRequest, planCharge } from './plan-charge.ts';

/**
 * How often a write is tried that others keep outrunning. Within a server writers of a namespace take turns, so it is
 * other servers, and whoever sums up usage, that this one competes with.
 */
const attemptsMax = 100;

interface QuotaWrite {
  readonly quota: ResourceQuota;
  readonly write: Write & { readonly do: 'put' };
}

/**
 * Holds writes against the ResourceQuotas of their namespace. What an object uses up is added to the status of each
 * quota in the very commit that writes the object, guarded by the quota's revision: a quota is never exceeded, not even
 * for a moment and not by several servers on one store, and a write that fails has used up nothing. What goes away is
 * given back by the controller, which sums up anew.
 */
export class QuotaLedger implements Ledger {
  readonly #registry: Registry;
  readonly #quotas: Resource<ResourceQuota>;
  readonly #clock: Clock;
  /** The last in the row of each namespace. */
  readonly #turns = new Map<string, Promise<void>>();
  /** By namespace that has a row, what this one has written last. */
  readonly #written = new Map<string, Map<Key, StoredObject<ResourceQuota>>>();

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#quotas = registry.of(ResourceQuota);
    this.#clock = clock;
  }

  async charge<T extends ApiObject>(
    request: AdmissionRequest,
    signal: AbortSignal,
    commit: (alongside: readonly Write[]) => Promise<Committed<T>>,
  ): Promise<Committed<T>> {
    const { attributes, operation, object } = request;
    const { kind, namespace, subresource } = attributes;
    const evaluator = kind === undefined ? undefined : quotaEvaluatorOf(kind);
    if (evaluator === undefined || namespace === undefined || object === undefined) return await commit([]);
    if (operation !== 'CREATE' && operation !== 'UPDATE') return await commit([]);
    if (!evaluator.handles({ operation, subresource })) return await commit([]);
    const charge = { evaluator, operation, subresource, object, stored: request.stored, now: this.#clock.now() };
    const refuse = (because: string) => forbiddenRequest(kind!, nameOf(request, object), because);
    const quotas = await listStored(this.#quotas, namespace, signal);
    if (this.#plan(quotas, charge, refuse).length === 0 || request.dryRun) return await commit([]);
    return await this.#inTurn(namespace, signal, async () => {
      for (let attempt = 1; ; attempt++) {
        // What was there when the request came is enough for a first try: a guard tells if it has changed meanwhile.
        const known = attempt === 1 ? this.#known(namespace) : undefined;
        const now = known ?? (await listStored(this.#quotas, namespace, signal));
        const writes = this.#plan(now, charge, refuse);
        try {
          if (kind?.plural === 'resourcequotas' && kind.group === '') return await this.#inTwo(writes, commit, signal);
          const committed = await commit(writes.map(({ write }) => write));
          this.#remember(namespace, writes, committed.revision);
          return committed;
        } catch (error) {
          if (!isConflict(error) || !writes.some(({ write }) => write.key === error.key)) throw error;
          if (attempt < attemptsMax) continue;
          throw conflict(
            kind!,
            nameOf(request, object),
            `its quota was changed by others during each of ${attemptsMax} attempts; try again`,
          );
        }
      }
    });
  }

  /** The quotas that must be written with an object. Throws what `refuse` makes. */
  #plan(
    quotas: readonly StoredObject<ResourceQuota>[],
    request: ChargeRequest,
    refuse: (because: string) => Error,
  ): readonly QuotaWrite[] {
    const plan = planCharge(
      quotas.map((stored) => stored.object),
      request,
    );
    if (plan.do === 'refuse') throw refuse(plan.because);
    return [...plan.quotas].map(([index, quota]) => {
      const { key, revision, managedFields } = quotas[index]!;
      const value = this.#quotas.layout.encode(withManagers(quota, managedFields));
      return { quota, write: { do: 'put', key, value, expect: revision } };
    });
  }

  /** The quotas of a namespace as far as this server knows, without asking the store; undefined if it has lost track. */
  #known(namespace: string): readonly StoredObject<ResourceQuota>[] | undefined {
    if (!this.#quotas.cache.isReady) return undefined;
    const known: StoredObject<ResourceQuota>[] = [];
    const own = this.#written.get(namespace);
    this.#quotas.cache.scan(namespace, undefined, (stored) => {
      const written = own?.get(stored.key);
      return known.push(written !== undefined && written.revision > stored.revision ? written : stored) > 0;
    });
    return known;
  }

  /** What was written here may be known before the store tells of it. */
  #remember(namespace: string, writes: readonly QuotaWrite[], at: Revision | undefined): void {
    if (at === undefined) return;
    const own = this.#written.get(namespace) ?? new Map<Key, StoredObject<ResourceQuota>>();
    this.#written.set(namespace, own);
    for (const { quota, write } of writes) {
      const object = { ...quota, metadata: { ...quota.metadata, resourceVersion: String(at) } };
      own.set(write.key, new StoredObject(this.#quotas.layout, write.key, write.value, at, object));
    }
  }

  /** A quota that quotas count: two objects of one kind must not change in one revision, or a watch could miss one. */
  async #inTwo<R>(
    charges: readonly QuotaWrite[],
    commit: (alongside: readonly Write[]) => Promise<R>,
    signal: AbortSignal,
  ): Promise<R> {
    const writes = charges.map(({ write }) => write);
    if (writes.length > 0) await this.#registry.store.commit(writes, { signal });
    return await commit([]);
  }

  /** Runs `work` after all that came before in the same namespace: they would only make each other start again. */
  async #inTurn<R>(namespace: string, signal: AbortSignal, work: () => Promise<R>): Promise<R> {
    const before = this.#turns.get(namespace) ?? Promise.resolve();
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const turn = before.then(() => done);
    this.#turns.set(namespace, turn);
    try {
      await abortable(before, signal);
      return await work();
    } finally {
      resolve();
      if (this.#turns.get(namespace) === turn) {
        this.#turns.delete(namespace);
        this.#written.delete(namespace);
      }
    }
  }
}

const nameOf = ({ attributes }: AdmissionRequest, object: ApiObject) => attributes.name ?? object.metadata?.name ?? '';
