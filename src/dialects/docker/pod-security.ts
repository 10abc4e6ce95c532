import type * as core from '#api/core/types.generated.ts';
import type { CreateBody } from './create-body.ts';
import { notOffered } from './errors.ts';

const wholeNumber = /^\d{1,10}$/;

/** Rights of the container, and of its pod where Kubernetes keeps them there. */
export function securityOf(body: CreateBody): {
  readonly container: core.SecurityContext;
  readonly pod: core.PodSecurityContext;
} {
  const { Privileged, ReadonlyRootfs, CapAdd, CapDrop, SecurityOpt, GroupAdd, Sysctls } = body.HostConfig ?? {};
  const groups = (GroupAdd ?? []).map((group) => {
    if (!wholeNumber.test(group)) throw notOffered(`groups by name (--group-add ${group})`, 'give its number');
    return Number(group);
  });
  const sysctls = Object.entries(Sysctls ?? {}).map(([name, value]) => ({ name, value }));
  const add = (CapAdd ?? []).map(capability);
  const drop = (CapDrop ?? []).map(capability);
  return {
    container: {
      ...userOf(body.User ?? ''),
      ...(Privileged === true ? { privileged: true } : {}),
      ...(ReadonlyRootfs === true ? { readOnlyRootFilesystem: true } : {}),
      ...(add.length === 0 && drop.length === 0
        ? {}
        : { capabilities: { ...(add.length === 0 ? {} : { add }), ...(drop.length === 0 ? {} : { drop }) } }),
      ...Object.assign({}, ...(SecurityOpt ?? []).map(optionOf)),
    },
    pod: {
      ...(groups.length === 0 ? {} : { supplementalGroups: groups }),
      ...(sysctls.length === 0 ? {} : { sysctls }),
    },
  };
}

const capability = (name: string) => name.toUpperCase().replace(/^CAP_/, '');

function userOf(text: string): Pick<core.SecurityContext, 'runAsUser' | 'runAsGroup'> {
  if (text === '') return {};
  const [user = '', group = ''] = text.split(':').map((name) => (name === 'root' ? '0' : name));
  for (const part of [user, group])
    if (part !== '' && !wholeNumber.test(part))
      throw notOffered(`users and groups by name (--user ${text})`, 'give their numbers, as in --user 1000:1000');
  return {
    ...(user === '' ? {} : { runAsUser: Number(user) }),
    ...(group === '' ? {} : { runAsGroup: Number(group) }),
  };
}

function optionOf(option: string): core.SecurityContext {
  switch (option.replace(':', '=')) {
    case 'no-new-privileges':
    case 'no-new-privileges=true':
      return { allowPrivilegeEscalation: false };
    case 'no-new-privileges=false':
      return {};
    case 'seccomp=unconfined':
      return { seccompProfile: { type: 'Unconfined' } };
    case 'apparmor=unconfined':
      return { appArmorProfile: { type: 'Unconfined' } };
    default:
      throw notOffered(`security option ${JSON.stringify(option)} (--security-opt)`);
  }
}
