import { randomUUID } from 'node:crypto';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { Secret } from '#api/core/secret.ts';
import { ServiceAccount } from '#api/core/service-account.ts';
import { builtinKinds } from '#api/kinds.ts';
import { builtInAdmission } from '#apiserver/admission/built-in.ts';
import { Api, type ApiOptions } from '#apiserver/api.ts';
import { AuditedClient } from '#apiserver/audit/audited-client.ts';
import type { Auditor } from '#apiserver/audit/auditor.ts';
import type { AuditEntry } from '#apiserver/request.ts';
import type { Authenticator } from '#apiserver/authentication/authenticator.ts';
import {
  anyToken,
  bearerTokenAuthenticator,
  cachedTokens,
  type TokenAuthenticator,
} from '#apiserver/authentication/bearer-token.ts';
import { bootstrapTokens } from '#apiserver/authentication/bootstrap-tokens.ts';
import { legacyTokens } from '#apiserver/authentication/legacy-tokens.ts';
import { openidDocuments } from '#apiserver/authentication/openid.ts';
import {
  defaultIssuer,
  serviceAccountTokens,
  type TokenObjects,
} from '#apiserver/authentication/service-account-tokens.ts';
import { tokenIssuer } from '#apiserver/authentication/token-request.ts';
import { certificates } from '#apiserver/admission/certificates.ts';
import { rbacEscalation } from '#apiserver/admission/rbac-escalation.ts';
import { accessOver, type Access } from '#apiserver/authorization/access.ts';
import { applyDefaultPolicy } from '#apiserver/authorization/policy/apply-default-policy.ts';
import { Fairness } from '#apiserver/fairness/fairness.ts';
import { FlowControlKeeper } from '#apiserver/fairness/keeper.ts';
import { InProcessClient } from '#apiserver/in-process-client.ts';
import { agentMetrics } from '#apiserver/metrics-api/agent-metrics.ts';
import { admissionWebhooks } from '#apiserver/admission/webhooks/webhooks.ts';
import { admissionPolicies } from '#apiserver/admission/policies/policies.ts';
import { PolicyStatusKeeper } from '#apiserver/admission/policies/status-keeper.ts';
import { ownerPermissions } from '#apiserver/admission/owner-permissions.ts';
import type { AdmissionOptions } from './admission.ts';
import { QuotaLedger } from '#apiserver/quota/quota-ledger.ts';
import { ServiceAllocator } from '#apiserver/service-allocator.ts';
import type { AgentConnections } from '#apiserver/streaming/node-streams.ts';
import type { Client, UserInfo } from '#client/client.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import { signingKeyOf } from '#lib/jws.ts';
import type { Metrics } from '#lib/metrics.ts';
import type { Log } from '#lib/log.ts';
import type { Kind } from '#machinery/kind.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { Store } from '#store/store.ts';

export interface OpenApiOptions {
  readonly store: Store;
  /** As whom the server itself reads what it needs; may do everything. */
  readonly self: UserInfo;
  /** PEM of the key that signs service-account tokens. */
  readonly serviceAccountKey: string;
  readonly serviceCidr: string;
  /** Tokens of others that are known beside the cluster's own. */
  readonly tokens?: readonly TokenAuthenticator[];
  /** The way to the agents; `node` finds a Node in the API that is being made. */
  readonly agents: (node: (name: string) => Promise<Node | undefined>) => AgentConnections;
  /** Answers `pods/why`. */
  readonly why?: ApiOptions['why'];
  readonly auditor?: Auditor | undefined;
  readonly admission?: AdmissionOptions;
  /** Where what the API does is counted. */
  readonly metrics?: Metrics | undefined;
  /** Requests over HTTP that run at once, shared out by FlowSchemas and priority levels. */
  readonly requestsInFlightMax?: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
}

/** The API without a door: requests come through `clientOf()`, or through whatever is put in front of `api`. */
export interface OpenedApi extends AsyncDisposable {
  readonly api: Api;
  /** Brings back the roles and bindings that every cluster has, past whatever rights are left. */
  restorePolicy(signal: AbortSignal): Promise<void>;
  readonly agents: AgentConnections;
  /** Knows the tokens of service accounts. */
  readonly tokens: Authenticator;
  /** What others need to check those tokens, by path. */
  readonly documents: ReadonlyMap<string, unknown>;
  /**
   * A client in this process under a name of the cluster's own. A `door`, a dialect that is, has its calls audited like
   * those over HTTP.
   */
  clientOf(user: UserInfo, door?: string): Client;
}

const lookupMsMax = 5_000;
/**
 * Fewer than kube-apiserver's 600: a server of one thread does not get quicker by doing more at once, and each request
 * may hold a body.
 */
const requestsInFlightMaxDefault = 240;
const policyMsMax = 15_000;

/** Reads an object for the server itself, past authorization's audit of callers; undefined if it is not there. */
async function find<T extends ApiObject>(client: Client, kind: Kind<T>, ref: ObjectRef): Promise<T | undefined> {
  try {
    return await client.get(kind, ref, { signal: AbortSignal.timeout(lookupMsMax) });
  } catch (error) {
    if (hasReason(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Puts the API together over `store` and starts it, with the cluster's own admission, addresses, tokens and rules. */
export async function openApi(options: OpenApiOptions): Promise<OpenedApi> {
  const { store, auditor, clock, log, random = Math.random, admission = {} } = options;
  const { podSecurity } = admission;
  const key = signingKeyOf(options.serviceAccountKey);
  const audiences = [defaultIssuer];
  const kindsOfTokens = { ServiceAccount, Pod, Secret, Node } as const;
  const objects: TokenObjects = {
    async uidOf(name, namespace, object) {
      const kind = kindsOfTokens[name] as Kind;
      const found = await find(self(), kind, kind.namespaced ? { namespace, name: object } : { name: object });
      return found?.metadata?.uid;
    },
  };
  const secret = (namespace: string, name: string) => find(self(), Secret, { namespace, name });
  const tokens = anyToken(
    serviceAccountTokens({ issuer: defaultIssuer, keys: [key], objects, clock }),
    legacyTokens({ keys: [key], objects, secret }),
    bootstrapTokens({ secret, clock }),
    ...(options.tokens ?? []),
  );
  const agents = options.agents((name) => find(self(), Node, { name }));
  const fairness = new Fairness({ seats: options.requestsInFlightMax ?? requestsInFlightMaxDefault, clock });
  let access!: Access; // made by the API's constructor, before anything can ask for it
  const api: Api = new Api({
    store,
    kinds: builtinKinds,
    authorizer: (registry, signal) => (access = accessOver(registry, signal)).authorizer,
    admission: (registry) => [
      ...builtInAdmission(registry, { clock, random, ...(podSecurity === undefined ? {} : { podSecurity }) }),
      ...(admission.ownerPermissions === true
        ? [
            ownerPermissions({
              authorizer: access.authorizer,
              kindOf: ({ apiVersion, kind }) => api.catalog.byKind(apiVersion, kind),
            }),
          ]
        : []),
      rbacEscalation(access),
      certificates({ authorizer: access.authorizer, clock }),
      ...admissionPolicies({
        registry,
        catalog: () => api.catalog,
        authorizer: access.authorizer,
        metrics: options.metrics,
      }),
      ...admissionWebhooks({
        registry,
        catalog: () => api.catalog,
        authorizer: access.authorizer,
        metrics: options.metrics,
      }),
    ],
    ledger: (registry) => new QuotaLedger(registry, clock),
    hooks: (registry) => [new ServiceAllocator(registry, { clusterCidr: options.serviceCidr, random, log })],
    metrics: agentMetrics({ client: () => self(), stats: (node, call) => agents.stats(node, call), clock, log }),
    reviews: { rules: () => access.reviewed, tokens, audiences },
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
    ...(options.why === undefined ? {} : { why: options.why }),
    auditor,
    fairness,
    clock,
    log,
    random,
  });
  const plainClient = (user: UserInfo, audit?: AuditEntry): Client =>
    new InProcessClient(api, { user, streams: agents, audit });
  const clientOf = (user: UserInfo, door?: string): Client =>
    auditor === undefined || (door === undefined && !auditor.internal)
      ? plainClient(user)
      : new AuditedClient({ auditor, user, door: door ?? 'tutti (in process)', clientOf: plainClient });
  const own = plainClient(options.self);
  const self = (): Client => own;
  await api.start();
  const restorePolicy = (signal: AbortSignal) =>
    applyDefaultPolicy(api.registry, { now: clock.now(), newUid: randomUUID, signal });
  await restorePolicy(AbortSignal.timeout(policyMsMax));
  const keeper = new FlowControlKeeper({ registry: api.registry, fairness, clock, log, newUid: randomUUID });
  await keeper.start(AbortSignal.timeout(policyMsMax));
  const stop = abortController();
  const statuses = new PolicyStatusKeeper({ registry: api.registry, catalog: api.catalog, clock, log });
  const keeping = Promise.all([keeper.run(stop.signal), statuses.run(stop.signal)]);
  return {
    api,
    agents,
    tokens: bearerTokenAuthenticator(cachedTokens(tokens, clock), audiences),
    documents: openidDocuments(defaultIssuer, [key]),
    clientOf,
    restorePolicy,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the API server is shutting down'));
      await keeping;
      await api[Symbol.asyncDispose]();
    },
  };
}
