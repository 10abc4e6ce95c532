import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { badRequest } from '#machinery/status-error.ts';
import { needProgram } from './binaries.ts';
import type { Cri } from './cri/cri.ts';
import { machineArchitecture, writeImageArchive } from './image-archive.ts';
import { pauseImageName, pauseLayer } from './pause-image.ts';

const importMsMax = 10 * 60_000;

/**
 * Loads an OCI image-layout archive or a `docker save` archive into the runtime that listens on `socket` and returns
 * the names it brought. Throws BadRequest with the importer's words if the file is not such an archive.
 */
export async function importImage(socket: string, file: string, signal: AbortSignal): Promise<readonly string[]> {
  const ctr = await needProgram('ctr', 'containerd');
  try {
    const { stdout } = await promisify(execFile)(
      ctr,
      ['--address', socket, '--namespace', 'k8s.io', 'images', 'import', '--all-platforms', file],
      { signal, timeout: importMsMax, maxBuffer: 1024 * 1024 },
    );
    return [...stdout.matchAll(/^unpacking (\S+)/gm)].map(([, name]) => name ?? '');
  } catch (error) {
    signal.throwIfAborted();
    const stderr = (error as { stderr?: unknown }).stderr;
    const words = typeof stderr === 'string' && stderr !== '' ? stderr.trim().replace(/^ctr: /, '') : String(error);
    throw badRequest(`Cannot import "${file}": ${words}`, error);
  }
}

/** Builds and loads the sandbox image unless the runtime has it. */
export async function ensurePauseImage(cri: Cri, socket: string, signal: AbortSignal): Promise<void> {
  const { image } = await cri.call('ImageStatus', { image: { image: pauseImageName } }, { signal });
  if (image !== undefined) return;
  const dir = await mkdtemp(join(tmpdir(), 'tutti-pause-'));
  try {
    const file = join(dir, 'pause.tar');
    await writeImageArchive(pauseImageName, pauseLayer(machineArchitecture()), { entrypoint: ['/pause'] }, file);
    await importImage(socket, file, signal);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
