import { Option } from 'commander';
import type { AuditOptions } from '#cluster/audit.ts';
import { wholeNumber } from './options.ts';

/** What commander makes of the flags below. */
export interface AuditFlags {
  /** False after `--no-audit`. */
  readonly audit?: boolean;
  readonly auditPolicyFile?: string;
  readonly auditLogPath?: string;
  readonly auditLogMaxage?: number;
  readonly auditLogMaxbackup?: number;
  readonly auditLogMaxsize?: number;
  readonly auditWebhookConfigFile?: string;
  readonly auditWebhookBatchMaxSize?: number;
  readonly auditWebhookBatchMaxWait?: number;
  readonly auditInternal?: boolean;
}

const count = (flag: string, text: string, max = 1_000_000) =>
  new Option(`${flag} <count>`, text).argParser(wholeNumber(flag, 0, max));

/** Names are kube-apiserver's. */
export const auditFlags: readonly Option[] = [
  new Option('--no-audit', 'leave no audit log'),
  new Option(
    '--audit-policy-file <file>',
    'which requests leave audit events (audit.k8s.io/v1 Policy); writes unless given',
  ),
  new Option('--audit-log-path <file>', 'where they go; DIR/logs/audit.log unless given'),
  count('--audit-log-maxage', 'days for which old audit logs are kept (30); 0 for ever'),
  count('--audit-log-maxbackup', 'how many old audit logs are kept (10); 0 for all'),
  new Option('--audit-log-maxsize <megabytes>', 'when an audit log is put aside (100)').argParser(
    wholeNumber('--audit-log-maxsize', 1, 1_000_000),
  ),
  new Option('--audit-webhook-config-file <kubeconfig>', 'a server to send audit events to as well'),
  new Option('--audit-webhook-batch-max-size <count>', 'events of one batch (400)').argParser(
    wholeNumber('--audit-webhook-batch-max-size', 1, 10_000),
  ),
  count('--audit-webhook-batch-max-wait', 'seconds after which a batch goes out (30)', 3_600),
  new Option('--audit-internal', "audit the cluster's own controllers and scheduler, too"),
];

export function auditOptionsOf(flags: AuditFlags): AuditOptions | false {
  if (flags.audit === false) return false;
  const seconds = flags.auditWebhookBatchMaxWait;
  return {
    policyFile: flags.auditPolicyFile,
    logPath: flags.auditLogPath,
    logMaxAge: flags.auditLogMaxage,
    logMaxBackup: flags.auditLogMaxbackup,
    logMaxSize: flags.auditLogMaxsize,
    webhookConfigFile: flags.auditWebhookConfigFile,
    webhookBatchMaxSize: flags.auditWebhookBatchMaxSize,
    webhookBatchMaxWaitMs: seconds === undefined ? undefined : seconds * 1000,
    internal: flags.auditInternal,
  };
}
