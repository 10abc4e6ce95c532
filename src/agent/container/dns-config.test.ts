import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as core from '#api/core/types.generated.ts';
import { podOf } from '../testing/pod-facts.ts';
import { parseResolver, resolverOf } from './dns-config.ts';
import { hostsFile } from './host-names.ts';

const host = parseResolver('# comment\nnameserver 192.0.2.53\nsearch example.com .\noptions timeout:1 ndots:1\n');
const cluster = { servers: ['10.96.0.10'], domain: 'cluster.local' };
const resolve = (spec: Partial<core.PodSpec>) => resolverOf(podOf(spec), host, cluster);

test('parseResolver() reads what resolv.conf says', () => {
  assert.deepEqual(host, { servers: ['192.0.2.53'], searches: ['example.com'], options: ['timeout:1', 'ndots:1'] });
});

test('Pods ask the cluster first, unless their policy or the host network says otherwise', () => {
  const first = {
    servers: ['10.96.0.10'],
    searches: ['ns.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com'],
    options: ['ndots:5'],
  };
  assert.deepEqual(resolve({}), first);
  assert.deepEqual(resolve({ hostNetwork: true }), host);
  assert.deepEqual(resolve({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), first);
  assert.deepEqual(resolve({ dnsPolicy: 'Default' }), host);
});

test('dnsConfig adds to the policy, and stands alone with None', () => {
  const dnsConfig = {
    nameservers: ['1.1.1.1'],
    searches: ['corp'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
  };
  assert.deepEqual(resolve({ dnsPolicy: 'None', dnsConfig }), {
    servers: ['1.1.1.1'],
    searches: ['corp'],
    options: ['ndots:2', 'edns0'],
  });
  const merged = resolve({ dnsConfig });
  assert.deepEqual([merged.servers.length, merged.searches.at(-1), merged.options], [2, 'corp', ['ndots:2', 'edns0']]);
});

test('/etc/hosts names the pod, its subdomain and its aliases', () => {
  const pod = podOf({ hostname: 'db', subdomain: 'sub', hostAliases: [{ ip: '1.1.1.1', hostnames: ['x', 'y'] }] });
  const text = hostsFile(pod, ['10.0.0.5'], 'cluster.local', '');
  assert.match(text, /^10\.0\.0\.5\tdb\.sub\.ns\.svc\.cluster\.local\tdb$/m);
  assert.match(text, /^1\.1\.1\.1\tx\ty$/m);
});
