import { Node } from '#api/core/node.ts';
import type { Informers } from '#client/cache.ts';
import type { Client } from '#client/client.ts';
import { abortController, type Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { AutoRemove } from './auto-remove.ts';
import { containerRoutes } from './container-routes.ts';
import { Containers } from './containers.ts';
import type { DockerContext } from './context.ts';
import { actionsOf, containerEvent, EventLog } from './events.ts';
import { execRoutes } from './exec-routes.ts';
import { Execs } from './execs.ts';
import { imageRoutes } from './image-routes.ts';
import { Images } from './images.ts';
import { Lifecycle } from './lifecycle.ts';
import { Readers } from './readers.ts';
import { Router } from './router.ts';
import { DockerServer } from './server.ts';
import { systemRoutes } from './system-routes.ts';
import { TerminalSizes } from './terminal-sizes.ts';

export interface DockerDialectOptions {
  /** As whom requests act: whoever may open the socket. */
  readonly client: Client;
  /** Runs already, or will; holds pods and nodes from now on. */
  readonly informers: Informers;
  readonly socketPath: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Where containers go that Docker makes; `default` unless given. */
  readonly namespace?: string;
  readonly random?: () => number;
}

/** Serves Docker's Engine API at a unix socket, on the whole cluster. Disposing ends it; containers run on. */
export async function startDockerDialect(options: DockerDialectOptions): Promise<AsyncDisposable> {
  const { client, informers, clock, log, namespace = 'default', random = Math.random } = options;
  const stop = abortController();
  await using resources = new AsyncDisposableStack();
  resources.defer(() => stop.abort(new Error('the dialect stops')));
  informers.hold(Node);
  const containers = resources.use(new Containers(informers, namespace));
  await informers.synced(stop.signal);
  const events = new EventLog();
  const sizes = new TerminalSizes();
  const readers = new Readers();
  const images = new Images(informers);
  // Before the removals, so that the end of a container is told before its removal.
  resources.use(
    containers.on((change) => {
      const now = clock.now();
      for (const { action, attributes } of actionsOf(change, now))
        events.add(containerEvent(change.record, action, now, attributes));
    }),
  );
  resources.use(new AutoRemove({ client, clock, log, containers, readers }, stop.signal));
  const context: DockerContext = {
    client,
    cache: informers,
    clock,
    random,
    namespace,
    containers,
    images,
    events,
    readers,
    sizes,
    lifecycle: new Lifecycle({ client, clock, containers, images, events, namespace, random }),
    execs: new Execs({ client, clock, events, sizes }),
  };
  const routes = [
    ...systemRoutes(context),
    ...containerRoutes(context),
    ...execRoutes(context),
    ...imageRoutes(context),
  ];
  resources.use(await DockerServer.listen(new Router(routes), options.socketPath, log));
  log.info('docker API listens', { socket: options.socketPath });
  const owned = resources.move();
  return { [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}
