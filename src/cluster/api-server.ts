import { Registry as MetricsRegistry } from 'prom-client';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { builtinKinds } from '#api/kinds.ts';
import { builtInAdmission } from '#apiserver/admission/built-in.ts';
import { Api } from '#apiserver/api.ts';
import { bearerTokenAuthenticator, cachedTokens } from '#apiserver/authentication/bearer-token.ts';
import { clientCertificateAuthenticator } from '#apiserver/authentication/client-certificates.ts';
import {
  defaultIssuer,
  serviceAccountTokens,
  type TokenObjects,
} from '#apiserver/authentication/service-account-tokens.ts';
import { tokenIssuer } from '#apiserver/authentication/token-request.ts';
import { unionAuthenticator } from '#apiserver/authentication/union.ts';
import { builtInRules } from '#apiserver/authorization/built-in-rules.ts';
import { ruleAuthorizer } from '#apiserver/authorization/rule-authorizer.ts';
import { HttpServer } from '#apiserver/http-server.ts';
import { InProcessClient } from '#apiserver/in-process-client.ts';
import { agentMetrics } from '#apiserver/metrics-api/agent-metrics.ts';
import { Router } from '#apiserver/rest/router.ts';
import { ServiceAllocator } from '#apiserver/service-allocator.ts';
import { connectHandler } from '#apiserver/streaming/connect-handler.ts';
import { agentConnections } from '#apiserver/streaming/node-streams.ts';
import type { Client, UserInfo } from '#client/client.ts';
import type { Clock } from '#lib/clock.ts';
import { signingKeyOf } from '#lib/jws.ts';
import type { Log } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { Store } from '#store/store.ts';
import type { Pki } from './pki.ts';

export interface ApiServerOptions {
  readonly store: Store;
  readonly pki: Pki;
  /** Address to listen on; 0.0.0.0 for all. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly serviceCidr: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ApiServer extends AsyncDisposable {
  readonly api: Api;
  readonly port: number;
  /** A client in this process under a name of the cluster's own. */
  clientOf(user: UserInfo): Client;
}

/** As whom the parts that run in the server's process come to the API. */
export const admin: UserInfo = { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };

const lookupMsMax = 5_000;

/** Reads an object for the server itself, past authorization's audit of callers; undefined if it is not there. */
async function find<T extends ApiObject>(client: Client, kind: Kind<T>, ref: ObjectRef): Promise<T | undefined> {
  try {
    return await client.get(kind, ref, { signal: AbortSignal.timeout(lookupMsMax) });
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Starts the API on HTTPS over `store`. Throws what listening fails with. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, pki, clock, log } = options;
  const key = signingKeyOf(pki.serviceAccountKey);
  const audiences = [defaultIssuer];
  const kindsOfTokens = { ServiceAccount, Pod, Secret, Node } as const;
  const objects: TokenObjects = {
    async uidOf(name, namespace, object) {
      const kind = kindsOfTokens[name] as Kind;
      const found = await find(self(), kind, kind.namespaced ? { namespace, name: object } : { name: object });
      return found?.metadata?.uid;
    },
  };
  const tokens = serviceAccountTokens({ issuer: defaultIssuer, keys: [key], objects, clock });
  const streams = agentConnections({
    node: (name) => find(self(), Node, { name }),
    authority: pki.authority,
    certificate: pki.agentClient.certificate,
    key: pki.agentClient.key,
    clock,
  });
  const api = new Api({
    store,
    kinds: builtinKinds,
    authorizer: ruleAuthorizer(builtInRules),
    admission: (registry) => builtInAdmission(registry, { clock, random: Math.random }),
    hooks: (registry) => [
      new ServiceAllocator(registry, { clusterCidr: options.serviceCidr, random: Math.random, log }),
    ],
    metrics: agentMetrics({ client: () => self(), stats: (node, call) => streams.stats(node, call), clock, log }),
    reviews: { rules: [builtInRules], tokens, audiences },
    tokenIssuer: tokenIssuer({
      issuer: defaultIssuer,
      key,
      objects,
      clock,
      async pod(namespace, name) {
        const pod = await find(self(), Pod, { namespace, name });
        const uid = pod?.metadata?.uid;
        return uid === undefined
          ? undefined
          : { uid, serviceAccountName: pod?.spec.serviceAccountName ?? '', nodeName: pod?.spec.nodeName };
      },
    }),
    clock,
    log,
  });
  const own = new InProcessClient(api, { user: admin, streams });
  const self = (): Client => own;

  await api.start();
  const router = new Router({
    api,
    authenticator: unionAuthenticator(
      clientCertificateAuthenticator(pki.authority, clock),
      bearerTokenAuthenticator(cachedTokens(tokens, clock), audiences),
    ),
    connect: connectHandler(streams, clock),
    metrics: new MetricsRegistry(),
    log,
  });
  let http: HttpServer;
  try {
    http = await HttpServer.listen({
      router,
      key: pki.server.key,
      certificate: pki.server.certificate,
      clientAuthority: pki.authority,
      host: options.host,
      port: options.port,
      log,
    });
  } catch (error) {
    await api[Symbol.asyncDispose]();
    throw error;
  }
  return {
    api,
    port: http.port,
    clientOf: (user) => new InProcessClient(api, { user, streams }),
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}
