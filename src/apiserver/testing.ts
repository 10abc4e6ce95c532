import { issueCertificate } from '#lib/x509.ts';
import { systemClock, type Clock } from '#lib/clock.ts';
import { silentLog, type Log } from '#lib/log.ts';
import { builtinKinds } from '#api/kinds.ts';
import { memoryStore } from '#store/memory.ts';
import type { Store } from '#store/store.ts';
import { unauthorized } from '#machinery/status-error.ts';
import type { UserInfo } from '#client/client.ts';
import { Api, type ApiOptions } from './api.ts';
import type { Authenticator } from './authentication/authenticator.ts';
import type { Authorizer } from './authorization/authorizer.ts';
import { HttpServer } from './http-server.ts';
import { Router, type RouterOptions } from './rest/router.ts';

export const admin: UserInfo = { username: 'admin', groups: ['system:masters', 'system:authenticated'] };

/** Knows `Bearer admin` and `Bearer user:<name>`. */
export const testAuthenticator: Authenticator = {
  async authenticate({ headers }) {
    const [, token] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? [];
    if (token === undefined) return undefined;
    if (token === 'admin') return admin;
    const [, username] = /^user:(.+)$/.exec(token) ?? [];
    if (username === undefined) throw unauthorized();
    return { username, groups: ['system:authenticated'] };
  },
};

export const allowAll: Authorizer = { authorize: async () => ({ allowed: true, reason: '' }) };

export interface TestServerOptions
  extends
    Partial<Omit<ApiOptions, 'store' | 'clock' | 'log'>>,
    Partial<Pick<RouterOptions, 'mayProxyTo' | 'connect' | 'stalledMs'>> {
  readonly store?: Store;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly keepAliveMs?: number;
}

/** An API over an in-memory store, running. */
export async function testApi(options: TestServerOptions = {}): Promise<Api> {
  const api = new Api({
    store: memoryStore(),
    kinds: builtinKinds,
    authorizer: allowAll,
    admission: [],
    clock: systemClock,
    log: silentLog,
    ...options,
  });
  await api.start();
  return api;
}

function pickRouter({ mayProxyTo, connect, stalledMs }: TestServerOptions) {
  return {
    stalledMs,
    ...(mayProxyTo === undefined ? {} : { mayProxyTo }),
    ...(connect === undefined ? {} : { connect }),
  };
}

/** A real HTTPS server on an ephemeral port, with certificates of its own. */
export async function testServer(options: TestServerOptions = {}) {
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
  const ca = await issueCertificate({ use: 'authority', commonName: 'test CA', ...validity });
  const server = await issueCertificate(
    { use: 'server', commonName: 'localhost', hosts: ['127.0.0.1', 'localhost'], ...validity },
    ca,
  );
  const api = await testApi(options);
  const router = new Router({
    api,
    authenticator: testAuthenticator,
    log: options.log ?? silentLog,
    ...pickRouter(options),
  });
  const http = await HttpServer.listen({
    router,
    key: server.key,
    certificate: server.certificate,
    clientAuthority: ca.certificate,
    host: '127.0.0.1',
    port: 0,
    keepAliveMs: options.keepAliveMs,
    log: options.log ?? silentLog,
  });
  return {
    api,
    ca,
    url: `https://127.0.0.1:${http.port}`,
    async [Symbol.asyncDispose]() {
      await http[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}
