/** Rules of a pod's spec, in a pod or in a template. Source: kubernetes pkg/apis/core/validation (ValidatePodSpec). */
import { forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { labelsErrors } from '#machinery/labels.ts';
import {
  dns1123LabelComplaints,
  dns1123SubdomainComplaints,
  patternComplaint,
  qualifiedNameComplaints,
} from '#machinery/names.ts';
import { choice, complain, each, inRange, optionalChoice, optionalText, text, unique } from '../rules/fields.ts';
import { ipErrors } from '../rules/ip-rules.ts';
import { containersErrors, ephemeralContainersErrors, initContainersErrors } from './container-rules.ts';
import type { PodContext } from './container-rules.ts';
import { podLevelResourcesErrors, resourceListErrors } from './resource-rules.ts';
import { affinityErrors, gatesErrors, tolerationsErrors, topologySpreadErrors } from './scheduling-rules.ts';
import { osErrors, podSecurityContextErrors } from './security-context-rules.ts';
import type * as types from './types.generated.ts';
import { volumesErrors } from './volume-rules.ts';
import { workloadReferenceErrors } from './workload-reference-rules.ts';

const secondsMax = 2147483647;
const nameserversMax = 3;
const searchPathsMax = 32;
const searchListCharactersMax = 2048;

export function podSpecErrors(field: string, spec: types.PodSpec | undefined): FieldError[] {
  if (spec === undefined) return [required(`${field}.containers`)];
  const pod: PodContext = {
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    claims: new Set((spec.resourceClaims ?? []).map(({ name }) => name)),
    graceSeconds: spec.terminationGracePeriodSeconds,
    restartPolicy: spec.restartPolicy,
    hostNetwork: spec.hostNetwork === true,
  };
  const names = new Set<string>();
  const targets = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  return [
    ...volumesErrors(`${field}.volumes`, spec.volumes),
    ...claimsErrors(`${field}.resourceClaims`, spec.resourceClaims),
    ...containersErrors(`${field}.containers`, spec.containers, names, pod),
    ...initContainersErrors(`${field}.initContainers`, spec.initContainers, names, pod),
    ...ephemeralContainersErrors(`${field}.ephemeralContainers`, spec.ephemeralContainers, targets, names, pod),
    ...podLevelResourcesErrors(`${field}.resources`, spec.resources),
    ...choice(`${field}.restartPolicy`, spec.restartPolicy, ['Always', 'OnFailure', 'Never']),
    ...choice(`${field}.dnsPolicy`, spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']),
    ...labelsErrors(`${field}.nodeSelector`, spec.nodeSelector),
    ...podSecurityContextErrors(`${field}.securityContext`, spec),
    ...each(`${field}.imagePullSecrets`, spec.imagePullSecrets, (path, { name }) =>
      (name ?? '') === '' ? [required(`${path}.name`)] : [],
    ),
    ...affinityErrors(`${field}.affinity`, spec.affinity),
    ...dnsErrors(`${field}.dnsConfig`, spec),
    ...each(`${field}.readinessGates`, spec.readinessGates, (path, { conditionType }) =>
      complain(`${path}.conditionType`, conditionType, qualifiedNameComplaints(conditionType)),
    ),
    ...gatesErrors(`${field}.schedulingGates`, spec.schedulingGates),
    ...topologySpreadErrors(`${field}.topologySpreadConstraints`, spec.topologySpreadConstraints),
    ...osErrors(`${field}.os`, spec.os),
    ...workloadReferenceErrors(`${field}.workloadRef`, spec.workloadRef),
    ...optionalText(`${field}.serviceAccountName`, spec.serviceAccountName, dns1123SubdomainComplaints),
    ...optionalText(`${field}.nodeName`, spec.nodeName, dns1123SubdomainComplaints),
    ...inRange(`${field}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, 1, secondsMax),
    ...optionalText(`${field}.hostname`, spec.hostname, dns1123LabelComplaints),
    ...optionalText(`${field}.subdomain`, spec.subdomain, dns1123LabelComplaints),
    ...hostnameOverrideErrors(field, spec),
    ...tolerationsErrors(`${field}.tolerations`, spec.tolerations),
    ...each(`${field}.hostAliases`, spec.hostAliases, (path, { ip, hostnames }) => [
      ...(ip === undefined || ip === '' ? [required(`${path}.ip`)] : ipErrors(`${path}.ip`, ip)),
      ...each(`${path}.hostnames`, hostnames, (_, hostname) =>
        complain(`${path}.hostnames`, hostname, dns1123SubdomainComplaints(hostname)),
      ),
    ]),
    ...optionalText(`${field}.priorityClassName`, spec.priorityClassName, dns1123SubdomainComplaints),
    ...optionalText(`${field}.runtimeClassName`, spec.runtimeClassName, dns1123SubdomainComplaints),
    ...optionalChoice(`${field}.preemptionPolicy`, spec.preemptionPolicy, ['Never', 'PreemptLowerPriority']),
    ...resourceListErrors(`${field}.overhead`, spec.overhead),
  ];
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
  const path = `${field}.hostnameOverride`;
  const errors = complain(path, override, dns1123SubdomainComplaints(override));
  if (override.length > 64) errors.push(invalid(path, override, 'must be no more than 64 characters'));
  if (spec.setHostnameAsFQDN === true)
    errors.push(forbidden(path, 'may not be specified when `setHostnameAsFQDN` is true'));
  if (spec.hostNetwork === true) errors.push(forbidden(path, 'may not be specified when `hostNetwork` is true'));
  return errors;
}

function dnsErrors(field: string, { dnsPolicy, dnsConfig }: types.PodSpec): FieldError[] {
  const { nameservers = [], searches = [], options = [] } = dnsConfig ?? {};
  const errors: FieldError[] = [];
  if (dnsPolicy === 'None' && nameservers.length === 0) {
    const path = dnsConfig === undefined ? field : `${field}.nameservers`;
    errors.push(required(path, `must provide at least one DNS nameserver when \`dnsPolicy\` is None`));
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
              search,
              patternComplaint(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, an underscore ('_'), '-' or '.', and must start and end with an alphanumeric character",
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
