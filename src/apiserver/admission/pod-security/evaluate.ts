import { versionInfo } from '#machinery/version.ts';
import * as baseline from './baseline-checks.ts';
import type { Check, PodView, Violation } from './pod-view.ts';
import type { LevelVersion } from './policy.ts';
import * as restricted from './restricted-checks.ts';

/** A check as of some minor version of Kubernetes, until the next entry of its list. */
type Versions = readonly (readonly [since: number, check: Check])[];

/** By id, in the order in which violations are told. Source: k8s.io/pod-security-admission/policy. */
const baselineChecks: Readonly<Record<string, Versions>> = {
  appArmorProfile: [[0, baseline.appArmorProfile]],
  capabilities_baseline: [[0, baseline.capabilitiesBaseline]],
  hostNamespaces: [[0, baseline.hostNamespaces]],
  hostPathVolumes: [[0, baseline.hostPathVolumes]],
  hostPorts: [[0, baseline.hostPorts]],
  hostProbesAndHostLifecycle: [[34, baseline.hostProbesAndHostLifecycle]],
  privileged: [[0, baseline.privileged]],
  procMount: [
    [0, baseline.procMount],
    [35, baseline.procMountUnlessUserNamespace],
  ],
  seLinuxOptions: [
    [0, baseline.seLinuxOptions()],
    [31, baseline.seLinuxOptions(baseline.seLinuxTypesWithEngine)],
  ],
  seccompProfile_baseline: [
    [0, baseline.seccompAnnotations],
    [19, baseline.seccompProfileBaseline],
  ],
  sysctls: [
    [0, baseline.sysctls()],
    [27, baseline.sysctls(baseline.safeSysctls27)],
    [29, baseline.sysctls(baseline.safeSysctls29)],
    [32, baseline.sysctls(baseline.safeSysctls32)],
  ],
  windowsHostProcess: [[0, baseline.windowsHostProcess]],
};

/** `instead`: the baseline check that a stricter one makes superfluous. */
const restrictedChecks: Readonly<Record<string, { readonly versions: Versions; readonly instead?: string }>> = {
  allowPrivilegeEscalation: {
    versions: [
      [8, restricted.allowPrivilegeEscalation],
      [25, restricted.unlessWindows(restricted.allowPrivilegeEscalation)],
    ],
  },
  capabilities_restricted: {
    versions: [
      [22, restricted.capabilitiesRestricted],
      [25, restricted.unlessWindows(restricted.capabilitiesRestricted)],
    ],
    instead: 'capabilities_baseline',
  },
  procMount_restricted: { versions: [[35, baseline.procMount]], instead: 'procMount' },
  restrictedVolumes: { versions: [[0, restricted.restrictedVolumes]], instead: 'hostPathVolumes' },
  runAsNonRoot: {
    versions: [
      [0, restricted.runAsNonRoot],
      [35, restricted.unlessUserNamespace(restricted.runAsNonRoot)],
    ],
  },
  runAsUser: {
    versions: [
      [23, restricted.runAsUser],
      [35, restricted.unlessUserNamespace(restricted.runAsUser)],
    ],
  },
  seccompProfile_restricted: {
    versions: [
      [19, restricted.seccompProfileRestricted],
      [25, restricted.unlessWindows(restricted.seccompProfileRestricted)],
    ],
    instead: 'seccompProfile_baseline',
  },
};

/** `latest`, and versions that are not out yet, mean the policy of the API that is served. */
const newestMinor = Number(versionInfo.minor);

const at = (versions: Versions, minor: number): Check | undefined =>
  versions.findLast(([since]) => since <= minor)?.[1];

function checksOf({ level, version }: LevelVersion): readonly Check[] {
  if (level === 'privileged') return [];
  const minor = version === 'latest' ? newestMinor : Math.min(version, newestMinor);
  const strict = level === 'baseline' ? [] : Object.values(restrictedChecks);
  const replaced = new Set(strict.flatMap(({ versions, instead }) => (at(versions, minor) ? [instead] : [])));
  return [
    ...Object.entries(baselineChecks).flatMap(([id, versions]) => (replaced.has(id) ? [] : [at(versions, minor)])),
    ...strict.map(({ versions }) => at(versions, minor)),
  ].filter((check) => check !== undefined);
}

/** Everything in a pod that its namespace's policy forbids. */
export function violations(policy: LevelVersion, pod: PodView): readonly Violation[] {
  return checksOf(policy)
    .map((check) => check(pod))
    .filter((violation) => violation !== undefined);
}

/** `hostPort (container "a" uses hostPort 80), privileged (…)`. */
export const detailed = (found: readonly Violation[]): string =>
  found.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');

export const brief = (found: readonly Violation[]): string => found.map(({ reason }) => reason).join(', ');
