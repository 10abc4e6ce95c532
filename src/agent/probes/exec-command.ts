import { hasReason } from '#machinery/status-error.ts';
import type { Cri } from '../cri/cri.ts';
import type { HandlerResult } from './http-get.ts';

const outputLengthMax = 1024;

/** Runs a command in a container; success is exit code 0. Output is cut to what a message can hold. */
export async function execCommand(
  cri: Cri,
  containerId: string,
  command: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HandlerResult & { readonly exitCode: number }> {
  const timeout = Math.ceil(timeoutMs / 1000);
  try {
    const result = await cri.call('ExecSync', { containerId, cmd: command, timeout }, { signal, extraMs: timeoutMs });
    const output = Buffer.concat([result.stdout, result.stderr]).toString('utf8').slice(0, outputLengthMax);
    return { ok: result.exitCode === 0, message: output, exitCode: result.exitCode };
  } catch (error) {
    signal.throwIfAborted();
    if (hasReason(error, 'NotFound')) return { ok: false, message: 'the container is gone', exitCode: -1 };
    const isLate = hasReason(error, 'Timeout') || /timeout|deadline exceeded/i.test((error as Error).message);
    const message = isLate
      ? `command timed out: "${command.join(' ')}" timed out after ${timeout}s`
      : (error as Error).message;
    return { ok: false, message, exitCode: -1 };
  }
}
