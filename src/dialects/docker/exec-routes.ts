import type { DockerContext } from './context.ts';
import { isObject } from './create-body.ts';
import type { Route } from './router.ts';

/** Commands in running containers. */
export function execRoutes({ containers, execs, readers }: DockerContext): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/containers/{name}/exec',
      answer: async ({ params, json }) => ({
        code: 201,
        body: { Id: execs.create(containers.find(params['name'] ?? ''), await json()) },
      }),
    },
    {
      method: 'POST',
      path: '/exec/{id}/start',
      async stream({ params, json, signal }, grant, detached) {
        const id = params['id'] ?? '';
        const body = await json();
        if (isObject(body) && body['Detach'] === true) {
          await execs.startDetached(id, detached);
          return;
        }
        const reading = execs.start(id, body, grant, signal);
        readers.add(id, reading);
        await reading;
      },
    },
    {
      method: 'GET',
      path: '/exec/{id}/json',
      answer: ({ params }) => ({ code: 200, body: execs.inspect(params['id'] ?? '') }),
    },
    {
      method: 'POST',
      path: '/exec/{id}/resize',
      answer: ({ params, query }) => {
        execs.resize(params['id'] ?? '', query);
        return { code: 200 };
      },
    },
  ];
}
