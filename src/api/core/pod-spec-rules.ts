/** Rules of a pod's spec, in a pod or in a template. Source: kubernetes pkg/apis/core/validation (ValidatePodSpec). */
import { forbidden, invalid, notFound, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { labelsErrors } from '#machinery/labels.ts';
import {
  dns1123LabelComplaints,
  dns1123SubdomainComplaints,
  patternComplaint,
  qualifiedNameComplaints,
} from '#machinery/names.ts';
import {
  atMostBytes,
  choice,
  complain,
  each,
  inRange,
  optionalChoice,
  optionalText,
  text,
  unique,
} from '../rules/fields.ts';
import { ipErrors } from '../rules/ip-rules.ts';
import {
  containersErrors,
  ephemeralContainersErrors,
  hostNetworkErrors,
  initContainersErrors,
} from './container-rules.ts';
import type { PodContext } from './container-rules.ts';
import { podLevelResourcesErrors, resourceRequirementsErrors } from './resource-rules.ts';
import { affinityErrors, gatesErrors, tolerationsErrors, topologySpreadErrors } from './scheduling-rules.ts';
import { hostUsersErrors, osErrors, podSecurityContextErrors } from './security-context-rules.ts';
import type * as types from './types.generated.ts';
import { checkVolumes } from './volume-rules.ts';
import { workloadReferenceErrors } from './workload-reference-rules.ts';

const secondsMax = 2147483647;
const nameserversMax = 3;
const searchPathsMax = 32;
const searchListCharactersMax = 2048;
const hostnameBytesMax = 64;

/** `isPod` is false in a template: some rules wait until there is a pod. */
export function podSpecErrors(field: string, spec: types.PodSpec | undefined, isPod: boolean): FieldError[] {
  if (spec === undefined) return [required(`${field}.containers`)];
  const { errors: volumeErrors, good: volumes } = checkVolumes(`${field}.volumes`, spec.volumes, isPod);
  const pod: PodContext = {
    volumes,
    claims: new Set((spec.resourceClaims ?? []).map(({ name }) => name).filter((name) => name !== '')),
    graceSeconds: spec.terminationGracePeriodSeconds,
    restartPolicy: spec.restartPolicy,
    os: spec.os?.name,
    hostUsers: spec.hostUsers !== false,
  };
  return [
    ...volumeErrors,
    ...claimsErrors(`${field}.resourceClaims`, spec.resourceClaims),
    ...containersErrors(`${field}.containers`, spec.containers, pod),
    ...initContainersErrors(`${field}.initContainers`, spec, pod),
    ...ephemeralContainersErrors(`${field}.ephemeralContainers`, spec, pod),
    ...podLevelResourcesErrors(field, spec),
    ...hostNetworkErrors(`${field}.containers`, spec, isPod),
    ...choice(`${field}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']),
    ...choice(`${field}.dnsPolicy`, spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']),
    ...labelsErrors(`${field}.nodeSelector`, spec.nodeSelector),
    ...podSecurityContextErrors(`${field}.securityContext`, spec),
    ...affinityErrors(`${field}.affinity`, spec.affinity),
    ...dnsErrors(`${field}.dnsConfig`, spec),
    ...each(`${field}.readinessGates`, spec.readinessGates, (path, { conditionType }) =>
      complain(`${path}.conditionType`, conditionType, qualifiedNameComplaints(conditionType)),
    ),
    ...gatesErrors(`${field}.schedulingGates`, spec.schedulingGates),
    ...topologySpreadErrors(`${field}.topologySpreadConstraints`, spec.topologySpreadConstraints),
    ...hostUsersErrors(field, spec),
    ...hostnameOverrideErrors(`${field}.hostnameOverride`, spec),
    ...optionalText(`${field}.serviceAccountName`, spec.serviceAccountName, dns1123SubdomainComplaints),
    ...optionalText(`${field}.nodeName`, spec.nodeName, dns1123SubdomainComplaints),
    ...inRange(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, 1, secondsMax),
    ...optionalText(`${field}.hostname`, spec.hostname, dns1123LabelComplaints),
    ...optionalText(`${field}.subdomain`, spec.subdomain, dns1123LabelComplaints),
    ...tolerationsErrors(`${field}.tolerations`, spec.tolerations),
    ...each(`${field}.hostAliases`, spec.hostAliases, (path, { ip, hostnames }) => [
      ...ipErrors(`${path}.ip`, ip ?? ''),
      ...each(`${path}.hostnames`, hostnames, (at, hostname) =>
        complain(at, hostname, dns1123SubdomainComplaints(hostname)),
      ),
    ]),
    ...optionalText(`${field}.priorityClassName`, spec.priorityClassName, dns1123SubdomainComplaints),
    ...optionalText(`${field}.runtimeClassName`, spec.runtimeClassName, dns1123SubdomainComplaints),
    ...optionalChoice(`${field}.preemptionPolicy`, spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']),
    ...resourceRequirementsErrors(
      `${field}.overhead`,
      spec.overhead === undefined ? undefined : { limits: spec.overhead },
    ),
    ...osErrors(`${field}.os`, spec.os),
    ...fileKeyVolumesErrors(field, spec),
    ...workloadReferenceErrors(`${field}.workloadRef`, spec.workloadRef),
  ];
}

/** Variables that come out of a file name an emptyDir. Source: validateFileKeyRefVolumes. */
function fileKeyVolumesErrors(field: string, spec: types.PodSpec): FieldError[] {
  const volumes = new Map((spec.volumes ?? []).map((volume) => [volume.name, volume]));
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    each<types.Container | types.EphemeralContainer>(`${field}.${list}`, spec[list], (container, { env }) =>
      each(`${container}.env`, env, (path, { valueFrom }) => {
        const name = valueFrom?.fileKeyRef?.volumeName;
        if (name === undefined) return [];
        const at = `${path}.valueFrom.fileKeyRef.volumeName`;
        const volume = volumes.get(name);
        if (volume === undefined) return [notFound(at, name)];
        return volume.emptyDir === undefined ? [invalid(at, name, 'referenced volume must be of type emptyDir')] : [];
      }),
    ),
  );
}

function claimsErrors(field: string, claims: readonly types.PodResourceClaim[] | undefined): FieldError[] {
  return [
    ...each(field, claims, (path, claim) => {
      const errors = text(`${path}.name`, claim.name, dns1123LabelComplaints);
      const [direct, template] = [claim.resourceClaimName, claim.resourceClaimTemplateName];
      if (direct === undefined && template === undefined) {
        errors.push(invalid(path, claim, 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'));
      } else if (direct !== undefined && template !== undefined) {
        errors.push(
          invalid(path, claim, 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified'),
        );
      }
      return errors;
    }),
    ...unique(
      claims,
      ({ name }) => name,
      (index) => `${field}[${index}].name`,
    ),
  ];
}

function hostnameOverrideErrors(field: string, spec: types.PodSpec): FieldError[] {
  const override = spec.hostnameOverride;
  if (override === undefined) return [];
  const errors: FieldError[] = [];
  if (spec.setHostnameAsFQDN === true) {
    errors.push(forbidden(field, 'may not be specified when setHostnameAsFQDN is true'));
  }
  if (spec.hostNetwork === true) errors.push(forbidden(field, 'may not be specified when hostNetwork is true'));
  return [
    ...errors,
    ...atMostBytes(field, override, hostnameBytesMax),
    ...complain(field, override, dns1123SubdomainComplaints(override)),
  ];
}

function dnsErrors(field: string, { dnsPolicy, dnsConfig }: types.PodSpec): FieldError[] {
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {};
  const errors: FieldError[] = [];
  if (dnsPolicy === 'None') {
    if (dnsConfig === undefined) return [required(field, 'must provide `dnsConfig` when `dnsPolicy` is None')];
    if (nameservers.length === 0) {
      const why = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
      return [required(`${field}.nameservers`, why)];
    }
  }
  if (nameservers.length > nameserversMax) {
    errors.push(invalid(`${field}.nameservers`, nameservers, `must not have more than ${nameserversMax} nameservers`));
  }
  errors.push(...each(`${field}.nameservers`, nameservers, ipErrors));
  if (searches.length > searchPathsMax) {
    errors.push(invalid(`${field}.searches`, searches, `must not have more than ${searchPathsMax} search paths`));
  }
  if (searches.join(' ').length > searchListCharactersMax) {
    errors.push(
      invalid(
        `${field}.searches`,
        searches,
        `must not have more than ${searchListCharactersMax} characters (including spaces) in the search list`,
      ),
    );
  }
  errors.push(
    ...each(`${field}.searches`, searches, (path, search) => {
      const name = search.endsWith('.') ? search.slice(0, -1) : search;
      return search === '.' || isDomainWithUnderscores(name)
        ? []
        : [
            invalid(
              path,
              name,
              patternComplaint(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
                '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*',
                'example.com',
              ),
            ),
          ];
    }),
    ...each(`${field}.options`, options, (path, { name }) =>
      (name ?? '') === '' ? [required(path, 'must not be empty')] : [],
    ),
  );
  return errors;
}

const isDomainWithUnderscores = (name: string) =>
  name.length <= 253 && name.split('.').every((label) => /^_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/.test(label));
