/** Rules of containers. Source: kubernetes pkg/apis/core/validation (validateContainers and around). */
import { duplicate, forbidden, invalid, notFound, required, tooLong } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { dns1123LabelComplaints, portNameComplaints, portNumberComplaints } from '#machinery/names.ts';
import { choice, complain, each, optionalChoice, text } from '../rules/fields.ts';
import { ipErrors } from '../rules/ip-rules.ts';
import { environmentErrors, environmentSourceErrors } from './environment-rules.ts';
import { lifecycleErrors, readinessProbeErrors, restartingProbeErrors } from './probe-rules.ts';
import { resourceRequirementsErrors } from './resource-rules.ts';
import { securityContextErrors } from './security-context-rules.ts';
import type * as types from './types.generated.ts';
import { devicesErrors, mountsErrors } from './volume-rules.ts';

/** What a container may refer to in its pod. */
export interface PodContext {
  /** The volumes that nothing is wrong with, by name. */
  readonly volumes: ReadonlyMap<string, types.Volume>;
  readonly claims: ReadonlySet<string>;
  readonly graceSeconds: number | undefined;
  readonly restartPolicy: string | undefined;
  readonly os: string | undefined;
  readonly hostUsers: boolean;
}

/** The names that are taken so far. */
type Names = Set<string>;

type AnyContainer = types.Container | types.EphemeralContainer;

const restartPolicies = ['Always', 'Never', 'OnFailure'];
const restartRulesMax = 20;
const exitCodesMax = 255;

/** What holds for containers of every sort. Source: validateContainerCommon. */
function commonErrors(field: string, container: AnyContainer, pod: PodContext): FieldError[] {
  return [
    ...text(`${field}.name`, container.name, dns1123LabelComplaints),
    ...text(`${field}.image`, container.image),
    ...choice(`${field}.terminationMessagePolicy`, container.terminationMessagePolicy, [
      'File',
      'FallbackToLogsOnError',
    ]),
    ...portsErrors(`${field}.ports`, container.ports),
    ...environmentErrors(`${field}.env`, container.env),
    ...environmentSourceErrors(`${field}.envFrom`, container.envFrom),
    ...mountsErrors(`${field}.volumeMounts`, container, pod.volumes),
    ...devicesErrors(`${field}.volumeDevices`, container, pod.volumes),
    ...choice(`${field}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']),
    ...resourceRequirementsErrors(`${field}.resources`, container.resources, pod.claims),
    ...resizePolicyErrors(`${field}.resizePolicy`, container.resizePolicy, pod.restartPolicy),
    ...securityContextErrors(`${field}.securityContext`, container.securityContext, pod.hostUsers),
  ];
}

function nameTakenErrors(field: string, name: string, names: Names): FieldError[] {
  if (names.has(name)) return [duplicate(`${field}.name`, name)];
  names.add(name);
  return [];
}

/** Only pods themselves are held to this, not the templates of pods. Source: validateContainerOnlyForPod. */
export function imageErrors(field: string, { image = '' }: AnyContainer): FieldError[] {
  return image === image.trim()
    ? []
    : [invalid(`${field}.image`, image, 'must not have leading or trailing whitespace')];
}

function resizePolicyErrors(
  field: string,
  policies: readonly types.ContainerResizePolicy[] | undefined,
  podRestartPolicy: string | undefined,
): FieldError[] {
  const resources = new Set<string>();
  return each(field, policies, (path, { resourceName, restartPolicy }) => {
    const errors = resources.has(resourceName) ? [duplicate(path, resourceName)] : [];
    resources.add(resourceName);
    errors.push(
      ...choice(field, resourceName, ['cpu', 'memory']),
      ...choice(field, restartPolicy, ['NotRequired', 'RestartContainer']),
    );
    if (podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      errors.push(invalid(field, restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'"));
    }
    return errors;
  });
}

export function containersErrors(
  field: string,
  containers: readonly types.Container[] | undefined,
  pod: PodContext,
): FieldError[] {
  if ((containers ?? []).length === 0) return [required(field)];
  const names: Names = new Set();
  return [
    ...each(field, containers, (path, container) => [
      ...commonErrors(path, container, pod),
      ...nameTakenErrors(path, container.name, names),
      ...startedErrors(path, container, pod),
      ...restartRulesErrors(path, container),
    ]),
    ...hostPortsErrors(field, containers ?? []),
  ];
}

/** Hooks and probes of what runs for as long as the pod does. */
function startedErrors(field: string, container: types.Container, pod: PodContext): FieldError[] {
  return [
    ...lifecycleErrors(`${field}.lifecycle`, container.lifecycle, pod.graceSeconds, pod.os),
    ...restartingProbeErrors(`${field}.livenessProbe`, container.livenessProbe),
    ...readinessProbeErrors(`${field}.readinessProbe`, container.readinessProbe),
    ...restartingProbeErrors(`${field}.startupProbe`, container.startupProbe),
  ];
}

function restartRulesErrors(field: string, container: types.Container): FieldError[] {
  const { restartPolicy, restartPolicyRules: rules = [] } = container;
  const errors: FieldError[] = [];
  if (restartPolicy !== undefined) {
    errors.push(...optionalChoice(`${field}.restartPolicy`, restartPolicy, restartPolicies));
  } else if (rules.length > 0) {
    errors.push(required(`${field}.restartPolicy`, 'must specify restartPolicy when restart rules are used'));
  }
  if (rules.length > restartRulesMax) errors.push(tooLong(`${field}.restartPolicyRules`, restartRulesMax));
  errors.push(
    ...each(`${field}.restartPolicyRules`, rules, (path, { action, exitCodes }) => [
      ...optionalChoice(`${path}.action`, action, ['Restart']),
      ...(exitCodes === undefined
        ? [required(`${path}.exitCodes`, 'must be specified')]
        : [
            ...optionalChoice(`${path}.exitCodes.operator`, exitCodes.operator, ['In', 'NotIn']),
            ...((exitCodes.values ?? []).length > exitCodesMax
              ? [tooLong(`${path}.exitCodes.values`, exitCodesMax)]
              : []),
          ]),
    ]),
  );
  return errors;
}

/** Init containers run before; with restartPolicy Always they are sidecars and may have hooks and probes. */
export function initContainersErrors(field: string, spec: types.PodSpec, pod: PodContext): FieldError[] {
  const names: Names = new Set((spec.containers ?? []).map(({ name }) => name));
  return each(field, spec.initContainers, (path, container) => {
    const sidecar = container.restartPolicy === 'Always';
    const errors = commonErrors(path, container, pod);
    if (sidecar && (container.restartPolicyRules ?? []).length > 0) {
      errors.push(
        forbidden(
          `${path}.restartPolicyRules`,
          'restartPolicyRules are not allowed for init containers with restart policy Always',
        ),
      );
    } else if (container.restartPolicy !== undefined && !sidecar) errors.push(...restartRulesErrors(path, container));
    errors.push(...nameTakenErrors(path, container.name, names), ...hostPortsErrors(field, [container]));
    if (sidecar) return [...errors, ...startedErrors(path, container, pod)];
    for (const name of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      if (container[name] !== undefined) {
        errors.push(forbidden(`${path}.${name}`, 'may not be set for init containers without restartPolicy=Always'));
      }
    }
    return errors;
  });
}

/** In the order of upstream's fields. */
const ephemeralForbidden = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

export function ephemeralContainersErrors(field: string, spec: types.PodSpec, pod: PodContext): FieldError[] {
  const targets = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  const names: Names = new Set(targets);
  return each(field, spec.ephemeralContainers, (path, container) => {
    const errors = [
      ...commonErrors(path, container, pod),
      ...imageErrors(path, container),
      ...nameTakenErrors(path, container.name, names),
    ];
    const target = container.targetContainerName ?? '';
    if (target !== '' && !targets.has(target)) errors.push(notFound(`${path}.targetContainerName`, target));
    for (const name of ephemeralForbidden) {
      const value: unknown = container[name];
      if (value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)) {
        continue;
      }
      errors.push(forbidden(`${path}.${name}`, 'cannot be set for an Ephemeral Container'));
    }
    for (const [mount, { subPath, subPathExpr }] of (container.volumeMounts ?? []).entries()) {
      const at = `${path}.volumeMounts[${mount}]`;
      if ((subPath ?? '') !== '') errors.push(forbidden(`${at}.subPath`, 'cannot be set for an Ephemeral Container'));
      if ((subPathExpr ?? '') !== '') {
        errors.push(forbidden(`${at}.subPathExpr`, 'cannot be set for an Ephemeral Container'));
      }
    }
    return errors;
  });
}

/** With the host's network a port is one of the host, if it names one at all. Source: validatePodHostNetworkDeps. */
export function hostNetworkErrors(field: string, spec: types.PodSpec, isPod: boolean): FieldError[] {
  if (spec.hostNetwork !== true) return [];
  return each(field, spec.containers, (container, { ports }) =>
    each(`${container}.ports`, ports, (path, { hostPort = 0, containerPort }) =>
      (isPod || hostPort !== 0) && hostPort !== containerPort
        ? [invalid(`${path}.hostPort`, hostPort, 'must match `containerPort` when `hostNetwork` is true')]
        : [],
    ),
  );
}

function portsErrors(field: string, ports: readonly types.ContainerPort[] | undefined): FieldError[] {
  const names: Names = new Set();
  return each(field, ports, (path, port) => {
    const errors: FieldError[] = [];
    const { name = '', hostPort = 0 } = port;
    const containerPort = port.containerPort ?? 0;
    if (name !== '') {
      const complaints = portNameComplaints(name);
      errors.push(...complain(`${path}.name`, name, complaints));
      if (complaints.length === 0) errors.push(...nameTakenErrors(path, name, names));
    }
    if (containerPort === 0) errors.push(required(`${path}.containerPort`));
    else errors.push(...complain(`${path}.containerPort`, containerPort, portNumberComplaints(containerPort)));
    if (hostPort !== 0) errors.push(...complain(`${path}.hostPort`, hostPort, portNumberComplaints(hostPort)));
    if ((port.hostIP ?? '') !== '') errors.push(...ipErrors(`${path}.hostIP`, port.hostIP ?? ''));
    return [...errors, ...choice(`${path}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP'])];
  });
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
