import { createHash } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigMap } from '#api/core/config-map.ts';
import type { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import type * as core from '#api/core/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { badRequest } from '#machinery/status-error.ts';
import type { PodSurroundings } from '../container/downward-api.ts';
import { bytesOf } from '../container/linux-resources.ts';
import { uidOf } from '../pod/pod-containers.ts';
import type { Held, WatchedObjects } from '../watched-objects.ts';
import { writeAtomically, type Projection } from './atomic-writer.ts';
import { prepareHostPath } from './host-path.ts';
import { mountTmpfs, mountsBelow, removeTree } from './mounts.ts';
import { giveToGroup } from './ownership.ts';
import { isSensitive, projectFiles, projectedSource } from './projection.ts';
import { requestToken, type IssuedToken } from './service-account-tokens.ts';

export interface VolumesOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  readonly objects: WatchedObjects;
  /** Directories of this pod: `dir` on disk, `memory` on a tmpfs. */
  readonly dir: string;
  readonly memory: string;
  readonly surroundings: () => PodSurroundings;
  /** Called when content may have changed and `refresh()` is due. */
  readonly onStale: () => void;
}

const tokenRetryMs = 10_000;

/** The volumes of one pod on this host: made before its containers, kept up to date beside them, removed after. */
export class PodVolumes implements Disposable {
  readonly #options: VolumesOptions;
  readonly #held = new Map<string, Held<ConfigMap | Secret>>();
  readonly #tokens = new Map<string, IssuedToken>();
  readonly #written = new Map<string, string>();
  readonly #paths = new Map<string, string>();
  #timer: Disposable | undefined;

  constructor(options: VolumesOptions) {
    this.#options = options;
  }

  /** Where a mounted volume lies on the host. Throws BadRequest for a volume the pod does not have. */
  pathOf(name: string): string {
    const path = this.#paths.get(name);
    if (path === undefined) throw badRequest(`volume "${name}" is not mounted`);
    return path;
  }

  /** Makes all volumes; may be called again, and finds what an earlier agent made. */
  async mount(pod: Pod, signal: AbortSignal): Promise<void> {
    await mkdir(this.#options.dir, { recursive: true, mode: 0o750 });
    for (const volume of pod.spec.volumes ?? []) {
      try {
        this.#paths.set(volume.name, await this.#mountOne(pod, volume, signal));
      } catch (error) {
        signal.throwIfAborted();
        const words = (error as Error).message;
        throw badRequest(`MountVolume.SetUp failed for volume "${volume.name}" : ${words}`, error);
      }
    }
    this.#schedule();
  }

  /** Rewrites what has changed in volumes made from objects, and renews tokens. */
  async refresh(pod: Pod, signal: AbortSignal): Promise<void> {
    for (const volume of pod.spec.volumes ?? []) {
      const source = projectedSource(volume);
      if (source === undefined || !this.#paths.has(volume.name)) continue;
      try {
        await this.#project(pod, volume.name, source, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#options.log.warn('volume cannot be brought up to date', { volume: volume.name, error });
      }
    }
    this.#schedule();
  }

  /** Removes all volumes and what is in them. */
  async unmount(): Promise<void> {
    this[Symbol.dispose]();
    this.#paths.clear();
    this.#written.clear();
    this.#tokens.clear();
    await removeTree(this.#options.memory);
    await removeTree(join(this.#options.dir, 'subpaths'));
    await removeTree(join(this.#options.dir, 'volumes'));
  }

  /** Stops following objects; what is mounted stays. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    for (const held of this.#held.values()) held[Symbol.dispose]();
    this.#held.clear();
  }

  async #mountOne(pod: Pod, volume: core.Volume, signal: AbortSignal): Promise<string> {
    const source = projectedSource(volume);
    if (source !== undefined) return this.#project(pod, volume.name, source, signal);
    if (volume.emptyDir !== undefined) return this.#emptyDir(pod, volume.name, volume.emptyDir);
    if (volume.hostPath !== undefined) return prepareHostPath(volume.hostPath);
    if (volume.persistentVolumeClaim !== undefined) {
      throw badRequest(
        `persistentvolumeclaim "${volume.persistentVolumeClaim.claimName}": this node cannot mount persistent volumes yet`,
      );
    }
    const type = Object.keys(volume).find((key) => key !== 'name') ?? 'unknown';
    throw badRequest(`volumes of type ${type} are not supported by this node`);
  }

  async #emptyDir(pod: Pod, name: string, { medium = '', sizeLimit }: core.EmptyDirVolumeSource): Promise<string> {
    if (medium !== '' && medium !== 'Memory')
      throw badRequest(`emptyDir medium ${JSON.stringify(medium)} is not supported by this node`);
    const path = join(this.#options.dir, 'volumes', name);
    const isNew = (await mkdir(path, { recursive: true, mode: 0o777 })) !== undefined;
    if (medium === 'Memory' && !(await mountsBelow(path)).includes(path)) {
      await mountTmpfs(path, 0o777, sizeLimit === undefined ? undefined : bytesOf(sizeLimit));
    }
    if (isNew) await chmod(path, 0o777);
    const { fsGroup } = pod.spec.securityContext ?? {};
    if (isNew && fsGroup !== undefined) await giveToGroup(path, fsGroup);
    return path;
  }

  async #project(pod: Pod, name: string, source: core.ProjectedVolumeSource, signal: AbortSignal): Promise<string> {
    const path = isSensitive(source) ? join(this.#options.memory, name) : join(this.#options.dir, 'volumes', name);
    const objects = new Map<string, ConfigMap | Secret | undefined>();
    for (const { configMap, secret, serviceAccountToken } of source.sources ?? []) {
      if (configMap !== undefined)
        objects.set(`c/${configMap.name}`, await this.#object(pod, ConfigMap, configMap.name, signal));
      if (secret !== undefined) objects.set(`s/${secret.name}`, await this.#object(pod, Secret, secret.name, signal));
      if (serviceAccountToken !== undefined) await this.#renew(pod, serviceAccountToken, signal);
    }
    const owner = ownerOf(pod, source);
    const files = projectFiles(pod, source, {
      ...this.#options.surroundings(),
      hasOwner: owner.uid !== undefined || owner.gid !== undefined,
      configMap: (of) => objects.get(`c/${of}`),
      secret: (of) => objects.get(`s/${of}`),
      token: (projection) => this.#tokens.get(tokenKey(projection))?.token ?? '',
    });
    const digest = digestOf(files);
    if (this.#written.get(name) !== digest) {
      await mkdir(path, { recursive: true });
      await writeAtomically(path, files, owner);
      this.#written.set(name, digest);
    }
    return path;
  }

  async #object<T extends ConfigMap | Secret>(
    pod: Pod,
    kind: Parameters<WatchedObjects['hold']>[0] & { readonly kind: string },
    name: string | undefined,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const key = `${kind.kind}/${name}`;
    let held = this.#held.get(key);
    if (held === undefined) {
      const { objects, onStale } = this.#options;
      held = objects.hold(kind, pod.metadata?.namespace ?? '', name ?? '', onStale) as Held<ConfigMap | Secret>;
      this.#held.set(key, held);
    }
    return (await held.current(signal)) as T | undefined;
  }

  async #renew(pod: Pod, projection: core.ServiceAccountTokenProjection, signal: AbortSignal): Promise<void> {
    const { client, clock, log } = this.#options;
    const key = tokenKey(projection);
    const current = this.#tokens.get(key);
    if (current !== undefined && current.renewAt > clock.now()) return;
    try {
      this.#tokens.set(key, await requestToken(client, clock, pod, projection, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (current === undefined) throw error;
      log.warn('service account token cannot be renewed', { pod: uidOf(pod), error });
      this.#tokens.set(key, { ...current, renewAt: clock.now() + tokenRetryMs });
    }
  }

  #schedule(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#tokens.size === 0) return;
    const { clock, onStale } = this.#options;
    const at = Math.min(...[...this.#tokens.values()].map(({ renewAt }) => renewAt));
    this.#timer = clock.after(Math.max(1000, at - clock.now()), onStale);
  }
}

const tokenKey = ({ audience = '', expirationSeconds = 0 }: core.ServiceAccountTokenProjection) =>
  `${audience} ${expirationSeconds}`;

/** The group is the pod's; a token in a pod whose containers all run as one user belongs to that user. */
function ownerOf(pod: Pod, { sources = [] }: core.ProjectedVolumeSource): { uid?: number; gid?: number } {
  const { fsGroup, runAsUser } = pod.spec.securityContext ?? {};
  const users = new Set(
    [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(
      (container) => container.securityContext?.runAsUser ?? runAsUser,
    ),
  );
  const [user] = users;
  const hasToken = sources.some(({ serviceAccountToken }) => serviceAccountToken !== undefined);
  return {
    ...(hasToken && users.size === 1 && user !== undefined ? { uid: user } : {}),
    ...(fsGroup === undefined ? {} : { gid: fsGroup }),
  };
}

function digestOf(files: Projection): string {
  const hash = createHash('sha256');
  for (const [path, { bytes, mode }] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${mode}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}
