import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from '../rules/testing/check.ts';
import { created, defaulted, samples } from '../rules/samples.ts';
import { Ingress } from './ingress.ts';
import { IngressClass } from './ingress-class.ts';
import { NetworkPolicy } from './network-policy.ts';

const metadata = { name: 'web', namespace: 'default' };
const backend = { service: { name: 'web', port: { number: 80 } } };
const path = { path: '/', pathType: 'Prefix', backend };
const { ingress, networkPolicy: policy } = samples;
const withPath = (change: object) => ({ spec: { rules: [{ http: { paths: [{ ...path, ...change }] } }] } });
const at = 'spec.rules[0].http.paths[0]';

check('bad ingresses are named', Ingress, ingress, [
  [{ spec: { rules: null } }, 'spec Invalid'],
  [{ spec: { rules: null, defaultBackend: {} } }, 'spec.defaultBackend Invalid'],
  [{ spec: { rules: [{ host: '10.0.0.1' }] } }, 'spec.rules[0].host Invalid'],
  [{ spec: { rules: [{ host: 'Web' }] } }, 'spec.rules[0].host Invalid'],
  [{ spec: { rules: [{ host: 'a.*.com' }] } }, 'spec.rules[0].host Invalid'],
  [{ spec: { rules: [{ host: '*.example.com' }] } }],
  [{ spec: { rules: [{ http: { paths: [] } }] } }, 'spec.rules[0].http.paths Required'],
  [withPath({ pathType: null }), `${at}.pathType Required`],
  [withPath({ pathType: 'Regex' }), `${at}.pathType NotSupported`],
  [withPath({ path: 'x' }), `${at}.path Invalid`],
  [withPath({ path: '' }), `${at}.path Invalid`],
  [withPath({ path: '', pathType: 'ImplementationSpecific' })],
  [withPath({ path: '/a//b' }), `${at}.path Invalid`],
  [withPath({ path: '/a/..' }), `${at}.path Invalid`],
  [withPath({ path: '/a%2fb', pathType: 'Exact' }), `${at}.path Invalid`],
  [withPath({ backend: {} }), `${at}.backend Invalid`],
  [withPath({ backend: { ...backend, resource: { kind: 'Bucket', name: 'b' } } }), `${at}.backend Invalid`],
  [
    withPath({ backend: { resource: { kind: 'a/b', name: '' } } }),
    `${at}.backend.resource.kind Invalid`,
    `${at}.backend.resource.name Required`,
  ],
  [withPath({ backend: { service: { name: 'web' } } }), `${at}.backend Required`],
  [withPath({ backend: { service: { name: '9web', port: { number: 1 } } } }), `${at}.backend.service.name Invalid`],
  [withPath({ backend: { service: { name: 'w', port: { number: 1, name: 'a' } } } }), `${at}.backend Invalid`],
  [
    withPath({ backend: { service: { name: 'w', port: { number: 70000 } } } }),
    `${at}.backend.service.port.number Invalid`,
  ],
  [
    withPath({ backend: { service: { name: 'w', port: { name: 'Http' } } } }),
    `${at}.backend.service.port.name Invalid`,
  ],
  [
    { spec: { tls: [{ hosts: ['a b'], secretName: 'S' }] } },
    'spec.tls[0].hosts[0] Invalid',
    'spec.tls[0].secretName Invalid',
  ],
  [{ spec: { ingressClassName: 'A' } }, 'spec.ingressClassName Invalid'],
  [
    { metadata: { annotations: { 'kubernetes.io/ingress.class': 'a' } }, spec: { ingressClassName: 'b' } },
    'annotations.kubernetes.io/ingress.class Invalid',
  ],
]);

check('bad ingress classes are named', IngressClass, samples.ingressClass, [
  [{ spec: { controller: null } }, 'spec.controller Required'],
  [{ spec: { controller: 'c' } }, 'spec.controller Invalid'],
  [{ spec: { controller: 'Example.com/c' } }, 'spec.controller Invalid'],
  [{ spec: { controller: `e.com/${'x'.repeat(250)}` } }, 'spec.controller TooLong'],
  [{ spec: { parameters: {} } }, 'spec.parameters.kind Required', 'spec.parameters.name Required'],
  [{ spec: { parameters: { kind: 'P', name: 'p', scope: 'Zone' } } }, 'spec.parameters.scope NotSupported'],
  [{ spec: { parameters: { kind: 'P', name: 'p', scope: 'Namespace' } } }, 'spec.parameters.namespace Required'],
  [{ spec: { parameters: { kind: 'P', name: 'p', namespace: 'n' } } }, 'spec.parameters.namespace Forbidden'],
]);

const ports = (port: object) => ({ spec: { ingress: [{ ports: [port] }] } });
const from = (peer: object) => ({ spec: { ingress: [{ from: [peer] }] } });

check('bad network policies are named', NetworkPolicy, policy, [
  [{ spec: { podSelector: { matchLabels: { 'a b': 'c' } } } }, 'spec.podSelector.matchLabels Invalid'],
  [{ spec: { policyTypes: ['Ingress', 'Egress', 'Ingress'] } }, 'spec.policyTypes Invalid'],
  [{ spec: { policyTypes: ['Both'] } }, 'spec.policyTypes[0] NotSupported'],
  [ports({ protocol: 'ICMP' }), 'spec.ingress[0].ports[0].protocol NotSupported'],
  [ports({ port: 70000 }), 'spec.ingress[0].ports[0].port Invalid'],
  [ports({ port: 'Http' }), 'spec.ingress[0].ports[0].port Invalid'],
  [ports({ port: 80, endPort: 79 }), 'spec.ingress[0].ports[0].endPort Invalid'],
  [ports({ endPort: 79 }), 'spec.ingress[0].ports[0].endPort Invalid'],
  [ports({ port: 'http', endPort: 79 }), 'spec.ingress[0].ports[0].endPort Invalid'],
  [from({}), 'spec.ingress[0].from[0] Required'],
  [from({ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }), 'spec.ingress[0].from[0] Forbidden'],
  [from({ ipBlock: { cidr: '' } }), 'spec.ingress[0].from[0].ipBlock.cidr Required'],
  [from({ ipBlock: { cidr: '10.0.0.0/33' } }), 'spec.ingress[0].from[0].ipBlock.cidr Invalid'],
  [from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } })],
  [
    from({ ipBlock: { cidr: '10.0.0.0/8', except: ['11.1.0.0/16'] } }),
    'spec.ingress[0].from[0].ipBlock.except[0] Invalid',
  ],
  [
    from({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }),
    'spec.ingress[0].from[0].ipBlock.except[0] Invalid',
  ],
  [{ spec: { egress: [{ to: [{}] }] } }, 'spec.egress[0].to[0] Required'],
]);

test('a network policy restricts the directions that its rules speak of', () => {
  assert.deepEqual(created(NetworkPolicy, policy).spec.policyTypes, ['Ingress']);
  const both = created(NetworkPolicy, { metadata, spec: { egress: [{ ports: [{ port: 53 }] }] } });
  assert.deepEqual(both.spec, {
    podSelector: {},
    egress: [{ ports: [{ port: 53, protocol: 'TCP' }] }],
    policyTypes: ['Ingress', 'Egress'],
  });
});

test('whoever makes a policy or an ingress hears that Tutti itself does not act on it', () => {
  const warnings = NetworkPolicy.warn?.(created(NetworkPolicy, policy), undefined) ?? [];
  assert.match(warnings.join(), /does not enforce network policies/);
  const old = { ...ingress, metadata: { ...metadata, annotations: { 'kubernetes.io/ingress.class': 'x' } } };
  assert.equal(Ingress.warn?.(created(Ingress, old), undefined).length, 2);
  assert.deepEqual(Ingress.warn?.(created(Ingress, old), created(Ingress, old)), []);
});

test('columns of ingresses and their classes', () => {
  const cells = (object: object) =>
    Ingress.columns?.map((each) => each.cell(defaulted(Ingress, object), Date.now())).slice(0, -1);
  assert.deepEqual(cells({ ...ingress, status: { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } } }), [
    'web',
    '<none>',
    'web.example.com',
    '10.0.0.1',
    '80',
  ]);
  const hosts = ['a', 'b', 'c', 'd'].map((host) => ({ host }));
  assert.deepEqual(cells({ metadata, spec: { ingressClassName: 'x', rules: hosts, tls: [{}] } }), [
    'web',
    'x',
    'a,b,c + 1 more...',
    '',
    '80, 443',
  ]);
});
