import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badRequest } from '#machinery/status-error.ts';
import { parseImageReference } from '#machinery/image-reference.ts';
import { writeTar, type TarEntry } from './tar.ts';

/** The part of the OCI image config that a builder sets. Source: opencontainers/image-spec config.md. */
export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** `NAME=value`. */
  readonly env?: readonly string[];
  readonly workingDir?: string;
  readonly user?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** `8080/tcp`. */
  readonly exposedPorts?: readonly string[];
  /** GOARCH; this machine's unless given. */
  readonly architecture?: string;
}

export interface ImageArchive {
  /** The fully qualified name under which importing it makes it known. */
  readonly name: string;
  readonly digest: string;
  readonly bytes: number;
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** GOARCH of this machine. */
export function machineArchitecture(): string {
  return architectures[process.arch] ?? process.arch;
}

/**
 * Writes an OCI image-layout archive with one layer to `outFile`. The layer's files belong to root and bear no times,
 * so equal content gives equal bytes. Throws BadRequest for an image name that is none, or a file that is no file.
 */
export async function writeImageArchive(
  name: string,
  layer: readonly TarEntry[],
  config: ImageConfig,
  outFile: string,
): Promise<ImageArchive> {
  const reference = parseImageReference(name);
  const hash = createHash('sha256');
  let layerSize = 0;
  for await (const chunk of writeTar(layer)) {
    hash.update(chunk);
    layerSize += chunk.length;
  }
  const layerDigest = hash.digest('hex');
  const configBlob = jsonBlob({
    architecture: config.architecture ?? machineArchitecture(),
    os: 'linux',
    config: {
      ...(config.entrypoint === undefined ? {} : { Entrypoint: config.entrypoint }),
      ...(config.cmd === undefined ? {} : { Cmd: config.cmd }),
      Env: config.env ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      ...(config.workingDir === undefined ? {} : { WorkingDir: config.workingDir }),
      ...(config.user === undefined ? {} : { User: config.user }),
      ...(config.labels === undefined ? {} : { Labels: config.labels }),
      ...(config.exposedPorts === undefined
        ? {}
        : { ExposedPorts: Object.fromEntries(config.exposedPorts.map((port) => [port, {}])) }),
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
    history: [{ created_by: 'tutti image build' }],
  });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...descriptor(configBlob) },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${layerDigest}`, size: layerSize }],
  });
  const index = jsonBlob({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        ...descriptor(manifest),
        annotations: {
          'io.containerd.image.name': reference.canonical,
          'org.opencontainers.image.ref.name': reference.tag ?? 'latest',
        },
      },
    ],
  });
  const file = (path: string, bytes: Uint8Array): TarEntry => ({ path, mode: 0o644, body: { type: 'bytes', bytes } });
  const blob = (bytes: Buffer) => file(`blobs/sha256/${sha256(bytes)}`, bytes);
  const out = createWriteStream(outFile);
  const entries: TarEntry[] = [
    file('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')),
    file('index.json', index),
    blob(manifest),
    blob(configBlob),
    {
      path: `blobs/sha256/${layerDigest}`,
      mode: 0o644,
      body: { type: 'stream', size: layerSize, open: () => writeTar(layer) },
    },
  ];
  await pipeline(Readable.from(writeTar(entries)), out);
  return { name: reference.canonical, digest: `sha256:${sha256(manifest)}`, bytes: out.bytesWritten };
}

/** Everything below `dir` as entries of a layer, in name order. Sockets, pipes and devices are refused by name. */
export async function layerOfDirectory(dir: string): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  const visit = async (path: string): Promise<void> => {
    for (const name of (await readdir(path)).sort()) {
      const source = join(path, name);
      const stat = await lstat(source);
      const at = { path: relative(dir, source), mode: stat.mode & 0o7777 };
      if (stat.isDirectory()) {
        entries.push({ ...at, body: { type: 'directory' } });
        await visit(source);
      } else if (stat.isSymbolicLink()) {
        entries.push({ ...at, mode: 0o777, body: { type: 'symlink', target: await readlink(source) } });
      } else if (stat.isFile()) entries.push({ ...at, body: { type: 'file', source, size: stat.size } });
      else throw badRequest(`Cannot put "${source}" into an image: it is neither file, directory nor symbolic link`);
    }
  };
  await visit(dir);
  return entries;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const jsonBlob = (value: unknown) => Buffer.from(JSON.stringify(value));
const descriptor = (bytes: Buffer) => ({ digest: `sha256:${sha256(bytes)}`, size: bytes.length });
