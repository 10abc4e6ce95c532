import { Agent, get } from 'node:http';

/** What a stream of requests has met so far. */
export interface Load {
  readonly succeeded: number;
  /** What each failed request failed with. */
  readonly failures: readonly string[];
  /** Ends the stream and resolves once the last request has its answer. */
  stop(): Promise<void>;
}

const answerMsMax = 5_000;

/**
 * GETs `url` over and over with so many requests at once, over connections that are kept or over a new one each.
 * Anything but a whole answer 200 counts as a failure.
 */
export function load(url: string, options: { readonly atOnce: number; readonly keepAlive: boolean }): Load {
  const agent = new Agent({ keepAlive: options.keepAlive, maxSockets: options.atOnce });
  const failures: string[] = [];
  let succeeded = 0;
  let stopped = false;
  const once = () =>
    new Promise<void>((resolve) => {
      const fail = (error: Error) => {
        failures.push(`${new Date().toISOString()} ${error.message}`);
        resolve();
      };
      const request = get(url, { agent, timeout: answerMsMax }, (response) => {
        response.on('error', fail);
        response.on('end', () => {
          if (response.statusCode !== 200) return fail(new Error(`answer ${response.statusCode}`));
          succeeded++;
          resolve();
        });
        response.resume();
      });
      request.on('timeout', () => request.destroy(new Error(`no answer within ${answerMsMax} ms`)));
      request.on('error', fail);
    });
  const workers = Array.from({ length: options.atOnce }, async () => {
    while (!stopped) {
      await once();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });
  return {
    get succeeded() {
      return succeeded;
    },
    failures,
    async stop() {
      stopped = true;
      await Promise.all(workers);
      agent.destroy();
    },
  };
}
