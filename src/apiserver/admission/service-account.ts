import { Pod } from '#api/core/pod.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import type { Clock } from '#lib/clock.ts';
import { randomSuffix } from '#machinery/generated-name.ts';
import { forbiddenRequest } from '#machinery/status-error.ts';
import type { Registry } from '../registry/registry.ts';
import { selectionOf } from '../registry/selection.ts';
import type { AdmissionPlugin } from './admission.ts';
import { podOf } from './pod-of.ts';
import { mirrorComplaint, secretComplaint } from './pod-secrets.ts';

/** A new namespace's `default` account comes a moment after it: so long a pod waits for it. Source: upstream's ten tries. */
const accountWithinMs = 1_000;
const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const volumePrefix = 'kube-api-access-';
/** An hour and seven seconds, which tells such tokens from others. Source: kubernetes serviceaccount admission. */
const tokenSeconds = 3_607;
const fileMode = 0o644;
const mirrorAnnotation = 'kubernetes.io/config.mirror';

/** Gives each pod an account, the account's pull secrets and a place where its token is found. */
export function serviceAccount(
  registry: Registry,
  { clock, random }: { clock: Clock; random: () => number },
): AdmissionPlugin {
  const accounts = registry.of(ServiceAccount);

  async function find(namespace: string, name: string, signal: AbortSignal): Promise<ServiceAccount | undefined> {
    const found = await accounts.find({ namespace, name }, { want: 'newest' }, signal);
    if (found !== undefined || name !== 'default') return found?.object;
    using watcher = await accounts.watch({
      namespace,
      selection: selectionOf(ServiceAccount, { fieldSelector: 'metadata.name=default' }),
      after: undefined,
      initialEvents: false,
      allowBookmarks: false,
      signal,
    });
    let wake: () => void = () => undefined;
    let isOver = false;
    const end = () => {
      isOver = true;
      wake();
    };
    using _limit = clock.after(accountWithinMs, end);
    signal.addEventListener('abort', end, { once: true });
    watcher.onReady(() => wake());
    for (;;) {
      // It may have come before the watch began, and what wakes us may be something else.
      const account = accounts.cache.get({ namespace, name })?.object;
      if (account !== undefined || isOver || watcher.ended !== undefined) break;
      if (watcher.take(1).length === 0) await new Promise<void>((resolve) => (wake = resolve));
    }
    signal.removeEventListener('abort', end);
    signal.throwIfAborted();
    return accounts.cache.get({ namespace, name })?.object;
  }

  return {
    name: 'ServiceAccount',
    async mutate(request, { signal }) {
      const pod = podOf(request);
      if (pod === undefined || request.operation !== 'CREATE') return request.object!;
      if (pod.metadata?.annotations?.[mirrorAnnotation] !== undefined) return pod;
      const namespace = pod.metadata?.namespace ?? '';
      const name = nameOf(pod);
      const account = await find(namespace, name, signal);
      if (account === undefined) {
        throw forbiddenRequest(
          Pod,
          pod.metadata?.name ?? '',
          `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`,
        );
      }
      return withAccount(pod, account, randomSuffix(random));
    },

    async validate({ attributes, operation, object }, { signal }) {
      const { kind, subresource, namespace = '' } = attributes;
      if (kind?.group !== '' || kind.plural !== 'pods' || object === undefined) return;
      const isNew = operation === 'CREATE' && subresource === undefined;
      if (!isNew && !(operation === 'UPDATE' && subresource === 'ephemeralcontainers')) return;
      const pod = object as Pod;
      const isMirror = pod.metadata?.annotations?.[mirrorAnnotation] !== undefined;
      if (isMirror && !isNew) return;
      const account = isMirror
        ? undefined
        : await accounts.find({ namespace, name: nameOf(pod) }, { want: 'newest' }, signal);
      const complaint = isMirror ? mirrorComplaint(pod) : account && secretComplaint(pod, account.object);
      if (complaint !== undefined) throw forbiddenRequest(Pod, pod.metadata?.name ?? '', complaint);
    },
  };
}

const nameOf = ({ spec }: Pod) => {
  const { serviceAccountName = '', serviceAccount: old = '' } = spec;
  return serviceAccountName !== '' ? serviceAccountName : old !== '' ? old : 'default';
};

/** The pod as it runs under `account`; `suffix` names the token's volume. */
export function withAccount(pod: Pod, account: ServiceAccount, suffix: string): Pod {
  const name = account.metadata?.name ?? '';
  const secrets = pod.spec.imagePullSecrets ?? [];
  const spec: Pod['spec'] = {
    ...pod.spec,
    serviceAccountName: name,
    serviceAccount: name,
    ...(secrets.length === 0 && account.imagePullSecrets !== undefined
      ? { imagePullSecrets: account.imagePullSecrets }
      : {}),
  };
  const mounts = pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
  return { ...pod, spec: mounts ? withToken(spec, suffix) : spec };
}

type Spec = Pod['spec'];
type Container = Spec['containers'][number];

function withToken(spec: Spec, suffix: string): Spec {
  const volumes = spec.volumes ?? [];
  const present = volumes.find(({ name }) => name.startsWith(volumePrefix));
  const name = present?.name ?? `${volumePrefix}${suffix}`;
  let used = false;
  const mounted = (container: Container): Container => {
    const mounts = container.volumeMounts ?? [];
    if (mounts.some((mount) => mount.mountPath === mountPath)) return container;
    used = true;
    return { ...container, volumeMounts: [...mounts, { name, readOnly: true, mountPath }] };
  };
  const containers = spec.containers.map(mounted);
  const initContainers = spec.initContainers?.map(mounted);
  if (!used) return spec;
  return {
    ...spec,
    containers,
    ...(initContainers === undefined ? {} : { initContainers }),
    ...(present === undefined ? { volumes: [...volumes, tokenVolume(name)] } : {}),
  };
}

function tokenVolume(name: string): NonNullable<Spec['volumes']>[number] {
  return {
    name,
    projected: {
      defaultMode: fileMode,
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
}
