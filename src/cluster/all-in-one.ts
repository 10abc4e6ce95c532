import { hostname } from 'node:os';
import path from 'node:path';
import { findHostIps } from '#agent/node-facts.ts';
import type { NodeShape } from '#agent/sim/node-shape.ts';
import { SimNodes } from '#agent/sim/sim-nodes.ts';
import { Node } from '#api/core/node.ts';
import type { Auditor } from '#apiserver/audit/auditor.ts';
import type { Client } from '#client/client.ts';
import { agentPort } from '#client/identities.ts';
import type { DockerDialectOptions } from '#dialects/docker/docker-dialect.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { Metrics } from '#lib/metrics.ts';
import type { Tracer } from '#lib/tracing.ts';
import { unavailable } from '#machinery/status-error.ts';
import { versionInfo } from '#machinery/version.ts';
import { sqliteStore } from '#store/sqlite.ts';
import type { Store } from '#store/store.ts';
import { startApiServer, admin, type ApiServer } from './api-server.ts';
import { readAuthenticationConfig, type OtherCallers } from './authentication-config.ts';
import { bootstrapKeeper } from './bootstrap-keeper.ts';
import { type ClusterAddresses, ensureBootstrapObjects, publishAuthentication } from './bootstrap-objects.ts';
import { runCompactor } from './compactor.ts';
import { ControlPlane } from './control-plane.ts';
import { dialectUser } from './controller-users.ts';
import { controllersOf, pretendClusterCidr } from './controllers.ts';
import { admissionOptions, type AdmissionFlags } from './admission.ts';
import { openAuditor, type AuditOptions } from './audit.ts';
import { StartError, openDataDir } from './data-dir.ts';
import { Encryption, encryptionActions } from './encryption.ts';
import { releaseIdleMemory } from './idle-memory.ts';
import { kubeconfig } from './kubeconfig.ts';
import { rebalanceDefaults } from '#scheduler/rebalance/plan-moves.ts';
import { fileLog, type LogLevel } from './log-file.ts';
import { startNodeThread } from './node-thread.ts';
import { simNodeStreams } from './sim-node-streams.ts';
import type { Playback } from './simulation/trace-player.ts';
import { openTracer } from './tracing-configuration.ts';
import { openScheduling } from './scheduler-configuration.ts';
import { queueMetrics } from './queue-metrics.ts';
import { openPki, serverHosts, type Pki } from './pki.ts';
import { writeFileAtomically } from '#lib/atomic-file.ts';

export interface AllInOneOptions {
  readonly dataDir: string;
  readonly port: number;
  /** Pretend nodes; undefined for this host as a real one. */
  readonly simNodes: readonly NodeShape[] | undefined;
  /** What is to happen to pretend nodes, once they are there. */
  readonly trace?: Playback | undefined;
  readonly etcdEndpoints: readonly string[];
  /** Other APIs to serve beside Kubernetes'. */
  readonly dialects?: readonly 'docker'[];
  /** An EncryptionConfiguration; without one, Secrets are encrypted with keys of the data directory's own. */
  readonly encryptionProviderConfig?: string | undefined;
  /** A file with a TracingConfiguration. */
  readonly tracingConfig?: string | undefined;
  /** A file with an AuthenticationConfiguration. */
  readonly authenticationConfig?: string | undefined;
  /** A file with a KubeSchedulerConfiguration. */
  readonly schedulerConfig?: string | undefined;
  readonly abandonLostKeys?: boolean | undefined;
  /** Pods are moved to better nodes from time to time. */
  readonly rebalance?: boolean | undefined;
  /** False leaves no audit log. */
  readonly audit?: AuditOptions | false;
  readonly admission?: AdmissionFlags;
  /** How long events are kept; three days unless given. */
  readonly eventTtlMs?: number | undefined;
  /** How long a past revision can be read at least; five minutes unless given. */
  readonly compactEveryMs?: number | undefined;
  /** Requests over HTTP that run at once. */
  readonly requestsInFlightMax?: number | undefined;
  readonly logLevel: LogLevel;
  readonly clock: Clock;
}

export interface AllInOne extends AsyncDisposable {
  readonly client: Client;
  readonly kubeconfigPath: string;
  readonly server: string;
  /** Where Docker clients connect; undefined without that dialect. */
  readonly dockerSocket: string | undefined;
  /** Resolves once every node of this process is Ready; rejects with the reason if one cannot run. */
  readonly nodesReady: Promise<void>;
}

/** Between two passes of the rebalancer. */
const rebalanceMs = 60_000;

/** Addresses that pods and Services get unless a later version asks. The same as upstream's usual ones. */
const network = {
  serviceCidr: '10.96.0.0/12',
  clusterCidr: '10.244.0.0/16',
  kubernetesService: '10.96.0.1',
  dnsService: '10.96.0.10',
  clusterDomain: 'cluster.local',
  firstGateway: '10.244.0.1',
} as const;
const storeOpenMsMax = 15_000;
const nodeReadyMsMax = 60_000;

/** A node's name is a DNS label made of the host's. */
export function nodeNameOf(host: string): string {
  const name = host
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);
  return name === '' ? 'node' : name;
}

async function openStore(options: AllInOneOptions): Promise<Encryption> {
  const store = await openPlainStore(options);
  try {
    return await Encryption.open(store, {
      dataDir: options.dataDir,
      configurationFile: options.encryptionProviderConfig,
      abandonsLostKeys: options.abandonLostKeys,
      signal: AbortSignal.timeout(storeOpenMsMax),
    });
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

async function openPlainStore({ dataDir, etcdEndpoints }: AllInOneOptions): Promise<Store> {
  if (etcdEndpoints.length === 0) return sqliteStore(path.join(dataDir, 'state.db'));
  const { etcdStore } = await import('#store/etcd.ts'); // loaded by those alone who have an etcd: it needs some 8 MB
  return etcdStore({ endpoints: etcdEndpoints }, { signal: AbortSignal.timeout(storeOpenMsMax) });
}

async function untilReady(client: Client, names: readonly string[], clock: Clock, signal: AbortSignal): Promise<void> {
  const waiting = new Set(names);
  let reason = 'its agent has not registered';
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(nodeReadyMsMax)]);
  try {
    while (waiting.size > 0) {
      for await (const event of client.watch(Node, { signal: bounded })) {
        if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
        const { metadata, status } = event.object;
        const ready = status?.conditions?.find(({ type }) => type === 'Ready');
        if (ready?.status === 'True') waiting.delete(metadata?.name ?? '');
        else if (waiting.has(metadata?.name ?? '')) reason = ready?.message ?? 'its agent has told nothing yet';
        if (waiting.size === 0) return;
      }
      await clock.sleep(100, bounded);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!bounded.aborted) throw error;
    throw new StartError(
      `Not ready within ${nodeReadyMsMax / 1000} s: node ${[...waiting].slice(0, 5).join(', ')}: ${reason}. DIR/logs tells more.`,
    );
  }
}

async function listen(
  options: AllInOneOptions,
  parts: {
    encryption: Encryption;
    auditor: Auditor | undefined;
    pki: Pki;
    others: OtherCallers;
    log: Log;
    metrics: Metrics;
    tracer: Tracer | undefined;
    control: () => ControlPlane | undefined;
  },
): Promise<ApiServer> {
  const { metrics, tracer, encryption, auditor, others, pki, log, control } = parts;
  const cache = () => {
    const caches = control()?.caches;
    if (caches === undefined) throw unavailable('the server is still starting');
    return caches;
  };
  try {
    return await startApiServer({
      store: encryption.store,
      pki,
      actions: encryptionActions(encryption),
      auditor,
      metrics,
      tracer,
      others,
      admission: await admissionOptions(options.admission ?? {}),
      requestsInFlightMax: options.requestsInFlightMax,
      host: '0.0.0.0',
      port: options.port,
      serviceCidr: network.serviceCidr,
      why: (pod) => control()?.scheduler.why(pod),
      ...(options.simNodes === undefined ? {} : { agents: simNodeStreams(cache, options.clock) }),
      clock: options.clock,
      log,
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new StartError(
        `Port ${options.port} is taken: see who has it with "ss -ltnp sport = :${options.port}", or choose another --port.`,
        error,
      );
    }
    if (code === 'EACCES')
      throw new StartError(`This user may not listen on port ${options.port}: choose a --port from 1024 on.`, error);
    throw error;
  }
}

/** Loaded only where it is asked for: a cluster without dialects starts without their code. */
async function serveDocker(options: DockerDialectOptions): Promise<AsyncDisposable> {
  const { startDockerDialect } = await import('#dialects/docker/docker-dialect.ts');
  try {
    return await startDockerDialect({ ...options, log: options.log.child({ area: 'docker' }) });
  } catch (error) {
    throw new StartError(`Docker's API cannot be served: ${(error as Error).message}`, error);
  }
}

/** Starts server and node on one data directory. Throws `StartError` for what the operator can mend. */
export async function startAllInOne(options: AllInOneOptions): Promise<AllInOne> {
  const { clock } = options;
  await using resources = new AsyncDisposableStack();
  const dir = resources.use(await openDataDir(options.dataDir, { writtenBy: versionInfo.tutti, now: clock.now() }));
  const log = fileLog(path.join(dir.path, 'logs', 'server.log'), options.logLevel);
  const hostIps = findHostIps();
  const metrics = new Metrics();
  const scheduling = await openScheduling(options.schedulerConfig, { log, metrics });
  if (scheduling !== undefined) resources.use(scheduling);
  const others = await readAuthenticationConfig(options.authenticationConfig, { clock, log });
  const [encryption, pki] = await Promise.all([
    openStore(options),
    openPki(dir.path, {
      clock,
      hosts: serverHosts({ serviceIp: network.kubernetesService, extra: [network.firstGateway] }),
      nodes: options.simNodes === undefined ? [{ name: nodeNameOf(hostname()), hosts: hostIps }] : [],
    }),
  ]);
  const { store } = encryption;
  const auditor =
    options.audit === false ? undefined : await openAuditor(options.audit ?? {}, { dataDir: dir.path, clock, log });
  resources.use(store);
  if (auditor !== undefined) resources.use(auditor);
  const tracer = await openTracer(options.tracingConfig, { clock, log });
  if (tracer !== undefined) resources.use(tracer);
  let control: ControlPlane | undefined;
  const api = resources.use(
    await listen(options, { metrics, tracer, encryption, auditor, others, pki, log, control: () => control }),
  );
  const client = api.clientOf(admin);
  const server = `https://127.0.0.1:${api.port}`;

  const stop = abortController();
  const reachable = hostIps.find((ip) => !ip.startsWith('127.')) ?? network.firstGateway;
  const addresses: ClusterAddresses = {
    apiServer: { address: reachable, port: api.port },
    kubernetesService: network.kubernetesService,
    dnsService: network.dnsService,
  };
  await ensureBootstrapObjects(client, addresses, stop.signal);
  await publishAuthentication(
    client,
    { clientAuthority: pki.authority, frontProxyAuthority: pki.frontProxy.authority },
    stop.signal,
  );
  const kubeconfigPath = path.join(dir.path, 'kubeconfig');
  await writeFileAtomically(kubeconfigPath, kubeconfig({ server, authority: pki.authority, user: pki.admin }));

  const clusterCidr = options.simNodes === undefined ? network.clusterCidr : pretendClusterCidr;
  const controllers = [
    ...controllersOf({
      kinds: api.api.kindsInUse,
      authority: pki.authority,
      serviceAccountKey: pki.serviceAccountKey,
      signCertificate: (request) => pki.sign(request),
      clusterCidr,
      eventKeepMs: options.eventTtlMs,
    }),
    bootstrapKeeper(addresses, (signal) => api.restorePolicy(signal)),
  ];
  control = new ControlPlane({
    client,
    clock,
    log,
    controllers,
    queueMetrics: queueMetrics(metrics),
    metrics,
    ...(scheduling === undefined ? {} : { profiles: scheduling.profiles, schedulerBackoff: scheduling.backoff }),
    ...(options.rebalance === true ? { rebalance: { ...rebalanceDefaults, intervalMs: rebalanceMs } } : {}),
  });
  const loops = [
    control.follow(stop.signal),
    control.lead(stop.signal),
    runCompactor({ store, clock, log, everyMs: options.compactEveryMs }, stop.signal),
    releaseIdleMemory({ clock, log }, stop.signal),
  ];
  resources.defer(async () => {
    stop.abort(new Error('the server stops'));
    await Promise.allSettled(loops);
  });

  let nodesReady: Promise<void>;
  if (options.simNodes !== undefined) {
    const sim = new SimNodes({
      client,
      informers: control.caches,
      clock,
      log: log.child({ area: 'sim' }),
      nodes: options.simNodes,
    });
    const running = sim.register(stop.signal).then(() => void loops.push(sim.run(stop.signal)));
    nodesReady = running.then(() => untilReady(client, sim.names, clock, stop.signal));
    const { trace } = options;
    if (trace !== undefined) {
      const playing = { clock, log: log.child({ area: 'trace' }), signal: stop.signal };
      const play = async () => {
        await nodesReady;
        const { playAsTimePasses, TracePlayer } = await import('./simulation/trace-player.ts'); // only where it is asked for
        await playAsTimePasses(new TracePlayer(client, sim), trace, playing);
      };
      loops.push(play().catch((error: unknown) => log.warn('trace not played to its end', { error })));
    }
  } else {
    const nodeName = nodeNameOf(hostname());
    const identity = await pki.node(nodeName, hostIps);
    const thread = startNodeThread(
      {
        nodeName,
        dataDir: dir.path,
        server,
        authority: pki.authority,
        certificate: identity.certificate,
        key: identity.key,
        hostIps,
        dnsService: network.dnsService,
        serviceCidr: network.serviceCidr,
        clusterCidr: network.clusterCidr,
        clusterDomain: network.clusterDomain,
        agentPort,
        version: versionInfo.gitVersion,
        logFile: path.join(dir.path, 'logs', 'node.log'),
        logLevel: options.logLevel,
      },
      { clock, log },
    );
    resources.defer(() => thread.stop());
    // The Node of an earlier start may still say Ready: what counts is what the agent says from now on.
    nodesReady = thread.running.then(() => untilReady(client, [nodeName], clock, stop.signal));
  }
  nodesReady.catch(() => undefined);
  const dockerSocket = options.dialects?.includes('docker') === true ? path.join(dir.path, 'docker.sock') : undefined;
  if (dockerSocket !== undefined) {
    const informers = control.caches;
    resources.use(
      await serveDocker({
        client: api.clientOf(dialectUser('docker'), 'docker'),
        informers,
        socketPath: dockerSocket,
        clock,
        log,
      }),
    );
  }
  const { schedulerConfig } = options;
  await dir.announce(server, schedulerConfig === undefined ? {} : { schedulerConfig: path.resolve(schedulerConfig) });
  const owned = resources.move();
  return {
    client,
    kubeconfigPath,
    server,
    dockerSocket,
    nodesReady,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
