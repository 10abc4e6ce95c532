import { readdirSync, readFileSync } from 'node:fs';
import type { Metrics } from '#lib/metrics.ts';
import { versionInfo } from '#machinery/version.ts';
import type { Registry } from '../registry/registry.ts';

/** What a request is counted under. Every label is bounded: kinds, verbs, scopes and codes alone. */
export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly scope: string;
  readonly dryRun: boolean;
}

interface FinishedRequest extends RequestLabels {
  readonly code: number;
  readonly seconds: number;
  /** How long of that it waited for its turn. */
  readonly waitedSeconds: number;
  /** Bytes of the reply, where they are known. */
  readonly bytes: number | undefined;
  /** The server ended it in self-defence. */
  readonly terminated: boolean;
}

/** Source of names, labels and buckets: k8s.io/apiserver/pkg/endpoints/metrics (metrics.go). */
export interface RequestMetrics {
  finished(request: FinishedRequest): void;
  inflight(change: 1 | -1, mutating: boolean): void;
  /** A request that lasts as long as its client likes. */
  lasting(change: 1 | -1, labels: RequestLabels): void;
  /** Events of a kind that have gone out to watchers. */
  watchEvents(kind: { readonly group: string; readonly version: string; readonly plural: string }, count: number): void;
  health(name: string, endpoint: string, ok: boolean): void;
}

/** Nothing is told. */
export const noMetrics: RequestMetrics = {
  finished() {},
  inflight() {},
  lasting() {},
  watchEvents() {},
  health() {},
};

const durations = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const sizes = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const component = 'apiserver';
const lastingVerbs = new Set(['WATCH', 'CONNECT']);
const sizedVerbs = new Set(['GET', 'LIST']);
/** Series that are found by one look; more are found by their labels. */
const seriesMax = 20_000;

/** Registers the metrics of the API server; `slis` gets those of health alone. */
export function requestMetrics(metrics: Metrics, slis: Metrics): RequestMetrics {
  const where = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component'];
  const total = metrics.counter(
    'apiserver_request_total',
    'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
    ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component', 'code'],
  );
  const duration = metrics.histogram(
    'apiserver_request_duration_seconds',
    'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
    ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component'],
    durations,
  );
  const sli = metrics.histogram(
    'apiserver_request_sli_duration_seconds',
    'Response latency distribution (not counting priority & fairness queue wait times) in seconds for each verb, group, version, resource, subresource, scope and component.',
    where,
    durations.slice(2),
  );
  const responses = metrics.histogram(
    'apiserver_response_sizes',
    'Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.',
    where,
    sizes,
  );
  const terminations = metrics.counter(
    'apiserver_request_terminations_total',
    'Number of requests which apiserver terminated in self-defense.',
    [...where, 'code'],
  );
  const longRunning = metrics.gauge(
    'apiserver_longrunning_requests',
    'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component.',
    where,
  );
  const inflight = metrics.gauge('apiserver_current_inflight_requests', 'Requests being served now, by kind.', [
    'request_kind',
  ]);
  const running = { mutating: inflight.of('mutating'), readOnly: inflight.of('readOnly') };
  const events = metrics.counter('apiserver_watch_events_total', 'Number of events sent in watch clients', [
    'group',
    'version',
    'resource',
  ]);
  const healthchecks = slis.gauge('kubernetes_healthcheck', 'This metric records the result of a single healthcheck.', [
    'name',
    'type',
  ]);
  const healthTotal = slis.counter(
    'kubernetes_healthchecks_total',
    'This metric records the results of all healthcheck.',
    ['name', 'status', 'type'],
  );
  const tuple = ({ verb, group, version, resource, subresource, scope }: RequestLabels) =>
    [verb, group, version, resource, subresource, scope, component] as const;
  const seriesOf = (labels: FinishedRequest) => {
    const { verb, dryRun, group, version, resource, subresource, scope, code } = labels;
    const dry = dryRun ? 'All' : '';
    const place = [dry, group, version, resource, subresource, scope, component];
    return {
      total: total.of(verb, ...place, String(code)),
      duration: lastingVerbs.has(verb) ? undefined : duration.of(verb, ...place),
      sli: lastingVerbs.has(verb) ? undefined : sli.of(...tuple(labels)),
      size: sizedVerbs.has(verb) ? responses.of(...tuple(labels)) : undefined,
    };
  };
  const known = new Map<string, ReturnType<typeof seriesOf>>();
  return {
    finished(request) {
      const { verb, group, version, resource, subresource, scope, dryRun, code } = request;
      const key = `${verb} ${group} ${version} ${resource} ${subresource} ${scope} ${dryRun ? 'dry' : ''} ${code}`;
      let series = known.get(key);
      if (series === undefined) {
        series = seriesOf(request);
        if (known.size < seriesMax) known.set(key, series);
      }
      series.total.value++;
      series.duration?.observe(request.seconds);
      series.sli?.observe(Math.max(0, request.seconds - request.waitedSeconds));
      if (request.bytes !== undefined) series.size?.observe(request.bytes);
      if (request.terminated) terminations.of(...tuple(request), String(code)).value++;
    },
    inflight(change, mutating) {
      running[mutating ? 'mutating' : 'readOnly'].value += change;
    },
    lasting(change, labels) {
      longRunning.of(...tuple(labels)).value += change;
    },
    watchEvents({ group, version, plural }, count) {
      events.of(group, version, plural).value += count;
    },
    health(name, endpoint, ok) {
      healthchecks.of(name, endpoint).value = ok ? 1 : 0;
      healthTotal.of(name, ok ? 'success' : 'error', endpoint).value++;
    },
  };
}

/** How many objects of each kind there are, of those that somebody has asked for. */
export function storageMetrics(metrics: Metrics, registry: Registry): void {
  metrics.gauge(
    'apiserver_storage_objects',
    'Number of stored objects at the time of last check split by kind.',
    ['resource'],
    (self) => {
      for (const { kind, cache } of registry.resources()) {
        if (cache.isReady) self.of(kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`).value = cache.size;
      }
    },
  );
}

/** What every process of Kubernetes tells of itself. */
export function processMetrics(metrics: Metrics): void {
  const { major, minor, gitVersion } = versionInfo;
  metrics
    .gauge('kubernetes_build_info', 'A metric with a constant 1 value labeled by what was built.', [
      'build_date',
      'compiler',
      'git_commit',
      'git_tree_state',
      'git_version',
      'go_version',
      'major',
      'minor',
      'platform',
    ])
    .of(
      '',
      'node',
      '',
      'clean',
      gitVersion,
      `node ${process.versions.node}`,
      major,
      minor,
      `linux/${process.arch}`,
    ).value = 1;
  const now = (name: string, help: string, value: () => number) =>
    metrics.gauge(name, help, [], (self) => void (self.of().value = value()));
  const cpu = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  now('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', cpu);
  now('process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss());
  now('process_virtual_memory_bytes', 'Virtual memory size in bytes.', virtualBytes);
  now('process_open_fds', 'Number of open file descriptors.', () => readdirSync('/proc/self/fd').length);
  now('process_max_fds', 'Maximum number of open file descriptors.', filesMax);
  const started = Date.now() / 1000 - process.uptime();
  now('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', () => started);
}

function virtualBytes(): number {
  const [, kib = '0'] = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kib) * 1024;
}

function filesMax(): number {
  const [, soft = '0'] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return Number(soft);
}

/** What `/metrics` and `/metrics/slis` answer with, and who is told of requests. */
export interface ServerMetrics {
  readonly requests: RequestMetrics;
  text(): Promise<string>;
  slis(): Promise<string>;
}
