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
      name: 'store',
      live: true,
      run: async (signal) => {
        await api.registry.store.current({ signal });
      },
    },
    {
      name: 'watch-cache',
      live: false,
      run: (signal) => api.registry.feed.fresh({ signal, withinMs: checkMsMax }),
    },
  ];
}

/** Answers `/livez`, `/readyz` and `/healthz`, each with `?verbose`, `?exclude=` and one path a check. Open to everybody. */
export async function handleHealth(exchange: Exchange, path: string, checks: readonly HealthCheck[]): Promise<void> {
  const [, endpoint = '', name, ...more] = path.split('/');
  const mine = checks.filter(({ live }) => live || endpoint !== 'livez');
  const excluded = new Set(exchange.query.getAll('exclude'));
  const chosen =
    name === undefined
      ? mine.filter((check) => !excluded.has(check.name))
      : mine.filter((check) => check.name === name);
  if (more.length > 0 || (name !== undefined && chosen.length === 0)) throw unknownPath();
  const signal = AbortSignal.any([exchange.context.signal, AbortSignal.timeout(checkMsMax)]);
  const results = await Promise.all(
    chosen.map(async (check) => {
      try {
        await check.run(signal);
        return { name: check.name, ok: true };
      } catch {
        return { name: check.name, ok: false };
      }
    }),
  );
  const healthy = results.every(({ ok }) => ok);
  // Why a check failed is for the log: these pages are open to strangers.
  const lines = results.map(({ name: check, ok }) => (ok ? `[+]${check} ok` : `[-]${check} failed: reason withheld`));
  const verbose = exchange.query.has('verbose') && name === undefined;
  const text = healthy && !verbose ? 'ok' : `${lines.join('\n')}\n${endpoint} check ${healthy ? 'passed' : 'failed'}\n`;
  await send(exchange, healthy ? 200 : 500, 'text/plain; charset=utf-8', Buffer.from(text));
}
