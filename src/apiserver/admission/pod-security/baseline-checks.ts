/** The checks of the baseline level, in upstream's words. Source: k8s.io/pod-security-admission/policy. */
import type { LifecycleHandler, Probe, SELinuxOptions } from '#api/core/types.generated.ts';
import {
  type Check,
  containersOf,
  hasUserNamespace,
  namedContainers,
  plural,
  quotedList,
  setters,
  sorted,
} from './pod-view.ts';

const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';

export const appArmorProfile: Check = (pod) => {
  const isBad = (type: string | undefined): type is string =>
    type !== undefined && type !== 'RuntimeDefault' && type !== 'Localhost';
  const ofPod = pod.spec.securityContext?.appArmorProfile?.type;
  const bad = containersOf(pod).filter(({ securityContext }) => isBad(securityContext?.appArmorProfile?.type));
  const annotations = Object.entries(pod.metadata.annotations ?? {})
    .filter(([key]) => key.startsWith(appArmorPrefix))
    .filter(([, value]) => value !== '' && value !== 'runtime/default' && !value.startsWith('localhost/'))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .toSorted();
  const types = [ofPod, ...bad.map(({ securityContext }) => securityContext?.appArmorProfile?.type)].filter(isBad);
  const values = [...sorted(types), ...annotations];
  if (values.length === 0) return undefined;
  const who = [
    setters(isBad(ofPod), bad),
    annotations.length === 0 ? '' : plural('annotation', 'annotations', annotations.length),
  ];
  return {
    reason: plural('forbidden AppArmor profile', 'forbidden AppArmor profiles', values.length),
    detail: `${who.filter((each) => each !== '').join(' and ')} must not set AppArmor profile type to ${quotedList(values)}`,
  };
};

const defaultCapabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

export const capabilitiesBaseline: Check = (pod) => {
  const added = (container: ReturnType<typeof containersOf>[number]) =>
    (container.securityContext?.capabilities?.add ?? []).filter((name) => !defaultCapabilities.has(name));
  const bad = containersOf(pod).filter((container) => added(container).length > 0);
  if (bad.length === 0) return undefined;
  return {
    reason: 'non-default capabilities',
    detail: `${namedContainers(bad)} must not include ${quotedList(sorted(bad.flatMap(added)))} in securityContext.capabilities.add`,
  };
};

export const hostNamespaces: Check = ({ spec }) => {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name] === true);
  if (shared.length === 0) return undefined;
  return { reason: 'host namespaces', detail: shared.map((name) => `${name}=true`).join(', ') };
};

export const hostPathVolumes: Check = ({ spec }) => {
  const names = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name);
  if (names.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural('volume', 'volumes', names.length)} ${quotedList(names)}` };
};

export const hostPorts: Check = (pod) => {
  const portsOf = ({ ports = [] }: ReturnType<typeof containersOf>[number]) =>
    ports.map(({ hostPort = 0 }) => hostPort).filter((port) => port !== 0);
  const bad = containersOf(pod).filter((container) => portsOf(container).length > 0);
  if (bad.length === 0) return undefined;
  const ports = sorted(bad.flatMap(portsOf).map(String));
  return {
    reason: 'hostPort',
    detail: `${namedContainers(bad)} ${plural('uses', 'use', bad.length)} ${plural('hostPort', 'hostPorts', ports.length)} ${ports.join(', ')}`,
  };
};

const hostsOf = (handler: Probe | LifecycleHandler | undefined) =>
  [handler?.httpGet?.host ?? '', handler?.tcpSocket?.host ?? ''].filter((host) => host !== '');

/** Nobody shall reach other hosts in the agent's name. Since 1.34. */
export const hostProbesAndHostLifecycle: Check = (pod) => {
  const hosts = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: ReturnType<typeof containersOf>[number]) =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap(hostsOf);
  const bad = containersOf(pod).filter((container) => hosts(container).length > 0);
  if (bad.length === 0) return undefined;
  const names = sorted(bad.map(({ name }) => name));
  const all = sorted(bad.flatMap(hosts));
  return {
    reason: 'probe or lifecycle host',
    detail: `${plural('container', 'containers', names.length)} ${quotedList(names)} ${plural('uses', 'use', names.length)} ${plural('probe or lifecycle host', 'probe or lifecycle hosts', all.length)} ${quotedList(all)}`,
  };
};

export const privileged: Check = (pod) => {
  const bad = containersOf(pod).filter(({ securityContext }) => securityContext?.privileged === true);
  if (bad.length === 0) return undefined;
  return { reason: 'privileged', detail: `${namedContainers(bad)} must not set securityContext.privileged=true` };
};

export const procMount: Check = (pod) => {
  const bad = containersOf(pod).filter(
    ({ securityContext }) => (securityContext?.procMount ?? 'Default') !== 'Default',
  );
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map(({ securityContext }) => securityContext?.procMount ?? ''));
  return {
    reason: 'procMount',
    detail: `${namedContainers(bad)} must not set securityContext.procMount to ${quotedList(types)}`,
  };
};

/** Since 1.35. */
export const procMountUnlessUserNamespace: Check = (pod) => (hasUserNamespace(pod) ? undefined : procMount(pod));

const seLinuxTypes = ['', 'container_t', 'container_init_t', 'container_kvm_t'];
/** Since 1.31. */
export const seLinuxTypesWithEngine = [...seLinuxTypes, 'container_engine_t'];

export const seLinuxOptions =
  (types: readonly string[] = seLinuxTypes): Check =>
  (pod) => {
    const isBad = (options: SELinuxOptions | undefined): options is SELinuxOptions =>
      options !== undefined &&
      (!types.includes(options.type ?? '') || (options.user ?? '') !== '' || (options.role ?? '') !== '');
    const ofPod = pod.spec.securityContext?.seLinuxOptions;
    const bad = containersOf(pod).filter(({ securityContext }) => isBad(securityContext?.seLinuxOptions));
    const options = [ofPod, ...bad.map(({ securityContext }) => securityContext?.seLinuxOptions)].filter(isBad);
    if (options.length === 0) return undefined;
    const badTypes = sorted(options.map(({ type = '' }) => type).filter((type) => !types.includes(type)));
    const facts = [
      ...(badTypes.length > 0 ? [`${plural('type', 'types', badTypes.length)} ${quotedList(badTypes)}`] : []),
      ...(options.some(({ user = '' }) => user !== '') ? ['user may not be set'] : []),
      ...(options.some(({ role = '' }) => role !== '') ? ['role may not be set'] : []),
    ];
    return {
      reason: 'seLinuxOptions',
      detail: `${setters(isBad(ofPod), bad)} set forbidden securityContext.seLinuxOptions: ${facts.join('; ')}`,
    };
  };

const isGoodSeccompAnnotation = (value: string) =>
  value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/');

/** Until 1.19 profiles were annotations. */
export const seccompAnnotations: Check = (pod) => {
  const annotations = pod.metadata.annotations ?? {};
  const keys = [
    'seccomp.security.alpha.kubernetes.io/pod',
    ...containersOf(pod).map(({ name }) => `container.seccomp.security.alpha.kubernetes.io/${name}`),
  ];
  const bad = sorted(
    keys
      .filter((key) => annotations[key] !== undefined && !isGoodSeccompAnnotation(annotations[key]))
      .map((key) => `${key}=${JSON.stringify(annotations[key])}`),
  );
  if (bad.length === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `forbidden ${plural('annotation', 'annotations', bad.length)} ${bad.join(', ')}`,
  };
};

export const isGoodSeccomp = (type: string | undefined): boolean => type === 'Localhost' || type === 'RuntimeDefault';

export const seccompProfileBaseline: Check = (pod) => {
  const isBad = (profile: { readonly type: string } | undefined): profile is { readonly type: string } =>
    profile !== undefined && !isGoodSeccomp(profile.type);
  const ofPod = pod.spec.securityContext?.seccompProfile;
  const bad = containersOf(pod).filter(({ securityContext }) => isBad(securityContext?.seccompProfile));
  const profiles = [ofPod, ...bad.map(({ securityContext }) => securityContext?.seccompProfile)].filter(isBad);
  if (profiles.length === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `${setters(isBad(ofPod), bad)} must not set securityContext.seccompProfile.type to ${quotedList(sorted(profiles.map(({ type }) => type)))}`,
  };
};

const safeSysctls = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
];
export const safeSysctls27 = [...safeSysctls, 'net.ipv4.ip_local_reserved_ports'];
export const safeSysctls29 = [
  ...safeSysctls27,
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
];
export const safeSysctls32 = [...safeSysctls29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'];

export const sysctls =
  (safe: readonly string[] = safeSysctls): Check =>
  ({ spec }) => {
    const bad = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !safe.includes(name));
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') };
  };

export const windowsHostProcess: Check = (pod) => {
  const podToo = pod.spec.securityContext?.windowsOptions?.hostProcess === true;
  const bad = containersOf(pod).filter(({ securityContext }) => securityContext?.windowsOptions?.hostProcess === true);
  if (!podToo && bad.length === 0) return undefined;
  return {
    reason: 'hostProcess',
    detail: `${setters(podToo, bad)} must not set securityContext.windowsOptions.hostProcess=true`,
  };
};
