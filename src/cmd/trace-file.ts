import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { TraceEvent } from '#cluster/simulation/trace.ts';
import { UsageError } from './fail.ts';

/** Reads a trace from a file, or from standard input (`-`). */
export async function readTrace(file: string): Promise<readonly TraceEvent[]> {
  const { parseTrace, TraceError } = await import('#cluster/simulation/trace.ts');
  const content = await (file === '-' ? text(process.stdin) : readFile(file, 'utf8')).catch((error: Error) => {
    throw new UsageError(`The trace ${file} cannot be read: ${error.message}.`, 'name a file, or "-"');
  });
  try {
    return parseTrace(content, file);
  } catch (error) {
    if (error instanceof TraceError) throw new UsageError(`${error.message}.`, 'the format is in docs/simulation.md');
    throw error;
  }
}
