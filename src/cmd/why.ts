import type { Command } from 'commander';
import { Pod } from '#api/core/pod.ts';
import type { ApiObject } from '#machinery/object.ts';
import type { Explanation, NodeVerdict } from '#scheduler/explain.ts';
import { connect } from './connect.ts';
import { UsageError } from './fail.ts';
import { dataDirOption, outputOption, type DataDirOptions } from './options.ts';
import { table } from './terminal.ts';

const callMsMax = 10_000;
const rowsMax = 30;

function podNameOf(text: string): string {
  const match = /^(?:pods?\/)?([^/]+)$/.exec(text);
  if (match?.[1] === undefined)
    throw new UsageError(
      `"${text}" names no pod.`,
      'say "tutti why pod/NAME", with --namespace for another than "default"',
    );
  return match[1];
}

function reasonsOf({ fits, score, refusals = [], reservations = [] }: NodeVerdict): string {
  if (fits) return `fits, score ${(score ?? 0).toFixed(1)}`;
  const reasons = refusals.map(({ plugin, reason }) => `${plugin}: ${reason}`);
  const held = reservations.map(({ namespace, name, holder }) => `reserved: ${namespace}/${name} of ${holder}`);
  return [...reasons, ...held].join('; ');
}

/** What `tutti why` prints of an explanation. */
export function explanationText(explanation: Explanation): string {
  const { nodes, nodesOmitted, wouldFit, summary } = explanation;
  const shown = nodes.slice(0, rowsMax);
  const left = nodes.length - shown.length + nodesOmitted;
  return [
    `${summary}\n`,
    shown.length === 0
      ? ''
      : `\n${table(
          ['NODE', 'VERDICT'],
          shown.map((verdict) => [verdict.node, reasonsOf(verdict)]),
        )}`,
    left > 0 ? `… and ${left} more nodes\n` : '',
    wouldFit.length === 0 ? '' : `\nIt would fit:\n${wouldFit.map((line) => `  ${line}\n`).join('')}`,
  ].join('');
}

export function registerWhy(program: Command): void {
  program
    .command('why')
    .description('tell why a pod is where it is, or why it waits: a reason a node')
    .argument('<pod>', 'pod/NAME')
    .option('-n, --namespace <name>', 'its namespace', 'default')
    .addOption(dataDirOption())
    .addOption(outputOption())
    .action(
      async (pod: string, { namespace, dataDir, output }: DataDirOptions & { namespace: string; output?: string }) => {
        await using client = await connect(dataDir);
        const ref = { namespace, name: podNameOf(pod) };
        const reply: ApiObject = await client.get(Pod, ref, {
          subresource: 'why',
          signal: AbortSignal.timeout(callMsMax),
        });
        // The reply of this subresource is no Pod but the scheduler's explanation.
        const explanation = reply as unknown as Explanation;
        process.stdout.write(output === 'json' ? `${JSON.stringify(explanation)}\n` : explanationText(explanation));
      },
    );
}
