import { randomUUID } from 'node:crypto';
import { Pod } from '#api/core/pod.ts';
import { accessOver } from '#apiserver/authorization/access.ts';
import type { Authorizer } from '#apiserver/authorization/authorizer.ts';
import { applyDefaultPolicy } from '#apiserver/authorization/policy/apply-default-policy.ts';
import { Registry } from '#apiserver/registry/registry.ts';
import type { Attributes } from '#apiserver/request.ts';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { parseFieldSelector } from '#machinery/field-selector.ts';
import { memoryStore } from '#store/memory.ts';
import type { Benchmark, Row } from './row.ts';

const questions = 200_000;

const about = (username: string, group: string): Attributes => ({
  user: { username, groups: [group, 'system:authenticated'] },
  verb: 'list',
  kind: Pod,
  namespace: 'default',
  name: undefined,
  subresource: undefined,
  fields: parseFieldSelector('spec.nodeName=n1'),
  path: '',
});

async function microsOf(authorizer: Authorizer, attributes: Attributes): Promise<number> {
  const { allowed } = await authorizer.authorize(attributes);
  if (!allowed) throw new Error(`${attributes.user.username} must be allowed to list pods`);
  const start = performance.now();
  for (let i = 0; i < questions; i++) await authorizer.authorize(attributes);
  return ((performance.now() - start) * 1000) / questions;
}

/** The price of authorization alone: the same caller asks the same again, as busy callers do. */
async function authorize(): Promise<readonly Row[]> {
  await using store = memoryStore();
  const stop = new AbortController();
  const registry = new Registry({ store, clock: systemClock, log: silentLog, signal: stop.signal });
  await registry.start();
  const running = registry.run();
  const start = performance.now();
  await applyDefaultPolicy(registry, { now: Date.now(), newUid: randomUUID, signal: stop.signal });
  const policyMs = performance.now() - start;
  const { authorizer } = accessOver(registry, stop.signal);
  const byRoles = await microsOf(authorizer, about('system:kube-scheduler', 'system:authenticated'));
  const byNode = await microsOf(authorizer, about('system:node:n1', 'system:nodes'));
  stop.abort(new Error('done'));
  await running;
  return [
    { name: 'authorize.roles', value: byRoles, unit: 'µs', budget: 10, samples: questions },
    { name: 'authorize.node', value: byNode, unit: 'µs', budget: 10, samples: questions },
    { name: 'authorize.default-policy', value: policyMs, unit: 'ms', budget: 50, samples: 1 },
  ];
}

export const benchmarks: readonly Benchmark[] = [
  { names: ['authorize.roles', 'authorize.node', 'authorize.default-policy'], run: authorize },
];
