import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '#test/support/command.ts';
import type { Server } from './server.ts';

export const benchImage = 'tutti.dev/bench:1';
const program = path.join(import.meta.dirname, '..', 'bin', 'tutti');
const busybox = '/bin/busybox';

/** Puts an image on the server's node that has busybox and nothing else. */
export async function loadBenchImage(server: Server): Promise<void> {
  const dir = mkdtempSync(path.join(tmpdir(), 'tutti-bench-image-'));
  try {
    mkdirSync(path.join(dir, 'bin'));
    cpSync(busybox, path.join(dir, 'bin', 'busybox'));
    await run(program, ['image', 'build', '--data-dir', server.dataDir, '-t', benchImage, '--', dir]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
