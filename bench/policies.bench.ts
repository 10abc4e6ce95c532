import { ConfigMap } from '#api/core/config-map.ts';
import { ValidatingAdmissionPolicyBinding } from '#api/admissionregistration/validating-admission-policy-binding.ts';
import { ValidatingAdmissionPolicy } from '#api/admissionregistration/validating-admission-policy.ts';
import { startCluster } from '#cluster/test-cluster.ts';
import type { Benchmark, Row } from './row.ts';

const writes = 2_000;
const atOnce = 20;
const policies = 10;
const benchMsMax = 120_000;

/** What a write takes in process, with no policy in force and with ten that look at it. */
async function admission(): Promise<readonly Row[]> {
  const signal = AbortSignal.timeout(benchMsMax);
  await using cluster = await startCluster({ nodes: 0, clock: 'system', controlled: false });
  const { client } = cluster;
  const create = (name: string) =>
    client.create(ConfigMap, { metadata: { name, namespace: 'default' }, data: { a: '1' } }, { signal });
  const microsOf = async (series: string): Promise<number> => {
    const start = performance.now();
    for (let done = 0; done < writes; done += atOnce) {
      await Promise.all(Array.from({ length: atOnce }, (_, i) => create(`${series}-${done + i}`)));
    }
    return ((performance.now() - start) * 1000) / writes;
  };
  await microsOf('warm');
  const without = await microsOf('without');
  for (let i = 0; i < policies; i++) {
    const metadata = { name: `p${i}` };
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] };
    const validations = [{ expression: "size(object.data) < 5 && object.metadata.name.startsWith('w')" }];
    const spec = { matchConstraints: { resourceRules: [rule] }, validations };
    await client.create(ValidatingAdmissionPolicy, { metadata, spec }, { signal });
    const bound = { policyName: metadata.name, validationActions: ['Deny'] };
    await client.create(ValidatingAdmissionPolicyBinding, { metadata, spec: bound }, { signal });
  }
  await create('warm-policies');
  const withTen = await microsOf('with');
  return [
    { name: 'policies.write-without', value: without, unit: 'µs', samples: writes },
    { name: 'policies.each', value: (withTen - without) / policies, unit: 'µs', budget: 50, samples: writes },
  ];
}

export const benchmarks: readonly Benchmark[] = [
  { names: ['policies.write-without', 'policies.each'], run: admission },
];
