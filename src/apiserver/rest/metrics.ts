import { Counter, Gauge, Histogram, type Registry as MetricsRegistry } from 'prom-client';

/** What the API server tells about itself, under upstream's names. Labels are bounded: kinds, verbs and codes alone. */
export interface RequestMetrics {
  finished(request: {
    verb: string;
    group: string;
    version: string;
    resource: string;
    code: number;
    seconds: number;
  }): void;
  inflight(change: 1 | -1, mutating: boolean): void;
}

/** Nothing is told. */
export const noMetrics: RequestMetrics = { finished() {}, inflight() {} };

/** Registers the metrics; the caller serves the registry. */
export function requestMetrics(registry: MetricsRegistry): RequestMetrics {
  const registers = [registry];
  const total = new Counter({
    name: 'apiserver_request_total',
    help: 'Requests by verb, resource and HTTP code.',
    labelNames: ['verb', 'group', 'version', 'resource', 'code'],
    registers,
  });
  const duration = new Histogram({
    name: 'apiserver_request_duration_seconds',
    help: 'Time from the head of a request to the end of its reply, watches and streams left out.',
    labelNames: ['verb', 'group', 'version', 'resource'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 5, 30],
    registers,
  });
  const inflight = new Gauge({
    name: 'apiserver_current_inflight_requests',
    help: 'Requests being served now.',
    labelNames: ['request_kind'],
    registers,
  });
  return {
    finished({ verb, group, version, resource, code, seconds }) {
      const labels = { verb, group, version, resource };
      total.inc({ ...labels, code });
      if (verb !== 'WATCH' && verb !== 'CONNECT') duration.observe(labels, seconds);
    },
    inflight(change, mutating) {
      inflight.inc({ request_kind: mutating ? 'mutating' : 'readOnly' }, change);
    },
  };
}
