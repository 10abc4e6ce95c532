import { Worker } from 'node:worker_threads';
import { Backoff } from '#lib/backoff.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { StartError } from './data-dir.ts';
import type { NodeCommand, NodeMessage, NodeWorkerOptions } from './node-protocol.ts';

export interface NodeThread {
  /** Resolves once the agent works for the first time, and rejects if it cannot. */
  readonly running: Promise<void>;
  /** Ends the thread and resolves once it is gone; containers are not touched. */
  stop(): Promise<void>;
}

const nodeStopMsMax = 10_000;
/** The node's thread makes few objects at a time: room for more would only be kept. */
const nodeYoungMegabytesMax = 6;
const restartPolicy = { initialMs: 500, maxMs: 30_000 } as const;
/** A thread that has lived this long has recovered. */
const calmAfterMs = 60_000;

const ownFile = (): URL =>
  new URL(import.meta.url.endsWith('.ts') ? './node-worker.ts' : './node-worker.js', import.meta.url);

/**
 * Runs this host's node in a thread of its own. A thread that dies after it has worked once is started again, with
 * back-off: the server goes on meanwhile, and so do the containers, which the next thread finds.
 */
export function startNodeThread(
  options: NodeWorkerOptions,
  { clock, log, file = ownFile() }: { readonly clock: Clock; readonly log: Log; readonly file?: URL },
): NodeThread {
  const stopping = abortController();
  const first = Promise.withResolvers<void>();
  // Who waits for readiness hears of it; later failures are in the log.
  first.promise.catch(() => undefined);
  let worker: Worker | undefined;
  let hasWorked = false;

  /** One life of the thread: resolves when it is over. */
  const live = () =>
    new Promise<void>((resolve) => {
      const resourceLimits = { maxYoungGenerationSizeMb: nodeYoungMegabytesMax };
      worker = new Worker(file, { workerData: options, name: 'tutti-node', execArgv: [], resourceLimits });
      worker.on('message', (message: NodeMessage) => {
        if (message.type === 'running') {
          hasWorked = true;
          first.resolve();
        } else first.reject(new StartError(`This host cannot be a node: ${message.message}`));
      });
      worker.on('error', (error) => {
        log.error('the thread of the node has failed', { error });
        first.reject(new StartError(`This host's node has failed: ${error.message}`, error));
      });
      worker.once('exit', () => resolve());
    });

  const loop = (async () => {
    const backoff = new Backoff(restartPolicy);
    for (;;) {
      const startedAt = clock.now();
      await live();
      if (!hasWorked || stopping.signal.aborted) return;
      if (clock.now() - startedAt > calmAfterMs) backoff.reset();
      const inMs = backoff.next();
      log.warn('the thread of the node has ended and is started again', { inMs });
      await clock.sleep(inMs, stopping.signal).catch(() => undefined);
      if (stopping.signal.aborted) return;
    }
  })();

  return {
    running: first.promise,
    async stop() {
      stopping.abort(new Error('the node stops'));
      worker?.postMessage('stop' satisfies NodeCommand);
      const late = setTimeout(() => void worker?.terminate(), nodeStopMsMax);
      await loop;
      clearTimeout(late);
    },
  };
}
