/** Signals that ask a container to stop. Source: kubernetes pkg/apis/core/validation (validateStopSignal). */
import { forbidden, notSupported } from '#machinery/field-error.ts';
import type { FieldError } from '#machinery/field-error.ts';

const named =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ'
    .split(' ')
    .map((name) => `SIG${name}`);
const realTime = (bound: string, sign: string, last: number) =>
  Array.from({ length: last }, (_, index) => `SIG${bound}${sign}${index + 1}`);
const linux = [
  ...named,
  'SIGRTMIN',
  ...realTime('RTMIN', '+', 15),
  ...realTime('RTMAX', '-', 14),
  'SIGRTMAX',
].toSorted();
const windows = ['SIGKILL', 'SIGTERM'];

/** Which signals there are depends on the pod's operating system, which must be told. */
export function stopSignalErrors(field: string, signal: string | undefined, os: string | undefined): FieldError[] {
  if (signal === undefined) return [];
  if (os === undefined) return [forbidden(field, 'may not be set for containers with empty `spec.os.name`')];
  const supported = os === 'windows' ? windows : linux;
  return supported.includes(signal) ? [] : [notSupported(field, signal, supported)];
}
