/** Rules of containers. Source: kubernetes pkg/apis/core/validation (validateContainers and around). */
import { duplicate, forbidden, invalid, notFound, notSupported, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123LabelComplaints, portNameComplaints, portNumberComplaints } from '#machinery/names.ts';
import { choice, complain, each, optionalChoice, text, unique } from '../rules/fields.ts';
import { ipErrors } from '../rules/ip-rules.ts';
import { environmentErrors, environmentSourceErrors } from './environment-rules.ts';
import { lifecycleErrors, readinessProbeErrors, restartingProbeErrors } from './probe-rules.ts';
import { resourceRequirementsErrors } from './resource-rules.ts';
import { securityContextErrors } from './security-context-rules.ts';
import type * as types from './types.generated.ts';
import { devicesErrors, mountsErrors } from './volume-rules.ts';

/** What a container may refer to in its pod. */
export interface PodContext {
  readonly volumes: ReadonlyMap<string, types.Volume>;
  readonly claims: ReadonlySet<string>;
  readonly graceSeconds: number | undefined;
  readonly restartPolicy: string | undefined;
  readonly hostNetwork: boolean;
}

/** The names that are taken so far; names are unique over all containers of a pod. */
type Names = Set<string>;

type AnyContainer = types.Container | types.EphemeralContainer;

function commonErrors(field: string, container: AnyContainer, names: Names, pod: PodContext): FieldError[] {
  const errors = text(`${field}.name`, container.name, dns1123LabelComplaints);
  if (errors.length === 0 && names.has(container.name)) errors.push(duplicate(`${field}.name`, container.name));
  names.add(container.name);
  const image = container.image ?? '';
  if (image !== image.trim()) {
    errors.push(invalid(`${field}.image`, image, 'must not have leading or trailing whitespace'));
  }
  errors.push(
    ...optionalChoice(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, [
      'FallbackToLogsOnError',
      'File',
    ]),
    ...portsErrors(`${field}.ports`, container.ports, pod.hostNetwork),
    ...environmentErrors(`${field}.env`, container.env),
    ...environmentSourceErrors(`${field}.envFrom`, container.envFrom),
    ...mountsErrors(
      `${field}.volumeMounts`,
      container.volumeMounts,
      container.volumeDevices,
      pod.volumes,
      container.securityContext?.privileged === true,
    ),
    ...devicesErrors(`${field}.volumeDevices`, container.volumeDevices, pod.volumes),
    ...optionalChoice(`${field}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    ...resourceRequirementsErrors(`${field}.resources`, container.resources, pod.claims),
    ...each(`${field}.resizePolicy`, container.resizePolicy, (path, { resourceName, restartPolicy }) => [
      ...optionalChoice(path, resourceName, ['cpu', 'memory']),
      ...choice(path, restartPolicy, ['NotRequired', 'RestartContainer']),
    ]),
    ...securityContextErrors(`${field}.securityContext`, container.securityContext),
  );
  return errors;
}

export function containersErrors(
  field: string,
  containers: readonly types.Container[] | undefined,
  names: Names,
  pod: PodContext,
): FieldError[] {
  if ((containers ?? []).length === 0) return [required(field)];
  return [
    ...each(field, containers, (path, container) => [
      ...commonErrors(path, container, names, pod),
      ...(container.image === undefined || container.image === '' ? [required(`${path}.image`)] : []),
      ...lifecycleErrors(`${path}.lifecycle`, container.lifecycle, pod.graceSeconds),
      ...restartingProbeErrors(`${path}.livenessProbe`, container.livenessProbe),
      ...readinessProbeErrors(`${path}.readinessProbe`, container.readinessProbe),
      ...restartingProbeErrors(`${path}.startupProbe`, container.startupProbe),
      ...optionalChoice(`${path}.restartPolicy`, container.restartPolicy, ['Always', 'Never', 'OnFailure']),
      ...restartRulesErrors(path, container),
    ]),
    ...hostPortsErrors(field, containers ?? []),
  ];
}

function restartRulesErrors(field: string, { restartPolicy, restartPolicyRules }: types.Container): FieldError[] {
  if ((restartPolicyRules ?? []).length === 0) return [];
  const errors =
    restartPolicy === undefined
      ? [required(`${field}.restartPolicy`, 'must specify restartPolicy when restart rules are used')]
      : [];
  return [
    ...errors,
    ...each(`${field}.restartPolicyRules`, restartPolicyRules, (path, { action, exitCodes }) => [
      ...choice(`${path}.action`, action, ['Restart', 'RestartAllContainers']),
      ...(exitCodes === undefined
        ? [required(`${path}.exitCodes`, 'must be specified')]
        : [
            ...choice(`${path}.exitCodes.operator`, exitCodes.operator, ['In', 'NotIn']),
            ...((exitCodes.values ?? []).length === 0
              ? [invalid(`${path}.exitCodes.values`, [], 'must have at least one value')]
              : []),
          ]),
    ]),
  ];
}

/** Init containers run before; with restartPolicy Always they are sidecars and may have hooks and probes. */
export function initContainersErrors(
  field: string,
  containers: readonly types.Container[] | undefined,
  names: Names,
  pod: PodContext,
): FieldError[] {
  return each(field, containers, (path, container) => {
    const errors = commonErrors(path, container, names, pod);
    if (container.image === undefined || container.image === '') errors.push(required(`${path}.image`));
    errors.push(...optionalChoice(`${path}.restartPolicy`, container.restartPolicy, ['Always', 'Never', 'OnFailure']));
    errors.push(...restartRulesErrors(path, container));
    if (container.restartPolicy === 'Always') {
      errors.push(
        ...lifecycleErrors(`${path}.lifecycle`, container.lifecycle, pod.graceSeconds),
        ...restartingProbeErrors(`${path}.livenessProbe`, container.livenessProbe),
        ...readinessProbeErrors(`${path}.readinessProbe`, container.readinessProbe),
        ...restartingProbeErrors(`${path}.startupProbe`, container.startupProbe),
      );
    } else {
      for (const name of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        if (container[name] !== undefined) {
          errors.push(forbidden(`${path}.${name}`, 'may not be set for init containers without restartPolicy=Always'));
        }
      }
    }
    return [...errors, ...hostPortsErrors(field, [container])];
  });
}

const ephemeralForbidden = [
  'ports',
  'lifecycle',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'resizePolicy',
  'restartPolicyRules',
] as const;

export function ephemeralContainersErrors(
  field: string,
  containers: readonly types.EphemeralContainer[] | undefined,
  targets: ReadonlySet<string>,
  names: Names,
  pod: PodContext,
): FieldError[] {
  return each(field, containers, (path, container) => {
    const errors = commonErrors(path, container, names, pod);
    if (container.image === undefined || container.image === '') errors.push(required(`${path}.image`));
    const target = container.targetContainerName ?? '';
    if (target !== '' && !targets.has(target)) errors.push(notFound(`${path}.targetContainerName`, target));
    for (const name of ephemeralForbidden) {
      const value: unknown = container[name];
      if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
      errors.push(forbidden(`${path}.${name}`, 'cannot be set for an Ephemeral Container'));
    }
    const { limits, requests, claims } = container.resources ?? {};
    if ([limits, requests, claims].some((part) => Object.keys(part ?? {}).length > 0)) {
      errors.push(forbidden(`${path}.resources`, 'cannot be set for an Ephemeral Container'));
    }
    for (const [index, { subPath, subPathExpr }] of (container.volumeMounts ?? []).entries()) {
      const at = `${path}.volumeMounts[${index}]`;
      if ((subPath ?? '') !== '') errors.push(forbidden(`${at}.subPath`, 'cannot be set for an Ephemeral Container'));
      if ((subPathExpr ?? '') !== '') {
        errors.push(forbidden(`${at}.subPathExpr`, 'cannot be set for an Ephemeral Container'));
      }
    }
    return errors;
  });
}

function portsErrors(
  field: string,
  ports: readonly types.ContainerPort[] | undefined,
  hostNetwork: boolean,
): FieldError[] {
  return [
    ...each(field, ports, (path, port) => {
      const errors: FieldError[] = [];
      if ((port.name ?? '') !== '')
        errors.push(...complain(`${path}.name`, port.name, portNameComplaints(port.name ?? '')));
      if ((port.containerPort ?? 0) === 0) errors.push(required(`${path}.containerPort`));
      else
        errors.push(...complain(`${path}.containerPort`, port.containerPort, portNumberComplaints(port.containerPort)));
      const { hostPort = 0 } = port;
      if (hostPort !== 0) errors.push(...complain(`${path}.hostPort`, hostPort, portNumberComplaints(hostPort)));
      if (hostNetwork && hostPort !== port.containerPort) {
        errors.push(invalid(`${path}.hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true'));
      }
      if ((port.hostIP ?? '') !== '') errors.push(...ipErrors(`${path}.hostIP`, port.hostIP ?? ''));
      if ((port.protocol ?? '') === '') errors.push(required(`${path}.protocol`));
      else if (!['SCTP', 'TCP', 'UDP'].includes(port.protocol ?? '')) {
        errors.push(notSupported(`${path}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']));
      }
      return errors;
    }),
    ...unique(
      ports,
      ({ name }) => name,
      (index) => `${field}[${index}].name`,
    ),
  ];
}

/** Two containers cannot have the same port of the host. */
function hostPortsErrors(field: string, containers: readonly types.Container[]): FieldError[] {
  const taken = new Set<string>();
  return containers.flatMap((container, index) =>
    each(`${field}[${index}].ports`, container.ports, (path, { hostPort = 0, protocol = 'TCP', hostIP = '' }) => {
      if (hostPort === 0) return [];
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (taken.has(key)) return [duplicate(`${path}.hostPort`, key)];
      taken.add(key);
      return [];
    }),
  );
}
