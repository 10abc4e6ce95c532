/** Rules of probes and lifecycle hooks. Source: kubernetes pkg/apis/core/validation (validateProbe, validateHandler). */
import { forbidden, invalid, required } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';
import { headerNameComplaints, portNameComplaints, portNumberComplaints } from '#machinery/names.ts';
import { stopSignalErrors } from './stop-signal-rules.ts';
import { choice, complain, each, nonNegative, text } from '../rules/fields.ts';
import type * as types from './types.generated.ts';

export function portErrors(field: string, port: number | string | undefined): FieldError[] {
  if (typeof port === 'number') return complain(field, port, portNumberComplaints(port));
  return complain(field, port ?? '', portNameComplaints(port ?? ''));
}

function httpGetErrors(field: string, action: types.HTTPGetAction): FieldError[] {
  return [
    ...text(`${field}.path`, action.path),
    ...portErrors(`${field}.port`, action.port),
    ...choice(`${field}.scheme`, action.scheme, ['HTTP', 'HTTPS']),
    ...each(`${field}.httpHeaders`, action.httpHeaders, (_, { name }) =>
      complain(`${field}.httpHeaders`, name, headerNameComplaints(name)),
    ),
  ];
}

type Handler = types.LifecycleHandler & { readonly grpc?: types.GRPCAction };

/** Exactly one action. */
function handlerErrors(field: string, handler: Handler, graceSeconds: number | undefined): FieldError[] {
  const errors: FieldError[] = [];
  let actions = 0;
  const take = (name: string, found: readonly FieldError[]) => {
    if (actions > 0) errors.push(forbidden(`${field}.${name}`, 'may not specify more than 1 handler type'));
    else errors.push(...found);
    actions++;
  };
  if (handler.exec !== undefined) {
    take('exec', (handler.exec.command ?? []).length === 0 ? [required(`${field}.exec.command`)] : []);
  }
  if (handler.httpGet !== undefined) take('httpGet', httpGetErrors(`${field}.httpGet`, handler.httpGet));
  if (handler.tcpSocket !== undefined) take('tcpSocket', portErrors(`${field}.tcpSocket.port`, handler.tcpSocket.port));
  if (handler.grpc !== undefined) {
    const { port } = handler.grpc;
    take('grpc', complain(`${field}.grpc.port`, port, portNumberComplaints(port)));
  }
  if (handler.sleep !== undefined) take('sleep', sleepErrors(`${field}.sleep`, handler.sleep, graceSeconds));
  if (actions === 0) errors.push(required(field, 'must specify a handler type'));
  return errors;
}

function sleepErrors(field: string, { seconds }: types.SleepAction, graceSeconds: number | undefined): FieldError[] {
  const max = graceSeconds ?? 30;
  return seconds < 0 || seconds > max
    ? [invalid(field, seconds, `must be non-negative and less than terminationGracePeriodSeconds (${max})`)]
    : [];
}

export function probeErrors(field: string, probe: types.Probe | undefined): FieldError[] {
  if (probe === undefined) return [];
  return [
    ...handlerErrors(field, probe, undefined),
    ...nonNegative(`${field}.initialDelaySeconds`, probe.initialDelaySeconds),
    ...nonNegative(`${field}.timeoutSeconds`, probe.timeoutSeconds),
    ...nonNegative(`${field}.periodSeconds`, probe.periodSeconds),
    ...nonNegative(`${field}.successThreshold`, probe.successThreshold),
    ...nonNegative(`${field}.failureThreshold`, probe.failureThreshold),
    ...graceErrors(`${field}.terminationGracePeriodSeconds`, probe.terminationGracePeriodSeconds),
  ];
}

const graceErrors = (field: string, seconds: number | undefined) =>
  seconds !== undefined && seconds <= 0 ? [invalid(field, seconds, 'must be greater than 0')] : [];

/** Probes that restart the container succeed at the first success. */
export function restartingProbeErrors(field: string, probe: types.Probe | undefined): FieldError[] {
  if (probe === undefined) return [];
  const errors = probeErrors(field, probe);
  if (probe.successThreshold !== undefined && probe.successThreshold !== 1) {
    errors.push(invalid(`${field}.successThreshold`, probe.successThreshold, 'must be 1'));
  }
  return errors;
}

export function readinessProbeErrors(field: string, probe: types.Probe | undefined): FieldError[] {
  if (probe === undefined) return [];
  const errors = probeErrors(field, probe);
  if (probe.terminationGracePeriodSeconds !== undefined) {
    errors.push(
      invalid(
        `${field}.terminationGracePeriodSeconds`,
        probe.terminationGracePeriodSeconds,
        'must not be set for readinessProbes',
      ),
    );
  }
  return errors;
}

export function lifecycleErrors(
  field: string,
  lifecycle: types.Lifecycle | undefined,
  graceSeconds: number | undefined,
  os: string | undefined,
): FieldError[] {
  const hooks = (['postStart', 'preStop'] as const).flatMap((name) => {
    const handler = lifecycle?.[name];
    return handler === undefined ? [] : handlerErrors(`${field}.${name}`, handler, graceSeconds);
  });
  return [...hooks, ...stopSignalErrors(`${field}.stopSignal`, lifecycle?.stopSignal, os)];
}
