import { Counter, type Registry } from 'prom-client';
import type { Auditor } from './auditor.ts';

/** What the audit log tells of itself, under upstream's names. */
export function auditMetrics(registry: Registry, auditor: Auditor): void {
  const counted = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  counted('apiserver_audit_event_total', 'Audit events made.', () => auditor.events);
  counted('apiserver_audit_error_total', 'Audit events that a backend could not keep.', () => auditor.errors);
}
