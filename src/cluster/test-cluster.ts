import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { SimNodes } from '#agent/sim/sim-nodes.ts';
import type { NodeShape } from '#agent/sim/node-shape.ts';
import { Node } from '#api/core/node.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import type { CacheReader } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import { abortController, systemClock, VirtualClock, type Clock } from '#lib/clock.ts';
import { silentLog, type Log } from '#lib/log.ts';
import { seededRandom } from '#lib/seeded-random.ts';
import type { ObjectRef } from '#machinery/object.ts';
import type { Explanation } from '#scheduler/explain.ts';
import type { ProfileConfig } from '#scheduler/profile.ts';
import { memoryStore } from '#store/memory.ts';
import type { Store } from '#store/store.ts';
import { admin, serveApi } from './api-server.ts';
import { ensureBootstrapObjects } from './bootstrap-objects.ts';
import { ControlPlane, type RebalancePolicy } from './control-plane.ts';
import { controllersOf, pretendClusterCidr } from './controllers.ts';
import { kubeconfig } from './kubeconfig.ts';
import { openApi, type OpenedApi } from './open-api.ts';
import { ephemeralPki } from './pki.ts';
import { QuietStore } from './quiet-store.ts';
import { openScheduling, type OpenedScheduling } from './scheduler-configuration.ts';
import { simNodeStreams } from './sim-node-streams.ts';

export interface TestClusterOptions {
  /** How many pretend nodes, or of which shapes; three unless given. */
  readonly nodes?: number | readonly NodeShape[];
  /** `virtual` (the default): time stands still but for `advance()` and `until()`. `system`: the machine's own. */
  readonly clock?: 'virtual' | 'system';
  /** Where virtual time begins, in milliseconds since the epoch; 2026-01-01 unless given. */
  readonly startsAt?: number;
  /** From a pod's arrival on a node to its containers running, in milliseconds; at once unless given. */
  readonly podStartMs?: number;
  readonly profiles?: readonly ProfileConfig[];
  /** A file with a KubeSchedulerConfiguration: profiles and plugins instead of `profiles`. */
  readonly schedulerConfig?: string;
  /** Pods are moved to better nodes from time to time, within these bounds. */
  readonly rebalance?: RebalancePolicy;
  /** For everything that is left to chance; the same seed makes the same choices. */
  readonly seed?: number;
  /**
   * False leaves out controllers and scheduler: the API and the nodes alone. Pods then need a service account that
   * somebody has created.
   */
  readonly controlled?: boolean;
  /** Names of controllers that are left out. */
  readonly without?: readonly string[];
  /** Names of nodes that `store` holds already, whose pods are to be driven as pretend ones. */
  readonly adopts?: readonly string[];
  /** In memory unless given; it is closed with the cluster. */
  readonly store?: Store;
  readonly log?: Log;
}

/** A whole cluster in this process: API, controllers, scheduler and pretend nodes. Dispose it, and nothing is left. */
export interface TestCluster extends AsyncDisposable {
  /** As an administrator. */
  readonly client: Client;
  /** Local copies of what controllers and scheduler hold; slightly stale. */
  readonly cache: CacheReader;
  readonly clock: Clock;
  /** Aborts when the cluster is disposed of. */
  readonly signal: AbortSignal;
  readonly nodes: Pick<SimNodes, 'names' | 'add' | 'stop' | 'restart'>;
  /** Moves virtual time forward, letting everything happen that becomes due. Throws on a cluster in system time. */
  advance(ms: number): Promise<void>;
  /**
   * Waits until `holds` does; virtual time moves while it waits. Throws after `withinMs` of the cluster's time (ten
   * minutes of virtual, 30 s of system time unless given), naming `what`.
   */
  until(holds: () => boolean | Promise<boolean>, options?: { withinMs?: number; what?: string }): Promise<void>;
  /** The scheduler's reasons for where a pod is, or is not. */
  why(pod: Required<ObjectRef>): Explanation | undefined;
  /** Opens the API over HTTPS on a free port of the loopback interface, at the first call, for kubectl and others. */
  serve(): Promise<Served>;
}

export interface Served {
  readonly url: string;
  /** The text of a kubeconfig for an administrator, and the path of a file that holds it. */
  readonly kubeconfig: string;
  readonly kubeconfigPath: string;
}

const serviceCidr = '10.96.0.0/12';
/** Nobody answers there: pretend pods make no connections. Documentation addresses (RFC 5737). */
const addresses = {
  apiServer: { address: '192.0.2.1', port: 6443 },
  kubernetesService: '10.96.0.1',
  dnsService: '10.96.0.10',
};

/**
 * Starts a cluster in this process; resolves once its API works, its nodes are registered and pods can be created in
 * the namespace `default`.
 */
export async function startCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const { store = memoryStore(), log = silentLog, seed = 1 } = options;
  const scheduling = await openScheduling(options.schedulerConfig, { log });
  const quiet = new QuietStore(store);
  const virtual = options.clock === 'system' ? undefined : new VirtualClock(options.startsAt, () => quiet.quiet());
  const clock = virtual ?? systemClock;
  const random = seededRandom(seed);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const serviceAccountKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const opened: OpenedApi = await openApi({
    store: quiet,
    self: admin,
    serviceAccountKey,
    serviceCidr,
    agents: () => simNodeStreams(() => control.caches, clock),
    why: (pod) => control.scheduler.why(pod),
    clock,
    log,
    random,
  });
  const client = opened.clientOf(admin);
  const { rebalance, without = [] } = options;
  const profiles = scheduling?.profiles ?? options.profiles;
  const controllers = controllersOf({
    kinds: opened.api.kindsInUse,
    serviceAccountKey,
    clusterCidr: pretendClusterCidr,
  }).filter(({ name }) => !without.includes(name));
  const control = new ControlPlane({
    client,
    clock,
    log,
    random,
    seed,
    controllers,
    ...(profiles === undefined ? {} : { profiles }),
    ...(scheduling === undefined ? {} : { schedulerBackoff: scheduling.backoff }),
    ...(rebalance === undefined ? {} : { rebalance }),
  });
  const parts = { options, store: quiet, virtual, clock, log, opened, client, control, scheduling };
  const cluster = new InProcessCluster(parts);
  try {
    await cluster.start();
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  return cluster;
}

interface Parts {
  readonly options: TestClusterOptions;
  readonly store: QuietStore;
  readonly virtual: VirtualClock | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly opened: OpenedApi;
  readonly client: Client;
  readonly control: ControlPlane;
  readonly scheduling: OpenedScheduling | undefined;
}

class InProcessCluster implements TestCluster {
  readonly client: Client;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly nodes: SimNodes;
  readonly #parts: Parts;
  readonly #stop = abortController();
  readonly #running: Promise<unknown>[] = [];
  readonly #resources = new AsyncDisposableStack();
  #served: Promise<Served> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { client, clock, control, log, options } = parts;
    this.client = client;
    this.clock = clock;
    this.signal = this.#stop.signal;
    const { nodes = 3, adopts = [], podStartMs } = options;
    this.nodes = new SimNodes({
      client,
      informers: control.caches,
      clock,
      log: log.child({ area: 'sim' }),
      nodes: typeof nodes === 'number' ? [{ count: nodes }] : nodes,
      adopts,
      ...(podStartMs === undefined ? {} : { startMs: podStartMs }),
    });
  }

  get cache(): CacheReader {
    return this.#parts.control.caches;
  }

  async start(): Promise<void> {
    const { signal } = this;
    const { control, options } = this.#parts;
    await ensureBootstrapObjects(this.client, addresses, signal);
    await this.nodes.register(signal);
    control.caches.hold(Node);
    this.#running.push(this.nodes.run(signal), control.follow(signal));
    await control.caches.synced(signal);
    if (options.controlled === false) return;
    control.caches.hold(ServiceAccount);
    this.#running.push(control.lead(signal));
    const account = { namespace: 'default', name: 'default' };
    await this.until(() => this.cache.get(ServiceAccount, account) !== undefined, { what: 'the service account' });
  }

  async advance(ms: number): Promise<void> {
    if (this.#parts.virtual === undefined) throw new Error('Cannot advance: the cluster runs in system time');
    await this.#parts.virtual.advance(ms);
  }

  async until(
    holds: () => boolean | Promise<boolean>,
    { withinMs, what = 'the condition' }: { withinMs?: number; what?: string } = {},
  ): Promise<void> {
    const limitMs = withinMs ?? (this.#parts.virtual === undefined ? 30_000 : 600_000);
    const end = this.clock.now() + limitMs;
    if (this.#parts.virtual !== undefined) await this.#parts.virtual.advance(0);
    while (!(await holds())) {
      if (this.clock.now() >= end) throw new Error(`Waited ${limitMs} ms of the cluster's time in vain for ${what}`);
      // Not the clock's sleep: that would let the process end while its caller still waits here.
      if (this.#parts.virtual === undefined) await setTimeout(pollMs, undefined, { signal: this.signal });
      else await this.#parts.virtual.advance(Math.min(stepMs, end - this.clock.now()));
    }
  }

  why(pod: Required<ObjectRef>): Explanation | undefined {
    return this.#parts.control.scheduler.why(pod);
  }

  serve(): Promise<Served> {
    this.#served ??= this.#serve();
    return this.#served;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#served?.catch(() => {});
    this.#stop.abort(new Error('the cluster is being disposed of'));
    // Whatever waits for time only listens to the signal as well, so nothing has to be advanced.
    await Promise.allSettled(this.#running);
    await this.#resources[Symbol.asyncDispose]();
    await this.#parts.opened[Symbol.asyncDispose]();
    await this.#parts.store[Symbol.asyncDispose]();
    await this.#parts.scheduling?.[Symbol.asyncDispose]();
  }

  async #serve(): Promise<Served> {
    // TLS lives in the machine's time: kubectl would refuse certificates of a virtual year.
    const pki = await ephemeralPki({ clock: systemClock, hosts: ['127.0.0.1', 'localhost'] });
    const { log, opened } = this.#parts;
    const http = await serveApi(opened, { pki, host: '127.0.0.1', port: 0, clock: systemClock, log });
    this.#resources.use(http);
    const url = `https://127.0.0.1:${http.port}`;
    const text = kubeconfig({ server: url, authority: pki.authority, user: pki.admin });
    const folder = await mkdtemp(join(tmpdir(), 'tutti-test-'));
    this.#resources.defer(() => rm(folder, { recursive: true, force: true }));
    const kubeconfigPath = join(folder, 'kubeconfig');
    await writeFile(kubeconfigPath, text, { mode: 0o600 });
    return { url, kubeconfig: text, kubeconfigPath };
  }
}

/** How often conditions are looked at: in virtual time how far it moves, in system time how long it waits. */
const stepMs = 100;
const pollMs = 20;
