import { parentPort, workerData } from 'node:worker_threads';
import { abortController, systemClock } from '#lib/clock.ts';
import { releaseIdleMemory } from './idle-memory.ts';
import { fileLog } from './log-file.ts';
import { startNode } from './node.ts';
import type { NodeCommand, NodeMessage, NodeWorkerOptions } from './node-protocol.ts';

/** The thread of a node: what it does must go on in time while the API server is busy on the main thread. */
async function run(port: NonNullable<typeof parentPort>, options: NodeWorkerOptions): Promise<void> {
  const tell = (message: NodeMessage) => port.postMessage(message);
  const log = fileLog(options.logFile, options.logLevel);
  // Listening from the start also keeps the thread alive while everything it waits for is a timer.
  const stopped = new Promise<void>((resolve) => {
    port.on('message', (command: NodeCommand) => {
      if (command === 'stop') resolve();
    });
  });
  try {
    const node = await startNode({ ...options, clock: systemClock, log });
    tell({ type: 'running', runtimeSocket: node.agent.runtimeSocket });
    const stop = abortController();
    const releasing = releaseIdleMemory({ clock: systemClock, log }, stop.signal);
    await stopped;
    stop.abort();
    await releasing;
    await node[Symbol.asyncDispose]();
  } catch (error) {
    log.error('the node cannot run', { error });
    tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
  port.close();
}

if (parentPort !== null) await run(parentPort, workerData as NodeWorkerOptions);
