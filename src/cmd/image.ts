import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { openCri } from '#agent/cri/cri.ts';
import { layerOfDirectory, writeImageArchive } from '#agent/image-archive.ts';
import { importImage } from '#agent/image-import.ts';
import { agentPaths } from '#agent/paths.ts';
import { UsageError } from './fail.ts';
import { dataDirOption, type DataDirOptions } from './options.ts';
import { runningServer } from './connect.ts';
import { table } from './terminal.ts';

const callMsMax = 10 * 60_000;

interface BuildOptions extends DataDirOptions {
  readonly tag: string;
  readonly entrypoint?: string[];
  readonly cmd?: string[];
  readonly env?: string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly expose?: string[];
  readonly output?: string;
}

async function runtimeSocket(dataDir: string): Promise<string> {
  await runningServer(dataDir);
  const { socket } = agentPaths(dataDir).containerd;
  if ((await stat(socket).catch(() => undefined)) === undefined) {
    throw new UsageError(
      `The cluster of ${dataDir} has no container runtime: its nodes are pretend ones.`,
      'start it as root and without --sim to have real containers',
    );
  }
  return socket;
}

async function build(dir: string, options: BuildOptions): Promise<void> {
  if ((await stat(dir).catch(() => undefined))?.isDirectory() !== true) {
    throw new UsageError(`${dir} is no directory.`, 'name the directory whose files become the image');
  }
  const scratch = await mkdtemp(path.join(tmpdir(), 'tutti-image-'));
  try {
    const file = options.output ?? path.join(scratch, 'image.tar');
    const config = {
      ...(options.entrypoint === undefined ? {} : { entrypoint: options.entrypoint }),
      ...(options.cmd === undefined ? {} : { cmd: options.cmd }),
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.workdir === undefined ? {} : { workingDir: options.workdir }),
      ...(options.user === undefined ? {} : { user: options.user }),
      ...(options.expose === undefined
        ? {}
        : { exposedPorts: options.expose.map((port) => (port.includes('/') ? port : `${port}/tcp`)) }),
    };
    const socket = options.output === undefined ? await runtimeSocket(options.dataDir) : undefined;
    const image = await writeImageArchive(options.tag, await layerOfDirectory(dir), config, file);
    if (socket !== undefined) await importImage(socket, file, AbortSignal.timeout(callMsMax));
    process.stdout.write(
      `${image.name}  ${image.digest}  ${(image.bytes / 1e6).toFixed(1)} MB${socket === undefined ? `  ${file}` : ''}\n`,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

export function registerImage(program: Command): void {
  const image = program.command('image').description('bring images to the cluster without a registry');

  image
    .command('import')
    .description('load an image archive (OCI layout, or what "docker save" writes)')
    .argument('<file>', 'a tar file')
    .addOption(dataDirOption())
    .action(async (file: string, options: DataDirOptions) => {
      const socket = await runtimeSocket(options.dataDir);
      for (const name of await importImage(socket, path.resolve(file), AbortSignal.timeout(callMsMax)))
        process.stdout.write(`${name}\n`);
    });

  image
    .command('build')
    .description('make a one-layer image of the files in a directory, and load it')
    .argument('<dir>', 'its files become the image’s root')
    .requiredOption('-t, --tag <name>', 'NAME[:TAG]')
    .addOption(dataDirOption())
    .option('--entrypoint <word...>', 'what a container runs')
    .option('--cmd <word...>', 'arguments, or what it runs if there is no entrypoint')
    .option('--env <NAME=value...>', 'environment variables')
    .option('--workdir <path>', 'where it starts')
    .option('--user <user>', 'UID[:GID] or names')
    .option('--expose <port...>', 'ports it listens on: 8080 or 53/udp')
    .option('-o, --output <file>', 'write the archive there instead of loading it')
    .action(build);

  image
    .command('ls')
    .description('list the images that this machine’s node has')
    .addOption(dataDirOption())
    .action(async ({ dataDir }: DataDirOptions) => {
      using cri = openCri(await runtimeSocket(dataDir));
      const { images } = await cri.call('ListImages', {}, { signal: AbortSignal.timeout(callMsMax) });
      const rows = images.flatMap(({ repoTags, id, size }) =>
        (repoTags.length === 0 ? ['<none>'] : repoTags).map((tag) => [
          tag,
          id.replace('sha256:', '').slice(0, 12),
          `${(Number(size) / 1e6).toFixed(1)} MB`,
        ]),
      );
      process.stdout.write(
        table(
          ['IMAGE', 'ID', 'SIZE'],
          rows.sort((a, b) => a[0]!.localeCompare(b[0]!)),
        ),
      );
    });
}
