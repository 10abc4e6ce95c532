import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ContainerStatus } from './cri/messages.generated.ts';
import { annotations } from './cri-names.ts';
import { parseLogLine } from './logs/cri-log-line.ts';

/** Bounds of what a pod's status repeats. Source: kubelet's container runtime (MaxContainerTerminationMessage…). */
const messageBytesMax = 4096;
const fallbackBytesMax = 2048;
const fallbackLinesMax = 80;

/**
 * Why an ended container says it ended: what it wrote to its termination file, else, if its policy says so and it
 * failed, the end of its log, else the runtime's own words.
 */
export async function terminationMessage(status: ContainerStatus): Promise<string> {
  const file = status.annotations[annotations.terminationFile] ?? '';
  const written = file === '' ? '' : await readEnd(file, messageBytesMax);
  if (written !== '') return written;
  const policy = status.annotations[annotations.terminationPolicy];
  if (policy !== 'FallbackToLogsOnError' || status.exitCode === 0) return status.message;
  const tail = await readEnd(status.logPath, 4 * fallbackBytesMax);
  const lines = tail.split('\n').flatMap((line) => {
    const parsed = parseLogLine(line);
    return parsed === undefined ? [] : `${parsed.text}${parsed.isPartial ? '' : '\n'}`;
  });
  const text = lines.slice(-fallbackLinesMax).join('');
  return text === '' ? status.message : Buffer.from(text).subarray(-fallbackBytesMax).toString();
}

/** The last `bytes` of a file that a container can write to: no links are followed, no pipe is waited for. */
async function readEnd(path: string, bytes: number): Promise<string> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(() => undefined);
  if (file === undefined) return '';
  await using held = file;
  const stat = await held.stat();
  if (!stat.isFile()) return '';
  const length = Math.min(stat.size, bytes);
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await held.read(buffer, 0, length, stat.size - length);
  return buffer.toString('utf8', 0, bytesRead);
}
