import type { Command } from 'commander';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import { dataDirOption, outputOption, type DataDirOptions } from './options.ts';
import { connect, runningServer } from './connect.ts';
import { duration, table } from './terminal.ts';

const callMsMax = 10_000;

export function registerStatus(program: Command): void {
  program
    .command('status')
    .description('show the server, its nodes and how many pods they run')
    .addOption(dataDirOption())
    .addOption(outputOption())
    .action(async ({ dataDir, output }: DataDirOptions & { output?: string }) => {
      const holder = await runningServer(dataDir);
      await using client = await connect(dataDir);
      const signal = AbortSignal.timeout(callMsMax);
      const [nodes, pods] = await Promise.all([client.list(Node, { signal }), client.list(Pod, { signal })]);
      const phases = Object.groupBy(pods.items, (pod) => pod.status?.phase ?? 'Pending');
      const podCounts = Object.fromEntries(Object.entries(phases).map(([phase, items]) => [phase, items?.length ?? 0]));
      const rows = nodes.items.map((node) => ({
        name: node.metadata?.name ?? '',
        ready: node.status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown',
        pods: pods.items.filter((pod) => pod.spec?.nodeName === node.metadata?.name).length,
        address: node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '',
      }));
      if (output === 'json') {
        process.stdout.write(
          `${JSON.stringify({ pid: holder.pid, server: holder.server, startedAt: holder.startedAt, nodes: rows, pods: podCounts })}\n`,
        );
        return;
      }
      const nodesMax = 20;
      const counts = Object.entries(podCounts).map(([phase, count]) => `${count} ${phase}`);
      process.stdout.write(
        `server   ${holder.server ?? 'starting'}  (pid ${holder.pid}, up ${duration(Date.now() - holder.startedAt)})\n` +
          `data     ${dataDir}\npods     ${counts.length === 0 ? 'none' : counts.join(', ')}\n\n` +
          table(
            ['NODE', 'READY', 'PODS', 'ADDRESS'],
            rows.slice(0, nodesMax).map((row) => [row.name, row.ready, `${row.pods}`, row.address]),
          ) +
          (rows.length > nodesMax ? `… and ${rows.length - nodesMax} more nodes\n` : ''),
      );
    });
}
