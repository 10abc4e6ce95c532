import path from 'node:path';
import { HttpClient } from '#client/http-client.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { holderOf, type Holder } from '#cluster/data-dir.ts';
import { systemClock } from '#lib/clock.ts';
import { versionInfo } from '#machinery/version.ts';
import { UsageError } from './fail.ts';

/** The server of a data directory. Throws UsageError if none runs. */
export async function runningServer(dataDir: string): Promise<Holder> {
  const holder = await holderOf(dataDir);
  if (holder === undefined) {
    throw new UsageError(
      `No Tutti server runs on ${dataDir}.`,
      `start one with "tutti up --data-dir ${dataDir}", or name another --data-dir`,
    );
  }
  return holder;
}

/** A client of the cluster of a data directory, as its administrator. */
export async function connect(dataDir: string): Promise<HttpClient> {
  await runningServer(dataDir);
  const { server } = await loadKubeconfig([path.join(dataDir, 'kubeconfig')]);
  return new HttpClient({ server, clock: systemClock, userAgent: `tutti/${versionInfo.tutti}` });
}
