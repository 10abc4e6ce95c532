import { admin, testApi, testServer } from '#apiserver/testing.ts';
import { InProcessClient } from '#apiserver/in-process-client.ts';
import { systemClock } from '#lib/clock.ts';
import { clientContract } from './contract.ts';
import { HttpClient } from './http-client.ts';

clientContract('in process', async () => {
  const api = await testApi();
  return { client: new InProcessClient(api, { user: admin }), [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
});

clientContract('over HTTPS', async () => {
  const server = await testServer();
  const client = new HttpClient({
    server: { url: server.url, ca: server.ca.certificate, token: 'admin' },
    clock: systemClock,
    userAgent: 'contract/1',
  });
  return {
    client,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
});
