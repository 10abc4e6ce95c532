import { ResourceQuota } from '#api/core/resource-quota.ts';
import { quotaEvaluatorOf } from '#api/quota/quota-evaluator.ts';
import { abortable } from '#lib/abortable.ts';
import type { Clock } from '#lib/clock.ts';
import type { ApiObject } from '#machinery/object.ts';
import { conflict, forbiddenRequest } from '#machinery/status-error.ts';
import type { Write } from '#store/store.ts';
import type { AdmissionRequest } from '../admission/admission.ts';
import { listStored } from '../registry/list-all.ts';
import type { Registry } from '../registry/registry.ts';
import type { Resource } from '../registry/resource.ts';
import { isConflict } from '../registry/store-errors.ts';
import type { Ledger } from '../verbs/pipeline.ts';
import { planCharge } from './plan-charge.ts';

/**
 * How often a write is tried that others keep outrunning. Within a server writers of a namespace take turns, so it is
 * other servers, and whoever sums up usage, that this one competes with.
 */
const attemptsMax = 100;

/**
 * Holds writes against the ResourceQuotas of their namespace. What an object uses up is added to the status of each
 * quota in the very commit that writes the object, guarded by the quota's revision: a quota is never exceeded, not even
 * for a moment and not by several servers on one store, and a write that fails has used up nothing. What goes away is
 * given back by the controller, which sums up anew.
 */
export class QuotaLedger implements Ledger {
  readonly #quotas: Resource<ResourceQuota>;
  readonly #clock: Clock;
  /** The last in the row of each namespace. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(registry: Registry, clock: Clock) {
    this.#quotas = registry.of(ResourceQuota);
    this.#clock = clock;
  }

  async charge<R>(
    request: AdmissionRequest,
    signal: AbortSignal,
    commit: (alongside: readonly Write[]) => Promise<R>,
  ): Promise<R> {
    const { attributes, operation, object } = request;
    const { kind, namespace, subresource } = attributes;
    const evaluator = kind === undefined ? undefined : quotaEvaluatorOf(kind);
    if (evaluator === undefined || namespace === undefined || object === undefined) return await commit([]);
    if (operation !== 'CREATE' && operation !== 'UPDATE') return await commit([]);
    if (!evaluator.handles({ operation, subresource })) return await commit([]);
    const decide = async (): Promise<readonly Write[]> => {
      const quotas = await listStored(this.#quotas, namespace, signal);
      if (quotas.length === 0) return [];
      const plan = planCharge(
        quotas.map((stored) => stored.object),
        { evaluator, operation, subresource, object, stored: request.stored, now: this.#clock.now() },
      );
      if (plan.do === 'refuse') throw forbiddenRequest(kind!, nameOf(request, object), plan.because);
      return [...plan.quotas].map(([index, quota]) => {
        const { key, revision } = quotas[index]!;
        return { do: 'put', key, value: this.#quotas.layout.encode(quota), expect: revision };
      });
    };
    const first = await decide();
    if (first.length === 0 || request.dryRun) return await commit([]);
    return await this.#inTurn(namespace, signal, async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await commit(await decide());
        } catch (error) {
          if (!isConflict(error) || !error.key.startsWith(this.#quotas.layout.prefixIn(namespace))) throw error;
          if (attempt === attemptsMax) {
            throw conflict(
              kind!,
              nameOf(request, object),
              `its quota was changed by others during each of ${attemptsMax} attempts; try again`,
            );
          }
        }
      }
    });
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
      if (this.#turns.get(namespace) === turn) this.#turns.delete(namespace);
    }
  }
}

const nameOf = ({ attributes }: AdmissionRequest, object: ApiObject) => attributes.name ?? object.metadata?.name ?? '';
