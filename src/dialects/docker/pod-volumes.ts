import type * as core from '#api/core/types.generated.ts';
import { badRequest } from '#machinery/status-error.ts';
import type { CreateBody } from './create-body.ts';
import { notOffered } from './errors.ts';

interface Mounted {
  readonly source: Omit<core.Volume, 'name'>;
  readonly mountPath: string;
  readonly readOnly: boolean;
}

const bindOptions: ReadonlySet<string> = new Set(['', 'rw', 'ro', 'z', 'Z', 'rprivate', 'private', 'rbind', 'consistent', 'cached', 'delegated']); // prettier-ignore
const isAbsolute = (path: string) => path.startsWith('/');

/** Host paths, memory file systems and scratch directories; named volumes are refused. */
export function volumesOf(body: CreateBody): {
  readonly volumes: readonly core.Volume[];
  readonly volumeMounts: readonly core.VolumeMount[];
} {
  const { Binds, Tmpfs, Mounts, ShmSize = 0 } = body.HostConfig ?? {};
  const all: Mounted[] = [
    ...(Binds ?? []).map(bindOf),
    ...Object.entries(Tmpfs ?? {}).map(([path, options]) => memoryAt(path, tmpfsSize(path, options))),
    ...(Mounts ?? []).map(mountOf),
    ...(ShmSize > 0 ? [memoryAt('/dev/shm', ShmSize)] : []),
  ];
  for (const mountPath of Object.keys(body.Volumes ?? {})) {
    if (!all.some((mounted) => mounted.mountPath === mountPath))
      all.push({ source: { emptyDir: {} }, mountPath, readOnly: false });
  }
  for (const { mountPath } of all)
    if (!isAbsolute(mountPath)) throw badRequest(`invalid mount path: '${mountPath}' mount path must be absolute`);
  return {
    volumes: all.map(({ source }, index) => ({ name: `volume-${index}`, ...source })),
    volumeMounts: all.map(({ mountPath, readOnly }, index) => ({
      name: `volume-${index}`,
      mountPath,
      ...(readOnly ? { readOnly } : {}),
    })),
  };
}

function hostPath(path: string, mountPath: string, readOnly: boolean): Mounted {
  return { source: { hostPath: { path, type: '' } }, mountPath, readOnly };
}

function memoryAt(mountPath: string, bytes: number | undefined): Mounted {
  const sizeLimit = bytes === undefined ? {} : { sizeLimit: `${bytes}` };
  return { source: { emptyDir: { medium: 'Memory', ...sizeLimit } }, mountPath, readOnly: false };
}

/** `/host/path:/path[:options]` */
function bindOf(text: string): Mounted {
  const [source = '', path = '', options = '', ...more] = text.split(':');
  if (more.length > 0 || path === '') throw badRequest(`invalid volume specification: '${text}'`);
  if (!isAbsolute(source)) throw namedVolume(source);
  const words = options.split(',');
  const unknown = words.find((word) => !bindOptions.has(word));
  if (unknown !== undefined) throw notOffered(`mount option ${JSON.stringify(unknown)} (-v ${text})`);
  return hostPath(source, path, words.includes('ro'));
}

function mountOf({
  Type: type = '',
  Source: source = '',
  Target: target = '',
  ReadOnly: readOnly = false,
  TmpfsOptions: tmpfs,
}: NonNullable<NonNullable<NonNullable<CreateBody['HostConfig']>['Mounts']>[number]>): Mounted {
  switch (type) {
    case 'bind':
      if (!isAbsolute(source))
        throw badRequest(
          `invalid mount config for type "bind": invalid mount path: '${source}' mount path must be absolute`,
        );
      return hostPath(source, target, readOnly);
    case 'tmpfs':
      return { ...memoryAt(target, tmpfs?.SizeBytes), readOnly };
    case 'volume':
      if (source === '') return { source: { emptyDir: {} }, mountPath: target, readOnly };
      throw namedVolume(source);
    default:
      throw notOffered(`mounts of type ${JSON.stringify(type)}`);
  }
}

const namedVolume = (name: string) =>
  notOffered(
    `named volumes (${JSON.stringify(name)})`,
    'use a path of the host (-v /path:/path), or a PersistentVolumeClaim in a pod',
  );

function tmpfsSize(path: string, options: string): number | undefined {
  let size: number | undefined;
  for (const option of options.split(',')) {
    if (option === '' || option === 'rw') continue;
    const [, number, unit] = /^size=(\d+)([kmg]?)$/i.exec(option) ?? [];
    if (number === undefined)
      throw notOffered(`tmpfs option ${JSON.stringify(option)} (--tmpfs ${path})`, 'size= and rw are known');
    size =
      Number(number) *
      { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, '': 1 }[(unit ?? '').toLowerCase() as '' | 'k' | 'm' | 'g'];
  }
  return size;
}
