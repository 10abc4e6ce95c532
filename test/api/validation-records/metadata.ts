/** Metadata of every object: apimachinery v0.35, pkg/api/validation (objectmeta.go) and pkg/apis/meta/v1/validation. */
import { ConfigMap } from '#api/core/config-map.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Role } from '#api/rbac/role.ts';
import { Service } from '#api/core/service.ts';
import { bad, type RecordTable } from './record.ts';
import * as words from './words.ts';

const meta = (metadata: object) => ({ metadata });
const long = (count: number) => 'a'.repeat(count);
const owner = { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'u1' };
const owned = (...ownerReferences: readonly object[]) => meta({ ownerReferences });

export const metadataRecords: readonly RecordTable[] = [
  {
    kind: ConfigMap,
    operation: 'create',
    object: { metadata: { name: 'web' } },
    records: [
      bad(
        'ValidateObjectMeta',
        meta({ name: null }),
        'metadata.name: Required value: name or generateName is required',
      ),
      bad('NameIsDNSSubdomain', meta({ name: 'Web' }), `metadata.name: Invalid value: "Web": ${words.dnsSubdomain}`),
      bad('NameIsDNSSubdomain', meta({ name: 'a_b' }), `metadata.name: Invalid value: "a_b": ${words.dnsSubdomain}`),
      bad('NameIsDNSSubdomain', meta({ name: '-a' }), `metadata.name: Invalid value: "-a": ${words.dnsSubdomain}`),
      bad('NameIsDNSSubdomain', meta({ name: 'a..b' }), `metadata.name: Invalid value: "a..b": ${words.dnsSubdomain}`),
      bad(
        'IsDNS1123Subdomain',
        meta({ name: long(254) }),
        `metadata.name: Invalid value: "${long(254)}": must be no more than 253 characters`,
      ),
      bad(
        'ValidateObjectMeta',
        meta({ generateName: 'Web-' }),
        `metadata.generateName: Invalid value: "Web-": ${words.dnsSubdomain}`,
      ),
      bad(
        'ValidateLabels',
        meta({ labels: { 'a b': 'x' } }),
        `metadata.labels: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'ValidateLabels',
        meta({ labels: { '': 'x' } }),
        'metadata.labels: Invalid value: "": name part must be non-empty',
        `metadata.labels: Invalid value: "": ${words.namePart}`,
      ),
      bad(
        'IsLabelKey',
        meta({ labels: { '/a': 'x' } }),
        'metadata.labels: Invalid value: "/a": prefix part must be non-empty',
      ),
      bad(
        'IsLabelKey',
        meta({ labels: { 'Example.com/a': 'x' } }),
        `metadata.labels: Invalid value: "Example.com/a": prefix part ${words.dnsSubdomain}`,
      ),
      bad(
        'IsLabelKey',
        meta({ labels: { 'a/b/c': 'x' } }),
        `metadata.labels: Invalid value: "a/b/c": ${words.tooManySlashes}`,
      ),
      bad(
        'IsLabelKey',
        meta({ labels: { [long(64)]: 'x' } }),
        `metadata.labels: Invalid value: "${long(64)}": name part must be no more than 63 bytes`,
      ),
      bad('IsLabelValue', meta({ labels: { a: '-x' } }), `metadata.labels: Invalid value: "-x": ${words.labelValue}`),
      bad(
        'IsLabelValue',
        meta({ labels: { a: long(64) } }),
        `metadata.labels: Invalid value: "${long(64)}": must be no more than 63 bytes`,
      ),
      bad(
        'ValidateAnnotations',
        meta({ annotations: { 'a b': 'x' } }),
        `metadata.annotations: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'ValidateAnnotations',
        meta({ annotations: { 'a/B/c': 'x' } }),
        `metadata.annotations: Invalid value: "a/B/c": ${words.tooManySlashes}`,
      ),
      bad(
        'ValidateAnnotationsSize',
        meta({ annotations: { a: long(262144) } }),
        'metadata.annotations: Too long: may not be more than 262144 bytes',
      ),
      bad(
        'validateOwnerReference',
        owned({ ...owner, apiVersion: '' }),
        'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
      ),
      bad(
        'validateOwnerReference',
        owned({ ...owner, apiVersion: 'apps/' }),
        'metadata.ownerReferences.apiVersion: Invalid value: "apps/": version must not be empty',
      ),
      bad(
        'validateOwnerReference',
        owned({ ...owner, kind: '' }),
        'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
      ),
      bad(
        'validateOwnerReference',
        owned({ ...owner, name: '' }),
        'metadata.ownerReferences.name: Invalid value: "": must not be empty',
      ),
      bad(
        'validateOwnerReference',
        owned({ ...owner, uid: '' }),
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
      ),
      bad(
        'validateOwnerReference',
        owned({ ...owner, kind: 'Event' }),
        'metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"web","uid":"u1"}: /v1, Kind=Event is disallowed from being an owner',
      ),
      bad(
        'ValidateOwnerReferences',
        owned({ ...owner, controller: true }, { ...owner, name: 'other', uid: 'u2', controller: true }),
        'metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"Pod","name":"web","uid":"u1","controller":true},{"apiVersion":"v1","kind":"Pod","name":"other","uid":"u2","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for Pod/web and Pod/other',
      ),
      bad(
        'ValidateFinalizerName',
        meta({ finalizers: ['a b'] }),
        `metadata.finalizers: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'ValidateFinalizers',
        meta({ finalizers: ['orphan', 'foregroundDeletion'] }),
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
      ),
    ],
  },
  {
    kind: ConfigMap,
    operation: 'update',
    object: { metadata: { name: 'metadata', labels: { a: 'b' } } },
    records: [
      bad(
        'ValidateObjectMetaUpdate',
        meta({ labels: { a: 'a b' } }),
        `metadata.labels: Invalid value: "a b": ${words.labelValue}`,
      ),
      bad(
        'ValidateObjectMetaUpdate',
        meta({ annotations: { 'a b': '' } }),
        `metadata.annotations: Invalid value: "a b": ${words.namePart}`,
      ),
      bad(
        'ValidateObjectMetaAccessor',
        meta({ finalizers: ['a/b/c'] }),
        `metadata.finalizers: Invalid value: "a/b/c": ${words.tooManySlashes}`,
      ),
      bad(
        'ValidateOwnerReferences',
        owned({ ...owner, uid: '' }),
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
      ),
    ],
  },
  {
    kind: Namespace,
    operation: 'create',
    object: { metadata: { name: 'team' } },
    records: [
      bad('ValidateNamespaceName', meta({ name: 'Team' }), `metadata.name: Invalid value: "Team": ${words.dnsLabel}`),
      bad('ValidateNamespaceName', meta({ name: 'a.b' }), 'metadata.name: Invalid value: "a.b": must not contain dots'),
      bad(
        'ValidateNamespaceName',
        meta({ name: long(64) }),
        `metadata.name: Invalid value: "${long(64)}": must be no more than 63 characters`,
        // The label kubernetes.io/metadata.name, a default.
        `metadata.labels: Invalid value: "${long(64)}": must be no more than 63 bytes`,
      ),
    ],
  },
  {
    kind: Service,
    operation: 'create',
    object: { metadata: { name: 'web' }, spec: { ports: [{ port: 80 }] } },
    records: [
      bad('ValidateServiceName', meta({ name: '1a' }), `metadata.name: Invalid value: "1a": ${words.dns1035}`),
      bad('ValidateServiceName', meta({ name: 'a.b' }), `metadata.name: Invalid value: "a.b": ${words.dns1035}`),
      bad(
        'ValidateServiceName',
        meta({ name: long(64) }),
        `metadata.name: Invalid value: "${long(64)}": must be no more than 63 characters`,
      ),
    ],
  },
  {
    kind: Role,
    operation: 'create',
    object: { metadata: { name: 'reader' } },
    records: [
      bad('ValidatePathSegmentName', meta({ name: 'a/b' }), `metadata.name: Invalid value: "a/b": may not contain '/'`),
      bad('ValidatePathSegmentName', meta({ name: 'a%b' }), `metadata.name: Invalid value: "a%b": may not contain '%'`),
      bad('ValidatePathSegmentName', meta({ name: '..' }), `metadata.name: Invalid value: "..": may not be '..'`),
    ],
  },
];
