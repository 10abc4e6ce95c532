import { createInterface } from 'node:readline';
import { systemClock } from '#lib/clock.ts';
import { silentLog } from '#lib/log.ts';
import type { ApiObject } from '#machinery/object.ts';
import { startNetwork } from '../network.ts';
import { resetNetwork } from '../reset.ts';
import { FakeInformers } from './fixtures.ts';

/** The whole network of a node in the namespace that this process was started in, ordered about as the lab's others. */
type Order =
  | { readonly do: 'start'; readonly dataDir: string; readonly resolvConf: string }
  | { readonly do: 'set' | 'delete'; readonly objects: readonly ApiObject[] }
  | { readonly do: 'drain'; readonly podUid: string }
  | { readonly do: 'stop' }
  | { readonly do: 'reset'; readonly dataDir: string };

const informers = new FakeInformers();
const signal = AbortSignal.timeout(60_000);
let network: ReturnType<typeof startNetwork> | undefined;

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'start': {
      network = startNetwork({
        informers,
        nodeName: 'n1',
        podCidr: '10.244.0.0/24',
        clusterCidr: '10.244.0.0/16',
        serviceCidr: '10.96.0.0/12',
        dnsIp: '10.96.0.10',
        dataDir: order.dataDir,
        resolvConf: order.resolvConf,
        table: 'tutti-network-test',
        clock: systemClock,
        log: { ...silentLog, warn: console.error, error: console.error },
      });
      await network.ready(signal);
      return network.serving(signal);
    }
    case 'set':
    case 'delete':
      for (const object of order.objects) informers[order.do](object);
      return network?.serving(signal);
    case 'drain':
      return network?.drained(order.podUid, signal);
    case 'stop':
      return network?.[Symbol.asyncDispose]();
    case 'reset':
      return resetNetwork({ dataDir: order.dataDir, signal });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const reply = await obey(JSON.parse(line) as Order).then(
    (value) => ({ value: value ?? null }),
    (error: unknown) => ({ error: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
process.exit(0);
