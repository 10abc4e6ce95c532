import { finished } from 'node:stream/promises';
import type { Readable, Writable } from 'node:stream';
import type { Client, Session } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import { hasReason } from '#machinery/status-error.ts';
import { hasTty, refOf, type ContainerRecord } from './container-record.ts';
import { isGated, stateOf } from './container-state.ts';
import type { Containers } from './containers.ts';
import type { Hijacked } from './hijack.ts';
import { joinOutput } from './join-output.ts';
import { outputOf } from './output.ts';
import type { TerminalSizes } from './terminal-sizes.ts';

export interface AttachContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly containers: Containers;
  readonly sizes: TerminalSizes;
}

export interface AttachRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Also what was written before. */
  readonly logs: boolean;
  /** Stays until the container ends. */
  readonly stream: boolean;
}

/** How long after attaching to a terminal its first output is collected, to be joined with the log before it. */
const settleMs = 60;

/**
 * Connects a client with a container, which may not have been started yet. What it writes comes from the node's log,
 * so that nothing is missed however short it lives; only a terminal that takes input is attached to directly, for
 * prompts are no lines. Resolves when the container has ended and all was sent.
 */
export async function attach(
  context: AttachContext,
  record: ContainerRecord,
  request: AttachRequest,
  { input, output }: Hijacked,
  signal: AbortSignal,
): Promise<void> {
  const { clock, containers } = context;
  const wasLive = stateOf(record, clock.now()).status === 'running';
  const live = await containers.until(
    record.id,
    (now) => {
      if (now === undefined) return null;
      const { startedAt, status } = stateOf(now, clock.now());
      return (!isGated(now) && !startedAt.startsWith('0001')) || status === 'exited' ? now : undefined;
    },
    signal,
  );
  if (live === null) return;
  const takesInput = request.stdin && live.container.stdin === true && request.stream;
  const over = abortOn(signal);
  try {
    if (
      hasTty(live) &&
      takesInput &&
      (await attachTerminal(context, live, !wasLive || request.logs, { input, output }, over.signal))
    )
      return;
    const typing = takesInput && !hasTty(live) ? feed(context, live, input, over.signal) : undefined;
    typing?.catch(() => {}); // told at the end
    if (!takesInput) input.resume();
    const { stdout, stderr } = request;
    const tail = wasLive && !request.logs ? { tail: 0 } : {};
    const chunks = outputOf(context.client, clock, live, {
      stdout,
      stderr,
      follow: request.stream,
      timestamps: false,
      ...tail,
      signal: over.signal,
    });
    await writeAll(chunks, output);
    if (!stdout && !stderr && request.stream) await untilEnded(context, live, signal);
    over.abort();
    await typing;
  } finally {
    over.abort();
  }
}

function abortOn(signal: AbortSignal): { readonly signal: AbortSignal; abort(): void } {
  const controller = new AbortController();
  return { signal: AbortSignal.any([signal, controller.signal]), abort: () => controller.abort() };
}

async function untilEnded(
  { containers, clock }: AttachContext,
  { id }: ContainerRecord,
  signal: AbortSignal,
): Promise<void> {
  await containers.until(
    id,
    (now) => now === undefined || stateOf(now, clock.now()).status !== 'running' || undefined,
    signal,
  );
}

/** Respects a slow reader. */
export async function writeAll(chunks: AsyncIterable<Buffer>, output: Writable): Promise<void> {
  for await (const chunk of chunks) {
    if (output.destroyed) return;
    if (!output.write(chunk)) await drained(output);
  }
}

function drained(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      output.off('drain', done).off('close', done);
      resolve();
    };
    output.on('drain', done).on('close', done);
  });
}

/** Hands the client's input to the container until either ends. */
async function feed(
  { client }: AttachContext,
  record: ContainerRecord,
  input: Readable,
  signal: AbortSignal,
): Promise<void> {
  let session: Session;
  try {
    session = await client.attach(refOf(record), {
      container: record.container.name,
      stdin: true,
      stdout: false,
      stderr: false,
      tty: false,
      signal,
    });
  } catch (error) {
    input.resume();
    if (signal.aborted || hasReason(error, 'BadRequest', 'NotFound')) return; // it has ended by now
    throw error;
  }
  const { stdin } = session;
  stdin?.on('error', () => {});
  const close = () => session.close();
  signal.addEventListener('abort', close, { once: true });
  if (stdin !== undefined) input.pipe(stdin);
  await session.done.catch(() => undefined);
  signal.removeEventListener('abort', close);
  input.unpipe();
  input.resume();
}

/** False if the container has ended before one could attach; its log then tells all. */
async function attachTerminal(
  { client, clock, sizes }: AttachContext,
  record: ContainerRecord,
  fromStart: boolean,
  { input, output }: Hijacked,
  signal: AbortSignal,
): Promise<boolean> {
  let session: Session;
  try {
    session = await client.attach(refOf(record), {
      container: record.container.name,
      stdin: true,
      stdout: true,
      stderr: false,
      tty: true,
      signal,
    });
  } catch (error) {
    if (signal.aborted || !hasReason(error, 'BadRequest', 'NotFound')) throw error;
    return false;
  }
  const close = () => session.close();
  signal.addEventListener('abort', close, { once: true });
  using _ = sizes.follow(record.id, (width, height) => session.resize(width, height));
  const { stdin, stdout } = session;
  stdin?.on('error', () => {});
  stdout?.on('error', () => {});
  if (stdin !== undefined) input.pipe(stdin);
  if (stdout !== undefined) {
    if (fromStart) {
      const log = outputOf(client, clock, record, {
        stdout: true,
        stderr: false,
        follow: false,
        timestamps: false,
        signal,
      });
      await writeAll(
        joinOutput(stdout, () => log, settleMs),
        output,
      );
    } else await writeAll(stdout as AsyncIterable<Buffer>, output);
    await finished(stdout, { writable: false }).catch(() => undefined);
  }
  await session.done.catch(() => undefined);
  signal.removeEventListener('abort', close);
  input.unpipe();
  input.resume();
  return true;
}
