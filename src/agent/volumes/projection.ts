import type { ConfigMap } from '#api/core/config-map.ts';
import type { Pod } from '#api/core/pod.ts';
import type { Secret } from '#api/core/secret.ts';
import type * as core from '#api/core/types.generated.ts';
import { StatusError, badRequest } from '#machinery/status-error.ts';
import { fieldValue, resourceValue, type PodSurroundings } from '../container/downward-api.ts';
import type { ProjectedFile } from './atomic-writer.ts';

/** The files of a volume that is made from API objects. */
export interface ProjectionSources extends PodSurroundings {
  readonly configMap: (name: string) => ConfigMap | undefined;
  readonly secret: (name: string) => Secret | undefined;
  readonly token: (projection: core.ServiceAccountTokenProjection) => string;
  /** The pod's files have an owner of their own, who alone may read tokens. */
  readonly hasOwner: boolean;
}

/** Brings the four kinds of such volumes to the one form; undefined for other volumes. */
export function projectedSource(volume: core.Volume): core.ProjectedVolumeSource | undefined {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (projected !== undefined) return projected;
  if (configMap !== undefined) {
    const { defaultMode, ...projection } = configMap;
    return { ...modeOf(defaultMode), sources: [{ configMap: projection }] };
  }
  if (secret !== undefined) {
    const { defaultMode, secretName, items, optional } = secret;
    const projection = { name: secretName, items, optional } as core.SecretProjection;
    return { ...modeOf(defaultMode), sources: [{ secret: projection }] };
  }
  if (downwardAPI !== undefined) {
    const { defaultMode, items } = downwardAPI;
    return { ...modeOf(defaultMode), sources: [{ downwardAPI: { items: items ?? [] } }] };
  }
  return undefined;
}

const modeOf = (defaultMode: number | undefined) => (defaultMode === undefined ? {} : { defaultMode });

/** Whether the volume's content must not touch a disk. */
export function isSensitive({ sources = [] }: core.ProjectedVolumeSource): boolean {
  return sources.some(({ secret, serviceAccountToken }) => secret !== undefined || serviceAccountToken !== undefined);
}

/** All files of the volume; later sources win. Throws NotFound or BadRequest for what is missing and not optional. */
export function projectFiles(
  pod: Pod,
  { defaultMode = 0o644, sources = [] }: core.ProjectedVolumeSource,
  from: ProjectionSources,
): Map<string, ProjectedFile> {
  const files = new Map<string, ProjectedFile>();
  const home = pod.metadata?.namespace ?? '';
  for (const source of sources) {
    if (source.configMap !== undefined) {
      const { name = '', items, optional } = source.configMap;
      const map = from.configMap(name);
      if (map === undefined && optional !== true) throw missing(`configmap "${name}" not found`);
      const data = new Map<string, Uint8Array>();
      for (const [key, text] of Object.entries(map?.data ?? {})) data.set(key, Buffer.from(text));
      for (const [key, text] of Object.entries(map?.binaryData ?? {})) data.set(key, Buffer.from(text, 'base64'));
      addItems(files, data, items, defaultMode, optional, `configmap "${home}/${name}"`);
    } else if (source.secret !== undefined) {
      const { name = '', items, optional } = source.secret;
      const secret = from.secret(name);
      if (secret === undefined && optional !== true) throw missing(`secret "${name}" not found`);
      const data = Object.entries(secret?.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64')] as const);
      addItems(files, new Map(data), items, defaultMode, optional, `secret "${home}/${name}"`);
    } else if (source.downwardAPI !== undefined) {
      for (const { path, mode = defaultMode, fieldRef, resourceFieldRef } of source.downwardAPI.items ?? []) {
        const text =
          fieldRef !== undefined
            ? fieldValue(pod, fieldRef.fieldPath, from)
            : resourceFieldRef !== undefined
              ? resourceValue(pod, resourceFieldRef, undefined, from)
              : '';
        files.set(path, { bytes: Buffer.from(text), mode });
      }
    } else if (source.serviceAccountToken !== undefined) {
      const { path } = source.serviceAccountToken;
      const mode = from.hasOwner ? 0o600 : defaultMode;
      files.set(path, { bytes: Buffer.from(from.token(source.serviceAccountToken)), mode });
    } else throw badRequest('a projected volume has a source that this node does not support');
  }
  return files;
}

function addItems(
  files: Map<string, ProjectedFile>,
  data: ReadonlyMap<string, Uint8Array>,
  items: readonly core.KeyToPath[] | undefined,
  defaultMode: number,
  optional: boolean | undefined,
  where: string,
): void {
  if (items === undefined || items.length === 0) {
    for (const [key, bytes] of data) files.set(key, { bytes, mode: defaultMode });
    return;
  }
  for (const { key, path, mode = defaultMode } of items) {
    const bytes = data.get(key);
    if (bytes !== undefined) files.set(path, { bytes, mode });
    else if (optional !== true) throw missing(`${where} references non-existent key: ${key}`);
  }
}

const missing = (message: string) => new StatusError('NotFound', message);
