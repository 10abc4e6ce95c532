import { Node } from '#api/core/node.ts';
import type { SimNodes } from '#agent/sim/sim-nodes.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import { forEachLimit } from '#lib/for-each-limit.ts';
import type { Log } from '#lib/log.ts';
import { unreachable } from '#lib/unreachable.ts';
import { keyOf, type ApiObject } from '#machinery/object.ts';
import type { TraceEvent } from './trace.ts';

/** What the API did not take, or the pretend nodes not do. */
export interface Refusal {
  /** In milliseconds from the trace's beginning. */
  readonly at: number;
  /** `create Pod tenant-1/web-3` */
  readonly attempt: string;
  readonly why: string;
}

const callsInFlightMax = 32;
/** More are counted only. */
const refusalsKeptMax = 20;

/** Makes the events of a trace happen on a cluster. When they happen is for the caller to decide. */
export class TracePlayer {
  readonly #client: Client;
  readonly #nodes: Pick<SimNodes, 'add' | 'stop' | 'restart'>;
  readonly #refusals: Refusal[] = [];
  #refused = 0;

  constructor(client: Client, nodes: Pick<SimNodes, 'add' | 'stop' | 'restart'>) {
    this.#client = client;
    this.#nodes = nodes;
  }

  /** The first ones, and how many there were in all. */
  get refusals(): { readonly first: readonly Refusal[]; readonly count: number } {
    return { first: this.#refusals, count: this.#refused };
  }

  /** Resolves once the event has happened, or was refused, which is kept. */
  async play(event: TraceEvent, signal: AbortSignal): Promise<void> {
    const attempt = (what: string, work: () => Promise<unknown>) => this.#attempt(event.at, what, work, signal);
    switch (event.do) {
      case 'nodes':
        return attempt(`add ${event.shape.count} nodes`, () => this.#nodes.add([event.shape], signal));
      case 'create':
        return forEachLimit(copiesOf(event.object, event.count), callsInFlightMax, (object) =>
          attempt(`create ${nameOf(object)}`, () => this.#client.create(event.kind, object, { signal })),
        );
      case 'scale': {
        const { kind, ref } = event.of;
        const patch = { spec: { replicas: event.replicas } };
        return attempt(`scale ${kind.kind} ${keyOf(ref)}`, () =>
          this.#client.patch(kind, ref, { type: 'merge', patch }, { subresource: 'scale', signal }),
        );
      }
      case 'delete': {
        const { kind, ref } = event.of;
        return attempt(`delete ${kind.kind} ${keyOf(ref)}`, async () => {
          if (kind.kind === Node.kind && kind.group === Node.group) this.#nodes.stop(ref.name);
          await this.#client.delete(kind, ref, { signal });
        });
      }
      case 'fail':
      case 'recover': {
        const { do: what, nodes } = event;
        return forEachLimit(nodes, callsInFlightMax, (name) =>
          attempt(`${what} node ${name}`, async () => {
            if (what === 'fail') this.#nodes.stop(name);
            else await this.#nodes.restart(name, signal);
          }),
        );
      }
      default:
        return unreachable(event);
    }
  }

  async #attempt(at: number, attempt: string, work: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (signal.aborted) throw error;
      this.#refused++;
      if (this.#refusals.length >= refusalsKeptMax) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#refusals.push({ at, attempt, why });
    }
  }
}

/** A trace to be played on a cluster that lives in the machine's time. */
export interface Playback {
  readonly events: readonly TraceEvent[];
  /** How many seconds of the trace pass in one of the clock. */
  readonly speed: number;
}

/** Plays a trace as time passes, until its end; what is refused is logged. Throws the signal's reason. */
export async function playAsTimePasses(
  player: TracePlayer,
  { events, speed }: Playback,
  { clock, log, signal }: { readonly clock: Clock; readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  const begin = clock.now();
  let told = 0;
  for (const event of events) {
    const waitMs = begin + event.at / speed - clock.now();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    await player.play(event, signal);
    const { first, count } = player.refusals;
    for (const { at, attempt, why } of first.slice(told)) {
      log.warn('trace event refused', { atSeconds: at / 1000, attempt, why });
    }
    told = Math.min(count, first.length);
  }
  log.info('trace played', { events: events.length, refused: player.refusals.count });
}

function nameOf({ kind, metadata }: ApiObject): string {
  const { name = '', namespace } = metadata ?? {};
  return `${kind} ${keyOf(namespace === undefined ? { name } : { namespace, name })}`;
}

function* copiesOf(object: ApiObject, count: number | undefined): Iterable<ApiObject> {
  if (count === undefined) {
    yield object;
    return;
  }
  for (let number = 1; number <= count; number++) {
    yield { ...object, metadata: { ...object.metadata, name: `${object.metadata?.name}-${number}` } };
  }
}
