import type { Status } from '#machinery/status-error.ts';

/**
 * The outcome of a command as exec tells it. Source: k8s.io/kubernetes remotecommand, NonZeroExitCodeReason and
 * ExitCodeCauseType.
 */
export function exitStatus(code: number): Status {
  if (code === 0) return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 200 };
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
    code: 500,
  };
}
