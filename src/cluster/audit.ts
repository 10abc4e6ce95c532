import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Auditor, type AuditBackend } from '#apiserver/audit/auditor.ts';
import { defaultPolicy } from '#apiserver/audit/default-policy.ts';
import { AuditLogFile } from '#apiserver/audit/log-backend.ts';
import { Policy } from '#apiserver/audit/policy.ts';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { StartError } from './data-dir.ts';

/** As `tutti up` takes them; names and meanings are kube-apiserver's `--audit-…`. */
export interface AuditOptions {
  readonly policyFile?: string | undefined;
  /** DIR/logs/audit.log unless given. */
  readonly logPath?: string | undefined;
  readonly logMaxAge?: number | undefined;
  readonly logMaxBackup?: number | undefined;
  readonly logMaxSize?: number | undefined;
  /** A kubeconfig. */
  readonly webhookConfigFile?: string | undefined;
  readonly webhookBatchMaxSize?: number | undefined;
  readonly webhookBatchMaxWaitMs?: number | undefined;
  /** The cluster's own parts leave events, too. */
  readonly internal?: boolean | undefined;
}

/** CIS benchmark 1.2.17 to 1.2.19. */
const defaults = { logMaxAge: 30, logMaxBackup: 10, logMaxSize: 100 } as const;
/** A backend that fails is spoken of this often at most. */
const complaintEveryMs = 60_000;

/** Opens the audit log. Throws StartError for a policy or a file that cannot be used. */
export async function openAuditor(
  options: AuditOptions,
  { dataDir, clock, log }: { readonly dataDir: string; readonly clock: Clock; readonly log: Log },
): Promise<Auditor> {
  const policy = new Policy(options.policyFile === undefined ? defaultPolicy : await readPolicy(options.policyFile));
  let complainedAt = -Infinity;
  const onError = (error: unknown) => {
    if (clock.now() - complainedAt < complaintEveryMs) return;
    complainedAt = clock.now();
    log.error('audit events are being lost', { error });
  };
  const backends: AuditBackend[] = [];
  const file = options.logPath ?? path.join(dataDir, 'logs', 'audit.log');
  try {
    backends.push(
      new AuditLogFile({
        file,
        maxAgeDays: options.logMaxAge ?? defaults.logMaxAge,
        maxBackups: options.logMaxBackup ?? defaults.logMaxBackup,
        maxSizeMb: options.logMaxSize ?? defaults.logMaxSize,
        clock,
        onError,
      }),
    );
  } catch (error) {
    throw new StartError(`The audit log ${file} cannot be written: ${(error as Error).message}.`, error);
  }
  if (options.webhookConfigFile !== undefined)
    backends.push(await openWebhook(options.webhookConfigFile, options, { clock, onError }));
  return new Auditor({ policy, backends, clock, internal: options.internal ?? false });
}

async function openWebhook(
  file: string,
  { webhookBatchMaxSize, webhookBatchMaxWaitMs }: AuditOptions,
  parts: { readonly clock: Clock; readonly onError: (error: unknown) => void },
): Promise<AuditBackend> {
  // Loaded by those alone who have one.
  const [{ AuditWebhook }, { loadKubeconfig }] = await Promise.all([
    import('#apiserver/audit/webhook-backend.ts'),
    import('#client/kubeconfig.ts'),
  ]);
  try {
    const { server } = await loadKubeconfig([file]);
    return new AuditWebhook({
      server,
      ...(webhookBatchMaxSize === undefined ? {} : { batchEventsMax: webhookBatchMaxSize }),
      ...(webhookBatchMaxWaitMs === undefined ? {} : { batchWaitMs: webhookBatchMaxWaitMs }),
      ...parts,
    });
  } catch (error) {
    throw new StartError(
      `The audit webhook's configuration ${file} cannot be used: ${(error as Error).message}.`,
      error,
    );
  }
}

async function readPolicy(file: string): Promise<unknown> {
  try {
    const { parseYaml } = await import('#machinery/yaml.ts');
    const { value } = parseYaml(await readFile(file));
    void new Policy(value);
    return value;
  } catch (error) {
    throw new StartError(`The audit policy ${file} cannot be used: ${(error as Error).message}.`, error);
  }
}
