import type { Pod } from '#api/core/pod.ts';
import type * as core from '#api/core/types.generated.ts';
import { badRequest } from '#machinery/status-error.ts';
import type { Init } from '#lib/proto3.ts';
import type { LinuxContainerSecurityContext, NamespaceOption, SecurityProfile } from '../cri/messages.generated.ts';

/** Hidden from, or not writable to, containers, as every OCI runtime does by default. */
const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
const idMax = 2 ** 31 - 1;

/** The user an image names: a number, a name, or nobody in particular (then it runs as root). */
export interface ImageUser {
  readonly uid: number | undefined;
  readonly username: string;
}

/** Which of the host's, the pod's or its own namespaces a container gets. */
export function namespaceOptions({ spec }: Pod, targetContainerId?: string): Init<NamespaceOption> {
  const pid = spec.hostPID === true ? 'NODE' : spec.shareProcessNamespace === true ? 'POD' : 'CONTAINER';
  return {
    network: spec.hostNetwork === true ? 'NODE' : 'POD',
    ipc: spec.hostIPC === true ? 'NODE' : 'POD',
    ...(targetContainerId === undefined ? { pid } : { pid: 'TARGET', targetId: targetContainerId }),
  };
}

/** `profileDir` holds the profiles of type Localhost. Throws BadRequest for a profile that cannot be honoured. */
export function seccompOf(profile: core.SeccompProfile | undefined, profileDir: string): Init<SecurityProfile> {
  switch (profile?.type) {
    case undefined:
    case 'RuntimeDefault':
      return { profileType: 'RuntimeDefault' };
    case 'Unconfined':
      return { profileType: 'Unconfined' };
    case 'Localhost': {
      const file = profile.localhostProfile ?? '';
      if (file === '' || file.startsWith('/') || file.split('/').includes('..')) {
        throw badRequest(
          `seccompProfile.localhostProfile ${JSON.stringify(file)} must be a path below the node's profiles`,
        );
      }
      return { profileType: 'Localhost', localhostRef: `${profileDir}/${file}` };
    }
    default:
      throw badRequest(`seccompProfile.type ${JSON.stringify(profile?.type)} is not known`);
  }
}

function appArmorOf(profile: core.AppArmorProfile | undefined): Init<SecurityProfile> | undefined {
  if (profile === undefined) return undefined;
  if (profile.type === 'Localhost') return { profileType: 'Localhost', localhostRef: profile.localhostProfile ?? '' };
  return { profileType: profile.type === 'Unconfined' ? 'Unconfined' : 'RuntimeDefault' };
}

/**
 * A container's security settings: its own, else its pod's, else the image's user. Throws BadRequest, in the words
 * kubelet shows, if it must not run as root but would.
 */
export function containerSecurity(
  pod: Pod,
  container: core.Container,
  image: ImageUser,
  profileDir: string,
  targetContainerId?: string,
): Init<LinuxContainerSecurityContext> {
  const own = container.securityContext ?? {};
  const shared = pod.spec.securityContext ?? {};
  const runAsUser = own.runAsUser ?? shared.runAsUser ?? undefined;
  const runAsGroup = own.runAsGroup ?? shared.runAsGroup;
  const privileged = own.privileged === true;
  const uid = runAsUser ?? image.uid;
  for (const [name, id] of [['runAsUser', uid] as const, ['runAsGroup', runAsGroup] as const]) {
    if (id !== undefined && (!Number.isInteger(id) || id < 0 || id > idMax)) {
      throw badRequest(`container ${container.name}: ${name} ${id} is not between 0 and ${idMax}`);
    }
  }
  if ((own.runAsNonRoot ?? shared.runAsNonRoot) === true)
    refuseRoot(container.name, uid, runAsUser !== undefined, image);
  const groups = [...(shared.supplementalGroups ?? []), ...(shared.fsGroup === undefined ? [] : [shared.fsGroup])];
  const appArmor = appArmorOf(own.appArmorProfile ?? shared.appArmorProfile);
  const isMasked = !privileged && own.procMount !== 'Unmasked';
  return {
    privileged,
    namespaceOptions: namespaceOptions(pod, targetContainerId),
    ...(own.capabilities === undefined
      ? {}
      : {
          capabilities: {
            addCapabilities: own.capabilities.add ?? [],
            dropCapabilities: own.capabilities.drop ?? [],
          },
        }),
    ...userOf(runAsUser, runAsGroup, image),
    supplementalGroups: groups,
    ...(shared.supplementalGroupsPolicy === 'Strict' ? { supplementalGroupsPolicy: 'Strict' } : {}),
    readonlyRootfs: own.readOnlyRootFilesystem === true,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    ...(isMasked ? { maskedPaths, readonlyPaths } : {}),
    seccomp: privileged
      ? { profileType: 'Unconfined' }
      : seccompOf(own.seccompProfile ?? shared.seccompProfile, profileDir),
    ...(appArmor === undefined ? {} : { apparmor: appArmor }),
    ...(own.seLinuxOptions === undefined ? {} : { selinuxOptions: own.seLinuxOptions }),
  };
}

/** With neither user nor group named, the runtime takes both from the image; with a group it must be told the user. */
function userOf(user: number | undefined, group: number | undefined, image: ImageUser) {
  if (user === undefined && group === undefined) return {};
  const uid = user ?? image.uid ?? (image.username === '' ? 0 : undefined);
  return {
    ...(uid === undefined ? { runAsUsername: image.username } : { runAsUser: { value: uid } }),
    ...(group === undefined ? {} : { runAsGroup: { value: group } }),
  };
}

function refuseRoot(name: string, uid: number | undefined, chosen: boolean, image: ImageUser): void {
  if (uid === 0 && chosen) throw badRequest(`container ${name}: container's runAsUser breaks non-root policy`);
  if (uid === 0 || (uid === undefined && image.username === '')) {
    throw badRequest('container has runAsNonRoot and image will run as root');
  }
  if (uid === undefined) {
    throw badRequest(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root`,
    );
  }
}
