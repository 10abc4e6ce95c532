import type { Api } from '../api.ts';
import type { Exchange } from './exchange.ts';
import { send } from './reply.ts';
import { unknownPath } from './request-path.ts';

/** How long one check may take before it counts as failed. */
const checkMsMax = 5_000;

/** One thing that must hold. Rejects, saying why, if it does not. */
export interface HealthCheck {
  readonly name: string;
  /** Part of `/livez` too: if it fails, a restart may help. */
  readonly live: boolean;
  run(signal: AbortSignal): Promise<void>;
}

/** Characters of an unknown name that are repeated to whoever asked. */
const excludedLengthMax = 63;
const endpoints = new Set(['livez', 'readyz', 'healthz']);

export function isHealthPath(path: string): boolean {
  return endpoints.has(path.split('/')[1] ?? '');
}

/** What every server checks of itself. */
export function ownChecks(api: Api): readonly HealthCheck[] {
  return [
    { name: 'ping', live: true, run: async () => undefined },
    { name: 'log', live: true, run: async () => undefined },
    {
      name: 'etcd',
      live: true,
      run: async (signal) => {
        await api.registry.store.current({ signal });
      },
    },
    {
      name: 'informer-sync',
      live: false,
      run: (signal) => api.registry.feed.fresh({ signal, withinMs: checkMsMax }),
    },
  ];
}

/**
 * Answers `/livez`, `/readyz` and `/healthz`, each with `?verbose`, `?exclude=` and one path a check; `told` hears of each
 * result. Open to everybody. Source: k8s.io/apiserver/pkg/server/healthz (healthz.go).
 */
export async function handleHealth(
  exchange: Exchange,
  path: string,
  checks: readonly HealthCheck[],
  told: (name: string, endpoint: string, ok: boolean) => void = () => undefined,
): Promise<void> {
  const [, endpoint = '', name, ...more] = path.split('/');
  const mine = checks.filter(({ live }) => live || endpoint !== 'livez');
  const chosen = name === undefined ? mine : mine.filter((check) => check.name === name);
  if (more.length > 0 || (name !== undefined && chosen.length === 0)) throw unknownPath();
  const excluded = new Set(name === undefined ? exchange.query.getAll('exclude') : []);
  const signal = AbortSignal.any([exchange.context.signal, AbortSignal.timeout(checkMsMax)]);
  let healthy = true;
  const lines = await Promise.all(
    chosen.map(async (check) => {
      if (excluded.delete(check.name)) return `[+]${check.name} excluded: ok`;
      try {
        await check.run(signal);
        told(check.name, endpoint, true);
        return `[+]${check.name} ok`;
      } catch {
        healthy = false;
        told(check.name, endpoint, false);
        // Why a check failed is for the log: these pages are open to strangers.
        return `[-]${check.name} failed: reason withheld`;
      }
    }),
  );
  if (excluded.size > 0) {
    const unknown = [...excluded].toSorted().map((each) => JSON.stringify(each.slice(0, excludedLengthMax)));
    lines.push(`warn: some health checks cannot be excluded: no matches for ${unknown.join(', ')}`);
  }
  const verbose = exchange.query.has('verbose') && name === undefined;
  const text = healthy && !verbose ? 'ok' : `${lines.join('\n')}\n${endpoint} check ${healthy ? 'passed' : 'failed'}\n`;
  await send(exchange, healthy ? 200 : 500, 'text/plain; charset=utf-8', Buffer.from(text));
}
