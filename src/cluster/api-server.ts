import { Registry as MetricsRegistry } from 'prom-client';
import { Aggregator } from '#apiserver/aggregation/aggregator.ts';
import type { Api, ApiOptions } from '#apiserver/api.ts';
import type { Auditor } from '#apiserver/audit/auditor.ts';
import { auditMetrics } from '#apiserver/audit/metrics.ts';
import { clientCertificateAuthenticator } from '#apiserver/authentication/client-certificates.ts';
import { requestHeaderAuthenticator } from '#apiserver/authentication/request-header.ts';
import { unionAuthenticator } from '#apiserver/authentication/union.ts';
import { fairnessMetrics } from '#apiserver/fairness/metrics.ts';
import { Metrics } from '#lib/metrics.ts';
import { processMetrics, requestMetrics, storageMetrics } from '#apiserver/rest/metrics.ts';
import { HttpServer } from '#apiserver/http-server.ts';
import { Router, type RouterOptions } from '#apiserver/rest/router.ts';
import { connectHandler } from '#apiserver/streaming/connect-handler.ts';
import { agentConnections, type AgentConnections } from '#apiserver/streaming/node-streams.ts';
import type { Client, UserInfo } from '#client/client.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import type { Tracer } from '#lib/tracing.ts';
import type { Store } from '#store/store.ts';
import type { AdmissionOptions } from './admission.ts';
import { openApi, type OpenedApi } from './open-api.ts';
import type { OtherCallers } from './authentication-config.ts';
import type { Pki } from './pki.ts';
import { tracedStore } from './traced-store.ts';

export interface ApiServerOptions {
  readonly store: Store;
  readonly pki: Pki;
  /** Address to listen on; 0.0.0.0 for all. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly serviceCidr: string;
  /** Answers `pods/why`: the scheduler, once there is one. */
  readonly why?: ApiOptions['why'];
  /** The way to the agents, if it is not over the network: pretend nodes live in this process. */
  readonly agents?: AgentConnections;
  /** What is offered beside the API itself. */
  readonly actions?: RouterOptions['actions'];
  readonly auditor?: Auditor | undefined;
  /** Makes spans of requests, and of what the store does for them. */
  readonly tracer?: Tracer | undefined;
  /** Served at `/metrics`, with what the server itself adds. */
  readonly metrics?: Metrics | undefined;
  /** Whom the server knows beside those of the cluster itself. */
  readonly others?: OtherCallers;
  readonly admission?: AdmissionOptions;
  readonly requestsInFlightMax?: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ApiServer extends AsyncDisposable, Pick<OpenedApi, 'restorePolicy'> {
  readonly api: Api;
  readonly port: number;
  /** A client in this process under a name of the cluster's own. */
  clientOf(user: UserInfo, door?: string): Client;
}

/** As whom the parts that run in the server's process come to the API. */
export const admin: UserInfo = { username: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };

/** Starts the API on HTTPS over `store`. Throws what listening fails with. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, pki, serviceCidr, why, clock, log } = options;
  const opened = await openApi({
    store: options.tracer === undefined ? store : tracedStore(store, options.tracer),
    self: admin,
    serviceAccountKey: pki.serviceAccountKey,
    serviceCidr,
    ...(options.others === undefined ? {} : { tokens: options.others.tokens }),
    agents: (node) =>
      options.agents ??
      agentConnections({
        node,
        authority: pki.authority,
        certificate: pki.agentClient.certificate,
        key: pki.agentClient.key,
        clock,
      }),
    ...(why === undefined ? {} : { why }),
    auditor: options.auditor,
    metrics: options.metrics,
    ...(options.admission === undefined ? {} : { admission: options.admission }),
    requestsInFlightMax: options.requestsInFlightMax,
    clock,
    log,
  });
  let http: ServedApi;
  try {
    http = await serveApi(opened, options);
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
  return {
    api: opened.api,
    restorePolicy: (signal) => opened.restorePolicy(signal),
    port: http.port,
    clientOf: (user, door) => opened.clientOf(user, door),
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
    },
  };
}

interface ServedApi extends AsyncDisposable {
  readonly port: number;
}

/** Puts the HTTPS door in front of an API, and what stands in for other servers behind it. Throws what listening fails with. */
export async function serveApi(
  { api, agents, tokens, documents }: OpenedApi,
  {
    pki,
    host,
    port,
    others,
    actions,
    metrics: own = new Metrics(),
    tracer,
    clock,
    log,
  }: Pick<ApiServerOptions, 'pki' | 'host' | 'port' | 'others' | 'actions' | 'metrics' | 'tracer' | 'clock' | 'log'>,
): Promise<ServedApi> {
  const metrics = new MetricsRegistry();
  const slis = new Metrics();
  const requests = requestMetrics(own, slis);
  storageMetrics(own, api.registry);
  processMetrics(own);
  if (api.auditor !== undefined) auditMetrics(metrics, api.auditor);
  if (api.fairness !== undefined) api.fairness.observer = fairnessMetrics(metrics, api.fairness);
  const aggregator = new Aggregator({ api, identity: pki.frontProxy.client, clock, log });
  const router = new Router({
    api,
    aggregator,
    tracer,
    authenticator: unionAuthenticator(
      requestHeaderAuthenticator(pki.frontProxy.authority, clock),
      clientCertificateAuthenticator(pki.authority, clock),
      tokens,
    ),
    ...(others?.mayBeAnonymous === undefined ? {} : { mayBeAnonymous: others.mayBeAnonymous }),
    connect: connectHandler(agents, clock),
    documents,
    ...(actions === undefined ? {} : { actions }),
    metrics: {
      requests,
      text: async () => (await own.text()) + (await metrics.metrics()),
      slis: () => slis.text(),
    },
    log,
  });
  const { key, certificate } = pki.server;
  const clientAuthority = [pki.authority, pki.frontProxy.authority];
  const http = await HttpServer.listen({ router, key, certificate, clientAuthority, host, port, log });
  const stop = abortController();
  const aggregating = aggregator.run(stop.signal);
  return {
    port: http.port,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the API server is shutting down'));
      await http[Symbol.asyncDispose]();
      await aggregating;
    },
  };
}
