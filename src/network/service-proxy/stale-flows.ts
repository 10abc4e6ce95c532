import type { Log } from '#lib/log.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { RunCommand } from '../command.ts';
import type { Frontend } from './frontend.ts';

/**
 * A UDP conversation that the kernel would keep sending where it should no longer go: it translates by its
 * memory of the first packet, which a steady client (a resolver, a logger) never lets expire.
 */
export interface StaleFlow {
  /** Undefined: a node port. */
  readonly address: string | undefined;
  readonly port: number;
  /** The target that is gone; undefined: whatever became of packets while there was no target. */
  readonly target: string | undefined;
}

/** Which UDP conversations must be forgotten when a service's frontends change from `before` to `after`. */
export function staleFlows(before: readonly Frontend[], after: readonly Frontend[]): readonly StaleFlow[] {
  const now = new Map(after.filter(isUdp).map((frontend) => [idOf(frontend), frontend]));
  const then = new Map(before.filter(isUdp).map((frontend) => [idOf(frontend), frontend]));
  const flows: StaleFlow[] = [];
  for (const [id, { address, port, ...frontend }] of then) {
    const kept = new Set(targetsOf(now.get(id)));
    const gone = new Set(targetsOf(frontend).filter((ip) => !kept.has(ip)));
    for (const target of gone) flows.push({ address, port, target });
  }
  for (const [id, frontend] of now) {
    const hadNone = targetsOf(then.get(id)).length === 0;
    const { address, port } = frontend;
    if (hadNone && targetsOf(frontend).length > 0) flows.push({ address, port, target: undefined });
  }
  return flows;
}

const isUdp = ({ protocol }: Frontend) => protocol === 'udp';
const idOf = ({ address = 'node', port }: Frontend) => `${address}:${port}`;
const targetsOf = (frontend: Pick<Frontend, 'backends' | 'outside'> | undefined) =>
  [...(frontend?.backends.targets ?? []), ...(frontend?.outside?.targets ?? [])].map(({ ip }) => ip);

/** Above this many at once, every translated UDP conversation of the host is forgotten with one command. */
const flowsAtOnceMax = 50;

/**
 * Makes the kernel forget conversations, through the `conntrack` program (Debian's package of that name). Where it
 * is not installed, stale ones end by themselves once silent for the kernel's timeout (30 s, or 120 s for streams).
 */
export class FlowCleaner {
  readonly #run: RunCommand;
  readonly #log: Log;
  #isMissing = false;

  constructor(run: RunCommand, log: Log) {
    this.#run = run;
    this.#log = log;
  }

  async forget(flows: readonly StaleFlow[], signal: AbortSignal): Promise<void> {
    if (this.#isMissing || flows.length === 0) return;
    const commands = flows.length > flowsAtOnceMax ? [['--dst-nat']] : flows.map(filterOf);
    try {
      // Exits with 1 when nothing matched, which is the usual case.
      for (const filter of commands) await this.#run('conntrack', ['-D', '-p', 'udp', ...filter], { signal });
    } catch (error) {
      if (!hasReason(error, 'ServiceUnavailable')) throw error;
      this.#isMissing = true;
      this.#log.warn('conntrack is not installed: UDP clients may talk to a stopped pod for up to 120 s');
    }
  }
}

const filterOf = ({ address, port, target }: StaleFlow): readonly string[] => [
  ...(address === undefined ? [] : ['--orig-dst', address]),
  '--orig-port-dst',
  String(port),
  ...(target === undefined ? [] : ['--reply-src', target]),
];
