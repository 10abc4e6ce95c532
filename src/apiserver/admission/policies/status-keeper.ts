import { ValidatingAdmissionPolicy } from '#api/admissionregistration/validating-admission-policy.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Catalog } from '../../catalog.ts';
import type { Registry } from '../../registry/registry.ts';
import { isConflict } from '../../registry/store-errors.ts';
import { CacheFollower } from '../../watch-cache/cache-follower.ts';

const againMs = 1_000;

export interface StatusKeeperOptions {
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Says of each generation of a validating policy that it was looked at, and what its expressions would trip over.
 * Source: kubernetes pkg/controller/validatingadmissionpolicystatus.
 */
export class PolicyStatusKeeper {
  readonly #options: StatusKeeperOptions;
  readonly #follower: CacheFollower<ValidatingAdmissionPolicy>;
  /** Names of policies whose status is behind. */
  readonly #behind = new Set<string>();
  #pending = Promise.withResolvers<void>();

  constructor(options: StatusKeeperOptions) {
    this.#options = options;
    this.#follower = new CacheFollower(options.registry.of(ValidatingAdmissionPolicy).cache, {
      reset: () => this.#behind.clear(),
      changed: (policy) => {
        if (policy !== undefined && isBehind(policy)) this.#behind.add(policy.metadata?.name ?? '');
      },
    });
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { registry, clock, log } = this.#options;
    const over = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => over.resolve(), { once: true });
    if (signal.aborted) over.resolve();
    registry.feed.onBatch(() => {
      if (this.#follower.isReady && this.#follower.catchUp()) this.#pending.resolve();
    });
    while (!signal.aborted) {
      this.#pending = Promise.withResolvers();
      let failed = false;
      try {
        await this.#follower.load(signal);
        this.#follower.catchUp();
        await this.#lookAtAll(signal);
      } catch (error) {
        if (signal.aborted) return;
        failed = true;
        if (!isConflict(error)) log.warn('the status of admission policies waits', { error });
      }
      const late = Promise.withResolvers<void>();
      using _timer = failed ? clock.after(againMs, late.resolve) : undefined;
      await Promise.race([this.#pending.promise, over.promise, late.promise]);
    }
  }

  async #lookAtAll(signal: AbortSignal): Promise<void> {
    const resource = this.#options.registry.of(ValidatingAdmissionPolicy);
    for (const name of this.#behind) {
      const stored = resource.cache.get({ name });
      if (stored !== undefined && isBehind(stored.object)) {
        const { expressionWarnings } = await import('./type-checking.ts');
        const warnings = expressionWarnings(stored.object, this.#options.catalog);
        const { generation = 0 } = stored.object.metadata ?? {};
        const status = {
          ...stored.object.status,
          observedGeneration: generation,
          typeChecking: warnings.length === 0 ? {} : { expressionWarnings: warnings },
        };
        await resource.replace(stored, { ...stored.object, status }, signal);
      }
      this.#behind.delete(name);
    }
  }
}

const isBehind = ({ metadata, status }: ValidatingAdmissionPolicy) =>
  (metadata?.generation ?? 0) > (status?.observedGeneration ?? 0);
