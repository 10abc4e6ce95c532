import { setTimeout as nextTurnAfter } from 'node:timers/promises';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { abortable } from '#lib/abortable.ts';
import type { ServiceIndex } from '../service-index.ts';
import { elementsOf, stockOf } from './elements.ts';
import type { Frontend, ProxyFacts } from './frontend.ts';
import { expectedShape, type KernelTable } from './nft.ts';
import { Ruleset, type Element } from './ruleset.ts';
import { frontendsOf } from './service-frontends.ts';
import { staleFlows, type FlowCleaner, type StaleFlow } from './stale-flows.ts';
import { renderDelta, type Remembered, type TableFacts } from './table.ts';

/** How long changes are gathered before they go to the kernel together. */
const gatherMs = 5;
/** How often the table is looked at, in case somebody flushed the ruleset. */
const probeEveryMs = 4_000;
/** How often its rules are counted too, which costs more: somebody emptied chains but left them there. */
const countEveryMs = 60_000;
/** How often everything is written anew, which also heals single elements that somebody deleted. */
const rewriteEveryMs = 10 * 60_000;
const retryDelayMsMin = 100;
const retryDelayMsMax = 5_000;
/** How long services are compiled before other work gets its turn. */
const compileSliceMs = 3;

export interface ServiceProxyOptions {
  readonly facts: ProxyFacts;
  readonly tableFacts: TableFacts;
  readonly index: Pick<ServiceIndex, 'get' | 'onChange'>;
  readonly kernel: KernelTable;
  readonly flows: Pick<FlowCleaner, 'forget'>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Keeps the kernel's table equal to what services and slices ask for. The first round rewrites the table as a
 * whole, later ones send what changed. Failing, it tries again with growing delays, from the whole.
 */
export class ServiceProxy {
  readonly #options: ServiceProxyOptions;
  readonly #ruleset = new Ruleset();
  readonly #dirty = new Set<string>();
  readonly #frontends = new Map<string, readonly Frontend[]>();
  readonly #waiters = new Set<{ readonly until: number; readonly resolve: () => void }>();
  #noted = 0;
  #applied = 0;
  #needsRewrite = true;
  #rewrittenAt = 0;
  #countedAt = 0;
  #lostAffinity = false;
  #stale: StaleFlow[] = [];
  /** The chains in the kernel, beside the fixed ones. */
  #chains: ReadonlyMap<string, Element> = new Map();
  #wake: () => void = () => {};

  constructor(options: ServiceProxyOptions) {
    this.#options = options;
  }

  /** Sets what one pod's host ports need; nothing once it is gone. */
  setHostPorts(podKey: string, elements: readonly Element[]): void {
    if (elements.length === 0 && !this.#ruleset.has(`pod ${podKey}`)) return;
    this.#ruleset.set(`pod ${podKey}`, elements);
    this.#note();
  }

  /** Asks for the whole table to be written anew. */
  rewrite(): void {
    this.#needsRewrite = true;
    this.#note();
  }

  /** Resolves once everything that was known at the time of the call is in the kernel. */
  flushed(signal: AbortSignal): Promise<void> {
    if (this.#applied >= this.#noted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { until: this.#noted, resolve };
    this.#waiters.add(waiter);
    return abortable(promise, signal).finally(() => this.#waiters.delete(waiter));
  }

  /** Runs until `signal` aborts and leaves the table as it is. The caches must be complete by then. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, index } = this.#options;
    using _listening = index.onChange((key) => {
      this.#dirty.add(key);
      this.#note();
    });
    this.#note();
    let retryDelayMs = retryDelayMsMin;
    let probeAt = clock.now() + probeEveryMs;
    while (!signal.aborted) {
      try {
        if (this.#applied < this.#noted) {
          await clock.sleep(gatherMs, signal);
          await this.#sync(signal);
        } else if (clock.now() >= probeAt) {
          probeAt = clock.now() + probeEveryMs;
          await this.#probe(signal);
        } else {
          await this.#idle(probeAt - clock.now(), signal);
        }
        retryDelayMs = retryDelayMsMin;
      } catch (error) {
        if (signal.aborted) break;
        this.rewrite();
        log.warn('cannot write the service table; trying again', { error: String(error), retryDelayMs });
        await clock.sleep(retryDelayMs, signal).catch(() => {});
        retryDelayMs = Math.min(retryDelayMs * 2, retryDelayMsMax);
      }
    }
  }

  #note(): void {
    this.#noted++;
    this.#wake();
  }

  /** Waits for the next change, but no longer than `ms`. */
  async #idle(ms: number, signal: AbortSignal): Promise<void> {
    const changed = Promise.withResolvers<void>();
    this.#wake = changed.resolve;
    using _timer = this.#options.clock.after(ms, changed.resolve);
    await abortable(changed.promise, signal);
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { kernel, flows, clock, log, tableFacts } = this.#options;
    const goal = this.#noted;
    const startedAt = clock.now();
    const services = await this.#compile();
    const delta = this.#needsRewrite ? undefined : this.#ruleset.takeDelta();
    if (delta === undefined || delta.add.some(({ object, key }) => object === 'chain' && !this.#chains.has(key))) {
      this.#needsRewrite = true;
      const elements = this.#ruleset.takeAll();
      const needed = elements.filter(({ object }) => object === 'chain');
      const chains = new Map([...stockOf(needed), ...needed].map((chain) => [chain.key, chain]));
      const others = elements.filter(({ object }) => object !== 'chain');
      await kernel.rebuild([...chains.values(), ...others], signal);
      this.#chains = chains;
      this.#needsRewrite = false;
      this.#rewrittenAt = clock.now();
      this.#countedAt = clock.now();
      log.info('service table written', { services, tookMs: clock.now() - startedAt });
    } else {
      this.#lostAffinity ||= delta.remove.some(({ object }) => object === 'affine-targets');
      if (delta.remove.length + delta.add.length > 0) await kernel.apply(renderDelta(tableFacts, delta), signal);
      log.debug('service table changed', { services, tookMs: clock.now() - startedAt });
    }
    if (this.#lostAffinity) {
      await this.#forgetGone(signal);
      this.#lostAffinity = false;
    }
    await flows.forget(this.#stale, signal);
    this.#stale = [];
    this.#applied = goal;
    for (const waiter of this.#waiters) {
      if (waiter.until > goal) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Turns every service that changed into elements, giving way to other work now and then. */
  async #compile(): Promise<number> {
    const { index, facts } = this.#options;
    // Nothing is known of before the first round: conversations that outlived a restart are left in peace.
    const isFirst = this.#applied === 0;
    let services = 0;
    let since = performance.now();
    for (const key of this.#dirty) {
      this.#dirty.delete(key);
      services++;
      const compiled = frontendsOf(index.get(key), facts);
      if (!isFirst) this.#stale.push(...staleFlows(this.#frontends.get(key) ?? [], compiled.frontends));
      if (compiled.frontends.length === 0) this.#frontends.delete(key);
      else this.#frontends.set(key, compiled.frontends);
      this.#ruleset.set(`service ${key}`, elementsOf(compiled));
      if (performance.now() - since < compileSliceMs) continue;
      await nextTurnAfter(0);
      since = performance.now();
    }
    return services;
  }

  /** Clients that are remembered for a target which no service has any more must choose anew. */
  async #forgetGone(signal: AbortSignal): Promise<void> {
    const { kernel } = this.#options;
    const valid = new Set<string>();
    for (const frontends of this.#frontends.values()) {
      for (const frontend of frontends) if (frontend.affinitySeconds !== undefined) addPairs(valid, frontend);
    }
    const clients = await kernel.remembered(signal);
    const gone = clients.filter((client) => !keysOf(client).some((pair) => valid.has(pair)));
    if (gone.length > 0) await kernel.forget(gone, signal);
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { kernel, clock, log, tableFacts } = this.#options;
    const expected = expectedShape(tableFacts, [...this.#chains.values()]);
    const chains = await kernel.chains(signal);
    let isWhole = chains.size === expected.size && [...expected.keys()].every((name) => chains.has(name));
    if (isWhole && clock.now() - this.#countedAt >= countEveryMs) {
      this.#countedAt = clock.now();
      isWhole = sameShape(expected, await kernel.shape(signal));
    }
    const isDue = clock.now() - this.#rewrittenAt >= rewriteEveryMs;
    if (isWhole && !isDue) return;
    if (!isWhole)
      log.warn('the service table was disturbed by somebody else; writing it anew', { table: tableFacts.table });
    this.rewrite();
  }
}

const pairOf = (address: string, protocol: string, port: number, ip: string, targetPort: number) =>
  `${address}/${protocol}/${port}/${ip}:${targetPort}`;

function addPairs(pairs: Set<string>, { address = '*', protocol, port, backends, outside }: Frontend): void {
  for (const target of [...backends.targets, ...(outside?.targets ?? [])]) {
    pairs.add(pairOf(address, protocol, port, target.ip, target.port));
  }
}

/** A client's entry speaks of the address it used; for a node port that may be any of the node's. */
const keysOf = ({ address, protocol, port, target }: Remembered) =>
  [address, '*'].map((one) => pairOf(one, protocol, port, target.ip, target.port));

function sameShape(expected: ReadonlyMap<string, number>, found: ReadonlyMap<string, number> | undefined): boolean {
  if (found === undefined || found.size !== expected.size) return false;
  for (const [name, rules] of expected) if (found.get(name) !== rules) return false;
  return true;
}
