import type { Clock } from '#lib/clock.ts';
import type { Registry } from '../registry/registry.ts';
import type { AdmissionPlugin } from './admission.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { priority } from './priority.ts';
import { serviceAccount } from './service-account.ts';

/** The plugins every server runs, in upstream's order. LimitRanger, ResourceQuota and webhooks go after them. */
export function builtInAdmission(
  registry: Registry,
  options: { readonly clock: Clock; readonly random: () => number },
): readonly AdmissionPlugin[] {
  return [
    namespaceLifecycle(registry),
    serviceAccount(registry, options),
    defaultTolerationSeconds,
    priority(registry),
  ];
}
