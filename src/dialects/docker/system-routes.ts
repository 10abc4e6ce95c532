import { Node } from '#api/core/node.ts';
import type { ServerResponse } from 'node:http';
import { toUnits } from '#machinery/quantity.ts';
import { versionInfo } from '#machinery/version.ts';
import { badRequest, StatusError } from '#machinery/status-error.ts';
import { stateOf } from './container-state.ts';
import type { DockerContext } from './context.ts';
import { notOffered } from './errors.ts';
import { eventFilters, eventMatcher, parseFilters } from './filters.ts';
import { sha256 } from './names.ts';
import { apiVersions, type Call, type Route } from './router.ts';

/** The server about itself and the cluster, and its events. */
export function systemRoutes(context: DockerContext): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/_ping',
      write: async ({ method }, res) => {
        res.writeHead(200, {
          'content-type': 'text/plain; charset=utf-8',
          'cache-control': 'no-cache, no-store, must-revalidate',
        });
        res.end(method === 'HEAD' ? undefined : 'OK');
      },
    },
    { method: 'GET', path: '/version', answer: () => ({ code: 200, body: version(context) }) },
    { method: 'GET', path: '/info', answer: () => ({ code: 200, body: info(context) }) },
    { method: 'GET', path: '/events', write: (call, res) => events(context, call, res) },
    // docker inspect asks for each of these in turn, and goes on where there is no such thing.
    ...['networks', 'volumes', 'plugins'].map((kind): Route => ({
      method: 'GET',
      path: kind === 'plugins' ? '/plugins/{name*}/json' : `/${kind}/{name}`,
      answer: ({ params }) => {
        throw new StatusError('NotFound', `No such ${kind.slice(0, -1)}: ${params['name'] ?? ''}`);
      },
    })),
    ...['services', 'tasks', 'nodes', 'secrets', 'configs', 'swarm'].flatMap((kind): readonly Route[] =>
      ['', '/{rest*}'].map((rest) => ({
        method: 'GET',
        path: `/${kind}${rest}`,
        answer: () => {
          throw new StatusError(
            'ServiceUnavailable',
            "This node is not a swarm manager: Tutti's Docker API does not have swarm mode yet; kubectl and docker run work on the whole cluster.",
          );
        },
      })),
    ),
  ];
}

function version({ cache }: DockerContext): Record<string, unknown> {
  const facts = cache.list(Node)[0]?.status?.nodeInfo;
  const os = { Os: 'linux', Arch: facts?.architecture ?? hostArch(), KernelVersion: facts?.kernelVersion ?? '' };
  return {
    Platform: { Name: 'Tutti' },
    Components: [
      { Name: 'Engine', Version: versionInfo.tutti, Details: { ApiVersion: apiVersions.max, MinAPIVersion: apiVersions.min, Arch: os.Arch, Os: os.Os, KernelVersion: os.KernelVersion, GoVersion: '', GitCommit: '', BuildTime: '', Experimental: 'false' } },
      { Name: 'Kubernetes API', Version: versionInfo.gitVersion, Details: {} },
      ...(facts?.containerRuntimeVersion === undefined ? [] : [{ Name: facts.containerRuntimeVersion.split('://')[0] ?? '', Version: facts.containerRuntimeVersion.split('://')[1] ?? '', Details: {} }]),
    ],
    Version: versionInfo.tutti,
    ApiVersion: apiVersions.max,
    MinAPIVersion: apiVersions.min,
    GitCommit: '',
    GoVersion: '',
    ...os,
    Experimental: false,
    BuildTime: '',
  }; // prettier-ignore
}

const hostArch = () => ({ x64: 'amd64' })[process.arch as 'x64'] ?? process.arch;

function info({ cache, containers, images, clock, namespace }: DockerContext): Record<string, unknown> {
  const nodes = cache.list(Node).toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  const counts = { running: 0, other: 0 };
  const onNode = new Map<string, number>();
  for (const record of containers.all()) {
    const { status } = stateOf(record, clock.now());
    counts[status === 'running' ? 'running' : 'other']++;
    const name = record.pod.spec.nodeName ?? '';
    onNode.set(name, (onNode.get(name) ?? 0) + 1);
  }
  const capacity = ({ status }: Node, resource: string) => toUnits(status?.capacity?.[resource] ?? 0);
  const facts = nodes[0]?.status?.nodeInfo;
  const isReady = ({ status }: Node) =>
    status?.conditions?.some(({ type, status: holds }) => type === 'Ready' && holds === 'True') === true;
  return {
    ID: sha256(nodes.map(({ metadata }) => metadata?.uid ?? '').join()),
    Name: `tutti (${nodes.length} node${nodes.length === 1 ? '' : 's'})`,
    ServerVersion: versionInfo.tutti,
    Containers: containers.size,
    ContainersRunning: counts.running,
    ContainersPaused: 0,
    ContainersStopped: counts.other,
    Images: images.all().length,
    Driver: 'overlayfs',
    DriverStatus: [['Containers made here go to namespace', namespace]],
    SystemStatus: [
      ['Nodes', `${nodes.length}`],
      ...nodes.slice(0, listedNodesMax).flatMap((node) => {
        const { metadata, status } = node;
        return [
          [` ${metadata?.name ?? ''}`, status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? ''],
          ['  └ Status', isReady(node) ? 'Healthy' : 'Unhealthy'],
          ['  └ Containers', `${onNode.get(metadata?.name ?? '') ?? 0}`],
          ['  └ CPUs', `${capacity(node, 'cpu')}`],
          ['  └ Memory', `${Math.round(capacity(node, 'memory') / 2 ** 20)} MiB`],
        ];
      }),
      ...(nodes.length > listedNodesMax ? [[` and ${nodes.length - listedNodesMax} more`, '']] : []),
    ],
    Plugins: { Volume: [], Network: ['bridge', 'host'], Authorization: null, Log: ['json-file'] },
    MemoryLimit: true,
    SwapLimit: false,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: false,
    PidsLimit: false,
    IPv4Forwarding: true,
    OomKillDisable: false,
    Debug: false,
    NFd: 0,
    NGoroutines: 0,
    NEventsListener: 0,
    SystemTime: new Date(clock.now()).toISOString(),
    LoggingDriver: 'json-file',
    CgroupDriver: 'cgroupfs',
    KernelVersion: facts?.kernelVersion ?? '',
    OperatingSystem: facts?.osImage ?? '',
    OSType: 'linux',
    Architecture: facts?.architecture ?? hostArch(),
    NCPU: nodes.reduce((sum, node) => sum + capacity(node, 'cpu'), 0),
    MemTotal: nodes.reduce((sum, node) => sum + capacity(node, 'memory'), 0),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: { InsecureRegistryCIDRs: [], IndexConfigs: {}, Mirrors: [] },
    DockerRootDir: '',
    Labels: [],
    ExperimentalBuild: false,
    LiveRestoreEnabled: true,
    Runtimes: { runc: { path: 'runc' } },
    DefaultRuntime: 'runc',
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    Isolation: '',
    InitBinary: '',
    SecurityOptions: ['name=seccomp,profile=builtin'],
    Warnings: null,
  };
}

const listedNodesMax = 50;
const eventsWaitingMax = 10_000;

async function events(context: DockerContext, { query, signal }: Call, res: ServerResponse): Promise<void> {
  const matches = eventMatcher(parseFilters(query.get('filters'), eventFilters));
  const [since, until] = ['since', 'until'].map((name) => {
    const text = query.get(name) ?? '';
    if (text !== '' && !/^\d{1,11}(\.\d{1,9})?$/.test(text))
      throw badRequest(`invalid ${name}: ${JSON.stringify(text)} is no Unix time`);
    return text === '' ? undefined : Number(text);
  });
  res.writeHead(200, { 'content-type': 'application/json' });
  res.flushHeaders();
  const line = (event: unknown) => {
    if (res.writableLength > eventsWaitingMax * 500) res.destroy(notOffered('more events than a client reads'));
    else res.write(`${JSON.stringify(event)}\n`);
  };
  using _ = context.events.on((event) => {
    if (matches(event) && (until === undefined || event.timeNano / 1e9 <= until)) line(event);
  });
  if (since !== undefined) {
    for (const event of context.events.past(since))
      if (matches(event) && (until === undefined || event.timeNano / 1e9 <= until)) line(event);
  }
  const leftMs = until === undefined ? Number.MAX_SAFE_INTEGER : until * 1000 - context.clock.now();
  if (leftMs > 0) await context.clock.sleep(leftMs, signal).catch(() => undefined);
  res.end();
}
