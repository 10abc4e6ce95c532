import { ConfigMap } from '#api/core/config-map.ts';
import { requestHeaders } from '#apiserver/authentication/request-header.ts';
import { Endpoints } from '#api/core/endpoints.ts';
import { Namespace } from '#api/core/namespace.ts';
import { Service } from '#api/core/service.ts';
import { EndpointSlice } from '#api/discovery/endpoint-slice.ts';
import { PriorityClass } from '#api/scheduling/priority-class.ts';
import type { Client } from '#client/client.ts';
import type { Kind } from '#machinery/kind.ts';
import { type ApiObject, keyOf } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';

/** Addresses that every part of one cluster agrees on. */
export interface ClusterAddresses {
  /** Where pods reach the API server: an address of this host and its port. */
  readonly apiServer: { readonly address: string; readonly port: number };
  /** The cluster IP of the Service `default/kubernetes`. */
  readonly kubernetesService: string;
  /** The cluster IP of the Service `kube-system/kube-dns`, which every node's DNS server answers on. */
  readonly dnsService: string;
}

/** Creates `object` unless there is one of its name; returns whether it did. */
async function ensureExists<T extends ApiObject>(
  client: Client,
  kind: Kind<T>,
  object: T,
  signal: AbortSignal,
): Promise<boolean> {
  const { name = '', namespace } = object.metadata ?? {};
  try {
    // Asked for first: creating a Service whose address its older self has fails for the address, not for the name.
    await client.get(kind, namespace === undefined ? { name } : { namespace, name }, { signal });
    return false;
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
  await client.create(kind, object, { signal });
  return true;
}

/** Creates `object`, or brings its fields (not its status) to what they should be. */
async function ensure<T extends ApiObject>(
  client: Client,
  kind: Kind<T>,
  object: T,
  signal: AbortSignal,
): Promise<void> {
  if (await ensureExists(client, kind, object, signal)) return;
  const { name = '', namespace } = object.metadata ?? {};
  const { apiVersion: _apiVersion, kind: _kind, ...fields } = object;
  const patch = { type: 'merge', patch: fields as Record<string, unknown> } as const;
  await client.patch(kind, namespace === undefined ? { name } : { namespace, name }, patch, { signal });
}

const namespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'] as const;

/** Pods that the cluster itself needs go before all others. Source: scheduling.k8s.io's two built-in classes. */
const priorityClasses = [
  { name: 'system-node-critical', value: 2_000_001_000, description: 'For pods that a node cannot do without.' },
  {
    name: 'system-cluster-critical',
    value: 2_000_000_000,
    description: 'For pods that the cluster cannot do without.',
  },
] as const;

const wellKnown = new Set<string>([
  ...namespaces,
  ...priorityClasses.map(({ name }) => name),
  'default/kubernetes',
  'kube-system/kube-dns',
]);

/** Whether every cluster has an object of this kind and name; for kinds that `ensureBootstrapObjects()` makes. */
export const isBootstrapObject = ({ metadata }: ApiObject): boolean => wellKnown.has(keyOf({ name: '', ...metadata }));

/** What servers behind this one need to know their callers by. */
export interface DelegatedAuthentication {
  /** PEM of the authority of users, and of the one of front proxies. */
  readonly clientAuthority: string;
  readonly frontProxyAuthority: string;
}

/**
 * Publishes how callers are known, for API servers that stand behind this one.
 * Source: kubernetes pkg/controlplane/controller/clusterauthenticationtrust.
 */
export async function publishAuthentication(
  client: Client,
  { clientAuthority, frontProxyAuthority }: DelegatedAuthentication,
  signal: AbortSignal,
): Promise<void> {
  const data = {
    'client-ca-file': clientAuthority,
    'requestheader-allowed-names': JSON.stringify(requestHeaders.allowedNames),
    'requestheader-client-ca-file': frontProxyAuthority,
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-uid-headers': '["X-Remote-Uid"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  };
  const metadata = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
  await ensure(client, ConfigMap, { metadata, data }, signal);
}

/** Makes the objects that every cluster has from its first moment on; safe to call at each start. */
export async function ensureBootstrapObjects(
  client: Client,
  addresses: ClusterAddresses,
  signal: AbortSignal,
): Promise<void> {
  for (const name of namespaces) await ensureExists(client, Namespace, { metadata: { name }, spec: {} }, signal);
  for (const { name, value, description } of priorityClasses) {
    await ensureExists(client, PriorityClass, { metadata: { name }, value, description }, signal);
  }
  const { apiServer, kubernetesService, dnsService } = addresses;
  const kubernetes = { namespace: 'default', name: 'kubernetes' };
  await ensure(
    client,
    Service,
    {
      metadata: { ...kubernetes, labels: { component: 'apiserver', provider: 'kubernetes' } },
      spec: {
        clusterIP: kubernetesService,
        ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: apiServer.port }],
      },
    },
    signal,
  );
  await ensure(
    client,
    Endpoints,
    {
      metadata: kubernetes,
      subsets: [
        { addresses: [{ ip: apiServer.address }], ports: [{ name: 'https', port: apiServer.port, protocol: 'TCP' }] },
      ],
    },
    signal,
  );
  await ensure(
    client,
    EndpointSlice,
    {
      metadata: { ...kubernetes, labels: { 'kubernetes.io/service-name': 'kubernetes' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [apiServer.address], conditions: { ready: true } }],
      ports: [{ name: 'https', port: apiServer.port, protocol: 'TCP' }],
    },
    signal,
  );
  await ensure(
    client,
    Service,
    {
      metadata: {
        namespace: 'kube-system',
        name: 'kube-dns',
        labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/name': 'TuttiDNS' },
      },
      spec: {
        clusterIP: dnsService,
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
          { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
        ],
      },
    },
    signal,
  );
}
