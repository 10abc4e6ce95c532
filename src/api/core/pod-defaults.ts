/**
 * What an absent field of a pod means. `defaultPodSpec()` also serves the templates of other kinds; a pod itself has a
 * few more. Source: kubernetes pkg/apis/core/v1/defaults.go.
 */
import { addQuantities, compareQuantities } from '#machinery/quantity.ts';
import { mapField, mapItems, withDefaults } from '../rules/defaulting.ts';
import { defaultPullPolicy } from './image-pull-policy.ts';
import type * as types from './types.generated.ts';
import { defaultVolume } from './volume-defaults.ts';

/** Containers, init containers and, but for a few fields, ephemeral ones. */
type AnyContainer = types.Container | types.EphemeralContainer;

export function defaultPod(pod: types.Pod): types.Pod {
  const spec = defaultPodSpec(pod.spec ?? { containers: [] });
  const changed = defaultPodResources(
    withDefaults(
      mapContainers(spec, (container) =>
        defaultRequests(spec.hostNetwork === true ? defaultHostPorts(container) : container),
      ),
      { enableServiceLinks: true },
    ),
  );
  return changed === pod.spec ? pod : { ...pod, spec: changed };
}

export function defaultPodTemplate(template: types.PodTemplateSpec): types.PodTemplateSpec {
  return mapField(withDefaults(template, { spec: { containers: [] } }), 'spec', defaultPodSpec);
}

export function defaultPodSpec(spec: types.PodSpec): types.PodSpec {
  const account = spec.serviceAccountName ?? spec.serviceAccount;
  let result = withDefaults<types.PodSpec>(spec, {
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    terminationGracePeriodSeconds: 30,
    securityContext: {},
    ...(account === undefined ? {} : { serviceAccountName: account, serviceAccount: account }),
  });
  // The old spelling follows the new one.
  if (result.serviceAccount !== account) result = { ...result, serviceAccount: account ?? '' };
  result = mapContainers(result, defaultContainer);
  result = mapField(result, 'ephemeralContainers', (list) =>
    mapItems(list, (container) => defaultContainer(container)),
  );
  return mapField(result, 'volumes', (list) => mapItems(list, defaultVolume));
}

function mapContainers(spec: types.PodSpec, change: (container: types.Container) => types.Container): types.PodSpec {
  return mapField(
    mapField(spec, 'containers', (list) => mapItems(list, change)),
    'initContainers',
    (list) => mapItems(list, change),
  );
}

function defaultContainer<T extends AnyContainer>(container: T): T {
  let result: AnyContainer = withDefaults<AnyContainer>(container, {
    imagePullPolicy: defaultPullPolicy(container.image ?? ''),
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    resources: {},
  });
  result = mapField(result, 'ports', (ports) => mapItems(ports, (port) => withDefaults(port, { protocol: 'TCP' })));
  result = mapField(result, 'env', (list) => mapItems(list, defaultVariable));
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    result = mapField(result, probe, defaultProbe);
  }
  result = mapField(result, 'lifecycle', (lifecycle) =>
    mapField(mapField(lifecycle, 'postStart', defaultHandler), 'preStop', defaultHandler),
  );
  return result as T; // only fields that both kinds of container share were touched
}

function defaultVariable(variable: types.EnvVar): types.EnvVar {
  return mapField(variable, 'valueFrom', (source) =>
    mapField(
      mapField(source, 'fieldRef', (ref) => withDefaults(ref, { apiVersion: 'v1' })),
      'resourceFieldRef',
      (ref) => withDefaults(ref, { divisor: '0' }),
    ),
  );
}

function defaultProbe(probe: types.Probe): types.Probe {
  const handled = mapField(mapField(probe, 'httpGet', defaultHttpGet), 'grpc', (grpc) =>
    withDefaults(grpc, { service: '' }),
  );
  return withDefaults(handled, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
}

const defaultHandler = (handler: types.LifecycleHandler) => mapField(handler, 'httpGet', defaultHttpGet);

const defaultHttpGet = (action: types.HTTPGetAction) => withDefaults(action, { path: '/', scheme: 'HTTP' });

/** On the host's network, a container's port is the host's port. */
function defaultHostPorts(container: types.Container): types.Container {
  return mapField(container, 'ports', (ports) =>
    mapItems(ports, (port) => withDefaults(port, { hostPort: port.containerPort })),
  );
}

/** A resource that is limited but not requested is requested up to its limit. */
function defaultRequests(container: types.Container): types.Container {
  return mapField(container, 'resources', (resources) => {
    if (resources.limits === undefined) return resources;
    const requests = withDefaults(resources.requests ?? {}, resources.limits);
    return requests === resources.requests ? resources : { ...resources, requests };
  });
}

const podLevelResources = (name: string) => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

/** Pod-level requests: what the containers request together, else the pod-level limits. */
function defaultPodResources(spec: types.PodSpec): types.PodSpec {
  return mapField(spec, 'resources', (resources) => {
    const limits = resources.limits ?? {};
    if (Object.keys(limits).length === 0) return resources;
    const wanted: Record<string, string> = { ...resources.requests };
    for (const [name, amount] of Object.entries(requestsOfContainers(spec))) {
      if (name === 'cpu' || name === 'memory') wanted[name] ??= amount;
    }
    for (const [name, amount] of Object.entries(limits)) if (podLevelResources(name)) wanted[name] ??= amount;
    return Object.keys(wanted).length === 0 ? resources : { ...resources, requests: wanted };
  });
}

/** The containers' effective requests: running together, or while one init container runs, whichever is more. */
function requestsOfContainers(spec: types.PodSpec): Record<string, string> {
  const total: Record<string, string> = {};
  const add = (requests: Readonly<Record<string, string>> | undefined) => {
    for (const [name, amount] of Object.entries(requests ?? {}))
      total[name] = addQuantities(total[name] ?? '0', amount);
  };
  for (const { resources } of spec.containers) add(resources?.requests);
  const sidecars: Record<string, string> = {};
  const peaks: Record<string, string> = {};
  for (const { resources, restartPolicy } of spec.initContainers ?? []) {
    for (const [name, amount] of Object.entries(resources?.requests ?? {})) {
      const peak = addQuantities(sidecars[name] ?? '0', amount);
      if (compareQuantities(peak, peaks[name] ?? '0') > 0) peaks[name] = peak;
      if (restartPolicy === 'Always') sidecars[name] = peak;
    }
  }
  add(sidecars);
  for (const [name, peak] of Object.entries(peaks)) {
    if (compareQuantities(peak, total[name] ?? '0') > 0) total[name] = peak;
  }
  return total;
}
