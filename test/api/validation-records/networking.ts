/** Ingresses, their classes and NetworkPolicies: kubernetes pkg/apis/networking/validation. */
import { Ingress } from '#api/networking/ingress.ts';
import { IngressClass } from '#api/networking/ingress-class.ts';
import { NetworkPolicy } from '#api/networking/network-policy.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const backend = { service: { name: 'web', port: { number: 80 } } };
const rule = (change: object) => spec({ rules: [{ host: 'web.example.com', ...change }] });
const path = (change: object) => rule({ http: { paths: [{ path: '/', pathType: 'Prefix', backend, ...change }] } });
const inPath = 'spec.rules[0].http.paths[0]';
const ports = (change: object) => spec({ ingress: [{ ports: [change] }] });
const peer = (change: object) => spec({ egress: [{ to: [change] }] });

export const networkingRecords: readonly RecordTable[] = [
  {
    kind: Ingress,
    operation: 'create',
    object: {
      metadata: { name: 'web' },
      spec: { rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }] },
    },
    records: [
      bad(
        'ValidateIngressSpec',
        spec({ rules: null }),
        'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified',
      ),
      bad(
        'validateIngressRules',
        rule({ host: '1.2.3.4' }),
        'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
      ),
      bad('validateIngressRules', rule({ host: 'A' }), `spec.rules[0].host: Invalid value: "A": ${words.dnsSubdomain}`),
      bad(
        'validateIngressRules',
        rule({ host: 'a.*.b' }),
        `spec.rules[0].host: Invalid value: "a.*.b": ${words.wildcard}`,
      ),
      bad('validateHTTPIngressRuleValue', rule({ http: { paths: [] } }), 'spec.rules[0].http.paths: Required value'),
      bad(
        'validateHTTPIngressPath',
        path({ pathType: null }),
        `${inPath}.pathType: Required value: pathType must be specified`,
      ),
      bad(
        'validateHTTPIngressPath',
        path({ pathType: 'Any' }),
        `${inPath}.pathType: Unsupported value: "Any": supported values: "Exact", "ImplementationSpecific", "Prefix"`,
      ),
      bad(
        'validateHTTPIngressPath',
        path({ path: 'a' }),
        `${inPath}.path: Invalid value: "a": must be an absolute path`,
      ),
      bad(
        'validateHTTPIngressPath',
        path({ path: '/a//b' }),
        `${inPath}.path: Invalid value: "/a//b": must not contain '//'`,
      ),
      bad(
        'validateHTTPIngressPath',
        path({ path: '/a/..' }),
        `${inPath}.path: Invalid value: "/a/..": cannot end with '/..'`,
      ),
      bad(
        'validateIngressBackend',
        path({ backend: {} }),
        `${inPath}.backend: Invalid value: "": resource or service backend is required`,
      ),
      bad(
        'validateIngressBackend',
        path({ backend: { ...backend, resource: { kind: 'A', name: 'a' } } }),
        `${inPath}.backend: Invalid value: "": cannot set both resource and service backends`,
      ),
      bad(
        'validateIngressBackend',
        path({ backend: { service: { name: 'web' } } }),
        `${inPath}.backend: Required value: port name or number is required`,
      ),
      bad(
        'validateIngressBackend',
        path({ backend: { service: { name: 'web', port: { name: 'a', number: 1 } } } }),
        `${inPath}.backend: Invalid value: "": cannot set both port name & port number`,
      ),
      bad(
        'ValidateServiceName',
        path({ backend: { service: { name: '1', port: { number: 80 } } } }),
        `${inPath}.backend.service.name: Invalid value: "1": ${words.dns1035}`,
      ),
      bad(
        'validateIngressBackend',
        path({ backend: { service: { name: 'web', port: { number: 70_000 } } } }),
        `${inPath}.backend.service.port.number: Invalid value: 70000: ${words.port}`,
      ),
      bad(
        'validateIngressTypedLocalObjectReference',
        path({ backend: { resource: { name: 'a' } } }),
        `${inPath}.backend.resource.kind: Required value`,
      ),
      bad(
        'validateIngressTLS',
        spec({ tls: [{ hosts: ['A'] }] }),
        `spec.tls[0].hosts[0]: Invalid value: "A": ${words.dnsSubdomain}`,
      ),
      bad(
        'validateIngressTLS',
        spec({ tls: [{ secretName: 'A' }] }),
        `spec.tls[0].secretName: Invalid value: "A": ${words.dnsSubdomain}`,
      ),
      bad(
        'ValidateIngressSpec',
        spec({ ingressClassName: 'A' }),
        `spec.ingressClassName: Invalid value: "A": ${words.dnsSubdomain}`,
      ),
      bad(
        'ValidateIngressCreate',
        { metadata: { annotations: { 'kubernetes.io/ingress.class': 'a' } }, ...spec({ ingressClassName: 'b' }) },
        'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` when both are specified',
      ),
    ],
  },
  {
    kind: IngressClass,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { controller: 'example.com/web' } },
    records: [
      bad('validateIngressClassSpec', spec({ controller: null }), 'spec.controller: Required value'),
      bad(
        'IsDomainPrefixedPath',
        spec({ controller: 'web' }),
        'spec.controller: Invalid value: "web": must be a domain-prefixed path (such as "acme.io/foo")',
      ),
      bad(
        'validateIngressClassParametersReference',
        spec({ parameters: { scope: 'Namespace', kind: 'A', name: 'a' } }),
        "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
      ),
      bad(
        'validateIngressClassParametersReference',
        spec({ parameters: { scope: 'Any', kind: 'A', name: 'a' } }),
        'spec.parameters.scope: Unsupported value: "Any": supported values: "Cluster", "Namespace"',
      ),
    ],
  },
  {
    kind: IngressClass,
    operation: 'update',
    object: { metadata: { name: 'there' }, spec: { controller: 'example.com/web' } },
    records: [
      bad(
        'validateIngressClassSpecUpdate',
        spec({ controller: 'example.com/other' }),
        'spec.controller: Invalid value: "example.com/other": field is immutable',
      ),
    ],
  },
  {
    kind: NetworkPolicy,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { podSelector: {} } },
    records: [
      bad(
        'ValidateLabelSelector',
        spec({ podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }),
        `spec.podSelector.matchExpressions[0].values: Required value: ${words.valuesNeeded}`,
      ),
      bad(
        'ValidateNetworkPolicyPort',
        ports({ protocol: 'ICMP' }),
        'spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
      ),
      bad(
        'ValidateNetworkPolicyPort',
        ports({ port: 0 }),
        `spec.ingress[0].ports[0].port: Invalid value: 0: ${words.port}`,
      ),
      bad(
        'ValidateNetworkPolicyPort',
        ports({ port: 80, endPort: 79 }),
        'spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`',
      ),
      bad(
        'ValidateNetworkPolicyPort',
        ports({ port: 'http', endPort: 80 }),
        'spec.ingress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric',
      ),
      bad(
        'ValidateNetworkPolicyPort',
        ports({ endPort: 80 }),
        'spec.ingress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is not specified',
      ),
      bad('ValidateNetworkPolicyPeer', peer({}), 'spec.egress[0].to[0]: Required value: must specify a peer'),
      bad(
        'ValidateNetworkPolicyPeer',
        peer({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }),
        'spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer',
      ),
      bad('ValidateIPBlock', peer({ ipBlock: { cidr: '' } }), 'spec.egress[0].to[0].ipBlock.cidr: Required value'),
      bad(
        'ValidateIPBlock',
        peer({ ipBlock: { cidr: 'x' } }),
        `spec.egress[0].to[0].ipBlock.cidr: Invalid value: "x": ${words.cidr}`,
      ),
      bad(
        'ValidateIPBlock',
        peer({ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }),
        'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
      ),
      bad(
        'ValidateNetworkPolicySpec',
        spec({ policyTypes: ['Any'] }),
        'spec.policyTypes[0]: Unsupported value: "Any": supported values: "Ingress", "Egress"',
      ),
      bad(
        'ValidateNetworkPolicySpec',
        spec({ policyTypes: ['Ingress', 'Egress', 'Any'] }),
        'spec.policyTypes: Invalid value: ["Ingress","Egress","Any"]: may not specify more than two policyTypes',
      ),
    ],
  },
];
