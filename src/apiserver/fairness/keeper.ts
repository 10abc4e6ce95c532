import { isDeepStrictEqual } from 'node:util';
import { FlowSchema } from '#api/flowcontrol/flow-schema.ts';
import { mandatoryFlowSchemas, mandatoryPriorityLevels } from '#api/flowcontrol/mandatory.ts';
import { PriorityLevelConfiguration } from '#api/flowcontrol/priority-level-configuration.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Write } from '#store/store.ts';
import { stampNew, timestamp } from '../registry/object-meta.ts';
import type { Registry } from '../registry/registry.ts';
import { selectionOf } from '../registry/selection.ts';
import { fromStore, isConflict } from '../registry/store-errors.ts';
import { autoUpdate, bootstrapLevels, bootstrapSchemas } from './bootstrap.ts';
import type { Fairness } from './fairness.ts';

/** Another server may do the same at the same moment. */
const attemptsMax = 5;
const freshMsMax = 5_000;
const retryMs = 1_000;
const takenMax = 500;

export interface KeeperOptions {
  readonly registry: Registry;
  readonly fairness: Fairness;
  readonly clock: Clock;
  readonly log: Log;
  readonly newUid: () => string;
}

const kinds: readonly Kind[] = [FlowSchema, PriorityLevelConfiguration];

type Spec<T> = ApiObject & { readonly spec: T };

/**
 * Keeps the flow-control objects of a cluster: makes those that every cluster has, brings back what is mandatory, says
 * of each schema whether its level is there, and hands every change on to the fairness that is governed by them.
 */
export class FlowControlKeeper {
  readonly #options: KeeperOptions;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Makes what is missing, and puts what is there into effect. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#ensure(() => true, signal);
    this.#configure();
  }

  /** Follows changes until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        if (!signal.aborted) log.warn('following the flow-control objects failed and is tried again', { error });
      }
      if (!signal.aborted) await clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { registry } = this.#options;
    let wake: () => void = () => undefined;
    const over = () => wake();
    signal.addEventListener('abort', over);
    using watchers = new DisposableStack();
    watchers.defer(() => signal.removeEventListener('abort', over));
    const all = await Promise.all(
      kinds.map(async (kind) => {
        const options = { namespace: undefined, selection: selectionOf(kind, {}), after: undefined };
        return registry.of(kind).watch({ ...options, initialEvents: false, allowBookmarks: false, signal });
      }),
    );
    let changed = true;
    for (const watcher of all) {
      watchers.use(watcher);
      watcher.onReady(() => {
        changed = true;
        wake();
      });
    }
    while (!signal.aborted) {
      if (!changed) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      changed = false;
      for (const watcher of all) {
        while (watcher.take(takenMax).length === takenMax);
        if (watcher.ended !== undefined) throw watcher.ended;
      }
      this.#configure();
      await this.#ensure((name, kind) => isMandatory(kind, name), signal);
      await this.#tellDangling(signal);
    }
  }

  #configure(): void {
    this.#options.fairness.configure(this.#all(FlowSchema), this.#all(PriorityLevelConfiguration));
  }

  #all<T extends ApiObject>(kind: Kind<T>): readonly T[] {
    const found: T[] = [];
    this.#options.registry.of(kind).cache.scan(undefined, undefined, ({ object }) => found.push(object) > 0);
    return found;
  }

  async #ensure(wanted: (name: string, kind: string) => boolean, signal: AbortSignal): Promise<void> {
    const { registry } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const plans = await Promise.all([
        this.#planned(FlowSchema, bootstrapSchemas, wanted, signal),
        this.#planned(PriorityLevelConfiguration, bootstrapLevels, wanted, signal),
      ]);
      const writes = plans.flat();
      if (writes.length === 0) return;
      try {
        await fromStore(registry.store.commit(writes, { signal }));
        return await registry.feed.fresh({ signal, withinMs: freshMsMax });
      } catch (error) {
        if (!isConflict(error) || attempt === attemptsMax) throw error;
        await registry.feed.fresh({ signal, withinMs: freshMsMax });
      }
    }
  }

  async #planned<S, T extends Spec<S>>(
    kind: Kind<T>,
    objects: readonly T[],
    wanted: (name: string, kind: string) => boolean,
    signal: AbortSignal,
  ): Promise<readonly Write[]> {
    const { registry, clock, newUid } = this.#options;
    const { cache, layout } = registry.of(kind);
    await cache.load(signal);
    return objects.flatMap((object): readonly Write[] => {
      const name = object.metadata?.name ?? '';
      if (!wanted(name, kind.kind)) return [];
      const complete = kind.defaults?.(object) ?? object;
      const stored = cache.get({ name });
      const key = layout.key({ name });
      if (stored === undefined) {
        const fresh = stampNew(kind, complete, { name }, { now: clock.now(), uid: newUid() });
        return [{ do: 'put', key, value: layout.encode(fresh), expect: 'absent' }];
      }
      const { metadata, spec } = stored.object;
      const isOurs = isMandatory(kind.kind, name) || metadata?.annotations?.[autoUpdate] === 'true';
      if (!isOurs || isDeepStrictEqual(spec, complete.spec)) return [];
      const mended = {
        ...stored.object,
        metadata: { ...metadata, generation: (metadata?.generation ?? 0) + 1 },
        spec: complete.spec,
      };
      return [{ do: 'put', key, value: layout.encode(mended), expect: stored.revision }];
    });
  }

  /** Source: k8s.io/apiserver/pkg/util/flowcontrol (apf_controller.go, syncFlowSchemaStatuses). */
  async #tellDangling(signal: AbortSignal): Promise<void> {
    const { registry, clock } = this.#options;
    const levels = new Set(this.#all(PriorityLevelConfiguration).map(({ metadata }) => metadata?.name));
    const schemas = registry.of(FlowSchema);
    for (const { metadata, spec, status } of this.#all(FlowSchema)) {
      const level = spec.priorityLevelConfiguration.name;
      const isThere = levels.has(level);
      const told = status?.conditions?.find(({ type }) => type === 'Dangling');
      if (told?.status === (isThere ? 'False' : 'True')) continue;
      const condition = {
        type: 'Dangling',
        status: isThere ? 'False' : 'True',
        lastTransitionTime: timestamp(clock.now()),
        reason: isThere ? 'Found' : 'NotFound',
        message: isThere
          ? `This FlowSchema references the PriorityLevelConfiguration object named "${level}" and it exists`
          : `This FlowSchema references the PriorityLevelConfiguration object named "${level}" but there is no such object`,
      };
      const stored = schemas.cache.get({ name: metadata?.name ?? '' });
      if (stored === undefined) continue;
      const others = status?.conditions?.filter(({ type }) => type !== 'Dangling') ?? [];
      const next = { ...stored.object, status: { ...status, conditions: [...others, condition] } };
      await schemas.replace(stored, next, signal).catch((error: unknown) => {
        if (!isConflict(error)) throw error; // the change that was faster wakes us again
      });
    }
  }
}

function isMandatory(kind: string, name: string): boolean {
  return Object.hasOwn(kind === 'FlowSchema' ? mandatoryFlowSchemas : mandatoryPriorityLevels, name);
}
