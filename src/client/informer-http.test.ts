import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ConfigMap } from '#api/core/config-map.ts';
import { HttpServer } from '#apiserver/http-server.ts';
import { Router } from '#apiserver/rest/router.ts';
import { admin, testApi, testAuthenticator } from '#apiserver/testing.ts';
import { InProcessClient } from '#apiserver/in-process-client.ts';
import { abortController, systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import { issueCertificate } from '#lib/x509.ts';
import { HttpClient } from './http-client.ts';
import { SharedInformers } from './informer.ts';

test('a cache over HTTPS follows the server through its restarts', async () => {
  const validity = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
  const authority = await issueCertificate({ use: 'authority', commonName: 'ca', ...validity });
  const identity = await issueCertificate(
    { use: 'server', commonName: 's', hosts: ['127.0.0.1'], ...validity },
    authority,
  );
  const api = await testApi();
  const direct = new InProcessClient(api, { user: admin });
  const listen = (port: number) =>
    HttpServer.listen({
      router: new Router({ api, authenticator: testAuthenticator, log: silentLog }),
      key: identity.key,
      certificate: identity.certificate,
      clientAuthority: authority.certificate,
      host: '127.0.0.1',
      port,
      log: silentLog,
    });
  let http = await listen(0);
  const { port } = http;
  const server = { url: `https://127.0.0.1:${port}`, ca: authority.certificate, token: 'admin' };
  const client = new HttpClient({ server, clock: systemClock, userAgent: 't' });
  const stop = abortController();
  const { signal } = stop;
  const informers = new SharedInformers({ client, clock: systemClock, log: silentLog });
  informers.hold(ConfigMap);
  const running = informers.run(signal);
  const create = (name: string) => direct.create(ConfigMap, { metadata: { name, namespace: 'ns' } }, { signal });
  const seen = async (name: string) => {
    const until = Date.now() + 10_000;
    while (informers.get(ConfigMap, `ns/${name}`) === undefined) {
      assert.ok(Date.now() < until, `${name} was never seen`);
      await setTimeout(10);
    }
  };
  try {
    await informers.synced(signal);
    await create('before');
    await seen('before');
    for (const round of [1, 2]) {
      await http[Symbol.asyncDispose]();
      await create(`during-${round}`);
      http = await listen(port);
      await create(`after-${round}`);
      await seen(`during-${round}`);
      await seen(`after-${round}`);
    }
  } finally {
    stop.abort();
    await running;
    await client[Symbol.asyncDispose]();
    await http[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  }
});
