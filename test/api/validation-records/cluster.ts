/** Kinds about the cluster as a whole: kubernetes pkg/apis/{storage,scheduling,coordination,node,certificates,discovery}/validation. */
import { CertificateSigningRequest } from '#api/certificates/certificate-signing-request.ts';
import { Lease } from '#api/coordination/lease.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { RuntimeClass } from '#api/node/runtime-class.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import { StorageClass } from '#api/storage/storage-class.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const spec = (change: object) => ({ spec: change });
const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const topology = (...matchLabelExpressions: object[]) => ({ allowedTopologies: [{ matchLabelExpressions }] });
const inTerm = 'allowedTopologies[0].matchLabelExpressions';
const endpoint = (change: object) => ({ endpoints: [{ addresses: ['10.1.2.3'], ...change }] });
const ports = (...list: object[]) => ({ ports: list });
const toleration = (...tolerations: object[]) => ({ scheduling: { tolerations } });

const storage: readonly RecordTable[] = [
  {
    kind: StorageClass,
    operation: 'create',
    object: { metadata: { name: 'fast' }, provisioner: 'example.com/disk' },
    records: [
      bad('validateProvisioner', { provisioner: '' }, 'provisioner: Required value'),
      bad(
        'validateProvisioner',
        { provisioner: 'my disk' },
        `provisioner: Invalid value: "my disk": ${words.namePart}`,
      ),
      bad('validateParameters', { parameters: { '': 'a' } }, 'parameters: Invalid value: "": field can not be empty.'),
      bad(
        'validateParameters',
        { parameters: Object.fromEntries(range(513).map((index) => [`k${index}`, ''])) },
        'parameters: Too long: may not be more than 512 bytes',
      ),
      bad(
        'validateParameters',
        { parameters: { a: 'b'.repeat(262_144) } },
        'parameters: Too long: may not be more than 262144 bytes',
      ),
      bad(
        'validateReclaimPolicy',
        { reclaimPolicy: 'Recycle' },
        'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
      ),
      bad(
        'validateVolumeBindingMode',
        { volumeBindingMode: 'Later' },
        'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
      ),
      bad(
        'validateTopologySelectorLabelRequirement',
        topology({ key: 'zone', values: [] }),
        `${inTerm}[0].values: Required value`,
      ),
      bad(
        'validateTopologySelectorLabelRequirement',
        topology({ key: 'zone', values: ['a', 'a'] }),
        `${inTerm}[0].values[1]: Duplicate value: "a"`,
      ),
      bad(
        'validateTopologySelectorLabelRequirement',
        topology({ key: 'my zone', values: ['a'] }),
        `${inTerm}[0].key: Invalid value: "my zone": ${words.namePart}`,
      ),
      bad(
        'ValidateTopologySelectorTerm',
        topology({ key: 'zone', values: ['a'] }, { key: 'zone', values: ['b'] }),
        `${inTerm}[1].key: Duplicate value: "zone"`,
      ),
      bad(
        'validateAllowedTopologies',
        { allowedTopologies: range(2).map(() => ({ matchLabelExpressions: [{ key: 'zone', values: ['a'] }] })) },
        'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""',
      ),
      // Terms are compared with as many empty ones as there are.
      bad('validateAllowedTopologies', { allowedTopologies: [{}] }, `${inTerm}: Duplicate value: ""`),
    ],
  },
  {
    kind: StorageClass,
    operation: 'update',
    object: { metadata: { name: 'kept' }, provisioner: 'example.com/disk', parameters: { type: 'ssd' } },
    records: [
      bad(
        'ValidateStorageClassUpdate',
        { parameters: { type: 'hdd' } },
        'parameters: Forbidden: updates to parameters are forbidden.',
      ),
      bad(
        'ValidateStorageClassUpdate',
        { provisioner: 'example.com/other' },
        'provisioner: Forbidden: updates to provisioner are forbidden.',
      ),
      bad(
        'ValidateStorageClassUpdate',
        { reclaimPolicy: 'Retain' },
        'reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.',
      ),
      bad(
        'ValidateStorageClassUpdate',
        { volumeBindingMode: 'WaitForFirstConsumer' },
        'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
      ),
    ],
  },
];

const priorities: readonly RecordTable[] = [
  {
    kind: PriorityClass,
    operation: 'create',
    object: { metadata: { name: 'high' }, value: 1000 },
    records: [
      bad(
        'ValidatePriorityClass',
        { value: 1_000_000_001 },
        'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
      ),
      bad(
        'ValidatePriorityClass',
        { metadata: { name: 'system-mine' } },
        "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
      ),
      bad(
        'ValidatePreemptionPolicy',
        { preemptionPolicy: 'Always' },
        'preemptionPolicy: Unsupported value: "Always": supported values: "PreemptLowerPriority", "Never"',
      ),
      bad('ValidatePreemptionPolicy', { preemptionPolicy: '' }, 'preemptionPolicy: Required value'),
    ],
  },
  {
    kind: PriorityClass,
    operation: 'update',
    object: { metadata: { name: 'kept' }, value: 1000 },
    records: [
      bad('ValidatePriorityClassUpdate', { value: 1001 }, 'value: Forbidden: may not be changed in an update.'),
      bad(
        'ValidatePriorityClassUpdate',
        { preemptionPolicy: 'Never' },
        'preemptionPolicy: Invalid value: "Never": field is immutable',
      ),
    ],
  },
];

const runtimes: readonly RecordTable[] = [
  {
    kind: RuntimeClass,
    operation: 'create',
    object: { metadata: { name: 'sandboxed' }, handler: 'runsc' },
    records: [
      bad('ValidateRuntimeClass', { handler: 'RunSC' }, `handler: Invalid value: "RunSC": ${words.dnsLabel}`),
      bad(
        'validateOverhead',
        { overhead: { podFixed: { cpu: '-1' } } },
        `overhead.limits[cpu]: Invalid value: "-1": ${words.negative}`,
      ),
      bad(
        'validateScheduling',
        { scheduling: { nodeSelector: { 'a b': 'c' } } },
        `scheduling.nodeSelector: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'ValidateTolerations',
        toleration({ key: 'a', operator: 'Is' }),
        'scheduling.tolerations.tolerations[0].operator: Unsupported value: "Is": supported values: "Equal", "Exists"',
      ),
    ],
  },
  {
    kind: RuntimeClass,
    operation: 'update',
    object: { metadata: { name: 'kept' }, handler: 'runsc' },
    records: [
      bad('ValidateRuntimeClassUpdate', { handler: 'runc' }, 'handler: Invalid value: "runc": field is immutable'),
    ],
  },
];

const leases: RecordTable = {
  kind: Lease,
  operation: 'create',
  object: { metadata: { name: 'leader' }, spec: {} },
  records: [
    bad(
      'ValidateLeaseSpec',
      spec({ leaseDurationSeconds: 0 }),
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
    ),
    bad(
      'ValidateLeaseSpec',
      spec({ leaseTransitions: -1 }),
      `spec.leaseTransitions: Invalid value: -1: ${words.negative}`,
    ),
  ],
};

const slices: readonly RecordTable[] = [
  {
    kind: EndpointSlice,
    operation: 'create',
    object: { metadata: { name: 'web' }, addressType: 'IPv4', endpoints: [], ports: [] },
    records: [
      bad('validateAddressType', { addressType: '' }, 'addressType: Required value'),
      bad(
        'validateAddressType',
        { addressType: 'DNS' },
        'addressType: Unsupported value: "DNS": supported values: "FQDN", "IPv4", "IPv6"',
      ),
      bad(
        'validateEndpoints',
        { endpoints: range(1001).map(() => ({ addresses: [] })) },
        'endpoints: Too many: 1001: must have at most 1000 items',
      ),
      bad(
        'validateEndpoints',
        endpoint({ addresses: [] }),
        'endpoints[0].addresses: Required value: must contain at least 1 address',
      ),
      bad(
        'validateEndpoints',
        endpoint({ addresses: range(101).map(() => '10.1.2.3') }),
        'endpoints[0].addresses: Too many: 101: must have at most 100 items',
      ),
      bad(
        'validateEndpoints',
        endpoint({ nodeName: 'Node' }),
        `endpoints[0].nodeName: Invalid value: "Node": ${words.dnsSubdomain}`,
      ),
      bad(
        'validateEndpoints',
        endpoint({ hostname: 'a.b' }),
        'endpoints[0].hostname: Invalid value: "a.b": must not contain dots',
      ),
      bad(
        'validateEndpoints',
        endpoint({ deprecatedTopology: { 'a b': 'c' } }),
        `endpoints[0].deprecatedTopology: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'validateHints',
        endpoint({ hints: { forZones: range(9).map((index) => ({ name: `z${index}` })) } }),
        'endpoints[0].hints.forZones: Too many: 9: must have at most 8 items',
      ),
      bad(
        'validateHints',
        endpoint({ hints: { forZones: [{ name: 'a' }, { name: 'a' }] } }),
        'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
      ),
      bad(
        'validateHints',
        endpoint({ hints: { forZones: [{ name: 'a b' }] } }),
        `endpoints[0].hints.forZones[0].name: Invalid value: "a b": ${words.labelValue}`,
      ),
      bad('validatePorts', ports({ name: 'Web' }), `ports[0].name: Invalid value: "Web": ${words.dnsLabel}`),
      bad('validatePorts', ports({ port: 80 }, { port: 81 }), 'ports[1].name: Duplicate value: ""'),
      bad('validatePorts', ports({ name: 'a' }, { name: 'a' }), 'ports[1].name: Duplicate value: "a"'),
      bad(
        'validatePorts',
        ports({ protocol: 'HTTP' }),
        'ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"',
      ),
      bad(
        'validatePorts',
        ports({ appProtocol: 'http 2' }),
        `ports[0].appProtocol: Invalid value: "http 2": ${words.namePart}`,
      ),
      bad(
        'IsFullyQualifiedDomainName',
        { addressType: 'FQDN', ...endpoint({ addresses: ['web'] }) },
        'endpoints[0].addresses[0]: Invalid value: "web": should be a domain with at least two segments separated by dots',
      ),
      bad(
        'IsFullyQualifiedDomainName',
        { addressType: 'FQDN', ...endpoint({ addresses: ['Web.example.com'] }) },
        `endpoints[0].addresses[0]: Invalid value: "Web.example.com": ${words.dnsSubdomain}`,
      ),
    ],
  },
  {
    kind: EndpointSlice,
    operation: 'update',
    object: { metadata: { name: 'kept' }, addressType: 'IPv4', endpoints: [], ports: [] },
    records: [
      bad(
        'ValidateEndpointSliceUpdate',
        { addressType: 'IPv6' },
        'addressType: Invalid value: "IPv6": field is immutable',
      ),
    ],
  },
];

// Made by: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=ann
const request =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISk1IQUNBUUF3RGpFTU1Bb0dBMVVFQXd3RFlXNXVNRmt3RXdZSEtvWkl6ajBDQVFZSUtvWkl6ajBEQVFjRApRZ0FFQ0dpT0xHVEtTUWpKbnRLcTNRR29wbGE0MEFhYjBXN1p5OUkxSE8vYlVBWTNiL3BGWFgxSThLOUxYc0tRCk9oV1ZMMFhnWjdFK0xucXFjMytlOEs3cWZhQUFNQW9HQ0NxR1NNNDlCQU1DQTBrQU1FWUNJUUNDc0J6YnlwWGYKNmNYdm9EWStpVmhQN0g1Y1puWEU3RHZsYWM5SkF3bmhuUUloQU4wSUd3RHppcnF4YVBad3prUFM5b2pqTnhPeApLWnNSQW9zNmx1TlJhM0NGCi0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=';
const signer = (signerName: string, ...causes: readonly string[]) =>
  bad('validateCertificateSigningRequest', spec({ signerName }), ...causes);

const requests: RecordTable = {
  kind: CertificateSigningRequest,
  operation: 'create',
  object: {
    metadata: { name: 'ann' },
    spec: { request, signerName: 'example.com/clients', usages: ['client auth'] },
  },
  records: [
    bad('validateCertificateSigningRequest', spec({ usages: [] }), 'spec.usages: Required value'),
    bad(
      'validateCertificateSigningRequest',
      spec({ usages: ['client auth', 'client auth'] }),
      'spec.usages[1]: Duplicate value: "client auth"',
    ),
    bad(
      'validateCertificateSigningRequest',
      spec({ expirationSeconds: 599 }),
      'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)',
    ),
    signer('', 'spec.signerName: Required value'),
    signer(
      'kubernetes.io/legacy-unknown',
      'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
    ),
    signer(
      'clients',
      `spec.signerName: Invalid value: "clients": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
    ),
    signer(
      'example/clients',
      'spec.signerName: Invalid value: "example": should be a domain with at least two segments separated by dots',
    ),
    signer(
      'Example.com/clients',
      `spec.signerName: Invalid value: "Example.com": validating label "Example": ${words.dnsLabel}`,
    ),
    signer(
      'example.com/Clients',
      `spec.signerName: Invalid value: "Clients": validating label "Clients": ${words.dnsSubdomain}`,
    ),
  ],
};

export const clusterRecords: readonly RecordTable[] = [
  ...storage,
  ...priorities,
  ...runtimes,
  leases,
  ...slices,
  requests,
];
