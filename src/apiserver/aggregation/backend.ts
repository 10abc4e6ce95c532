import { request, type RequestOptions } from 'node:https';
import type { UserInfo } from '#client/client.ts';
import type { APIService } from '#api/apiregistration/api-service.ts';
import { Service } from '#api/core/service.ts';
import type { Registry } from '../registry/registry.ts';
import { behindService, isProxyable, resolveOnce, type Address } from '../service-address.ts';

/** What the server shows to those it stands in front of. PEM. */
export interface ProxyIdentity {
  readonly certificate: string;
  readonly key: string;
}

/** Why an aggregated server cannot be called, in the words of its Available condition. */
export class BackendError extends Error {
  readonly reason: string;
  constructor(reason: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'BackendError';
    this.reason = reason;
  }
}

const documentBytesMax = 8 * 1024 * 1024;
/** How long discovery may take. Source: kube-aggregator remote_available_controller.go. */
const answerMsMax = 5_000;

/** Where the server behind an APIService is now. Throws BackendError. Source of reasons: remote_available_controller.go. */
export async function addressOf(
  registry: Registry,
  { spec }: APIService,
  signal: AbortSignal,
  mayReach: (host: string) => boolean = isProxyable,
): Promise<Address> {
  const { namespace = '', name = '', port = 443 } = spec.service ?? {};
  const found = await registry.of(Service).find({ namespace, name }, { want: 'newest' }, signal);
  const quoted = `service/${name} in ${JSON.stringify(namespace)}`;
  if (found === undefined) throw new BackendError('ServiceNotFound', `${quoted} is not present`);
  const service = found.object;
  let address: Address | undefined;
  if (service.spec?.type === 'ExternalName') {
    address = { host: await resolveOnce(service.spec.externalName ?? ''), port };
  } else {
    const behind = await behindService(registry, service, String(port), signal);
    switch (behind.is) {
      case 'no-port':
        throw new BackendError('ServicePortError', `${quoted} is not listening on port ${port}`);
      case 'no-slices':
        throw new BackendError('EndpointsNotFound', `cannot find endpointslices for ${quoted}`);
      case 'no-addresses':
        throw new BackendError(
          'MissingEndpoints',
          `endpoints for ${quoted} have no addresses with port name ${JSON.stringify(behind.portName)}`,
        );
      case 'reachable':
        address = behind.addresses[Math.floor(Math.random() * behind.addresses.length)];
    }
  }
  if (address === undefined || !mayReach(address.host)) {
    throw new BackendError('FailedDiscoveryCheck', `${quoted} leads to an address that is not allowed`);
  }
  return address;
}

/** How to know the server behind an APIService: by its Service's name, whatever address it has. */
export function tlsOf(
  { spec }: APIService,
  identity: ProxyIdentity,
): Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'> {
  const { caBundle = '', insecureSkipTLSVerify = false, service } = spec;
  return {
    cert: identity.certificate,
    key: identity.key,
    servername: `${service?.name ?? ''}.${service?.namespace ?? ''}.svc`,
    rejectUnauthorized: !insecureSkipTLSVerify,
    ...(caBundle === '' ? {} : { ca: Buffer.from(caBundle, 'base64').toString() }),
  };
}

/** Who calls, in the headers that aggregated servers believe of this server's certificate. */
export function identityHeaders({ username, uid, groups, extra = {} }: UserInfo) {
  const headers: Record<string, string | readonly string[]> = { 'x-remote-user': username, 'x-remote-group': groups };
  if (uid !== undefined && uid !== '') headers['x-remote-uid'] = uid;
  for (const [key, values] of Object.entries(extra)) {
    headers[`x-remote-extra-${encodeURIComponent(key.toLowerCase())}`] = values;
  }
  return headers;
}

/** As whom the server itself asks. Source: kube-aggregator (system:kube-aggregator). */
const aggregatorUser: UserInfo = { username: 'system:kube-aggregator', groups: ['system:masters'] };

/** GETs a JSON document of the server behind an APIService. Throws with what went wrong; redirects are not followed. */
export function getDocument(
  address: Address,
  path: string,
  tls: ReturnType<typeof tlsOf>,
  signal: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({
      host: address.host,
      port: address.port,
      path,
      agent: false,
      ...tls,
      headers: { accept: 'application/json', ...identityHeaders(aggregatorUser) } as Record<string, string | string[]>,
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerMsMax)]),
    });
    call.on('error', reject);
    call.on('response', (response) => {
      const { statusCode = 502 } = response;
      if (statusCode < 200 || statusCode >= 300) {
        response.destroy();
        return reject(new Error(`bad status from https://${address.host}:${address.port}${path}: ${statusCode}`));
      }
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > documentBytesMax)
          return response.destroy(new Error(`${path} has more than ${documentBytesMax} bytes`));
        chunks.push(chunk);
        return undefined;
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString()));
        } catch (error) {
          reject(new Error(`${path} is not JSON`, { cause: error }));
        }
      });
      return undefined;
    });
    call.end();
  });
}
