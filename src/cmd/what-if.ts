import type { Command } from 'commander';
import { movesPods } from '#cluster/rehearsal/placements.ts';
import { takeSnapshot } from '#cluster/rehearsal/snapshot.ts';
import { kindNamed, whatIf, type Outcome, type Supposition } from '#cluster/rehearsal/what-if.ts';
import { openRehearsedScheduling } from '#cluster/rehearsal/rehearsed-scheduling.ts';
import type { OpenedScheduling } from '#cluster/scheduler-configuration.ts';
import { connect, runningServer } from './connect.ts';
import { explain, UsageError } from './fail.ts';
import { dataDirOption, outputOption, type DataDirOptions } from './options.ts';
import { placementsText } from './placements-text.ts';

/** Reading the cluster and rehearsing on the copy. */
export const rehearsalMsMax = 10 * 60_000;

/** As `nomad plan` has it: nothing would change, something would, it could not be told. */
export const planExitCodes = { same: 0, changes: 1, failed: 255 } as const;

interface Options extends DataDirOptions {
  readonly namespace: string;
  readonly output?: string;
}

/** What `tutti what-if` prints of an outcome. */
export function outcomeText(outcome: Outcome): string {
  const kept = outcome.kept.map(({ pod, node, reason }) => `  ${pod} stays on ${node}: ${reason}\n`);
  return [placementsText(outcome), kept.length === 0 ? '' : '\nNot evicted:\n', ...kept].join('');
}

/** `deployment/web=5` */
function scalingOf(text: string, namespace: string): Supposition {
  const match = /^(.+)\/([^/=]+)=(\d+)$/.exec(text);
  if (match === null) {
    throw new UsageError(`"${text}" names no workload and number.`, 'say for example "what-if scale deployment/web=5"');
  }
  const [, kind = '', name = '', replicas = ''] = match;
  return { do: 'scale', kind: kindNamed(kind), ref: { namespace, name }, replicas: Number(replicas) };
}

/** `zone=a` */
function labelsOf(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=');
      if (equals < 1) throw new UsageError(`"${text}" is no label.`, 'say KEY=VALUE');
      return [text.slice(0, equals), text.slice(equals + 1)] as const;
    }),
  );
}

/** How the server of a data directory schedules pods, for a rehearsal; undefined for the usual way. */
export async function schedulingOf(dataDir: string): Promise<OpenedScheduling | undefined> {
  const { schedulerConfig } = await runningServer(dataDir);
  return openRehearsedScheduling(schedulerConfig);
}

async function rehearse(suppositions: readonly Supposition[], { dataDir, output }: Options): Promise<void> {
  await using client = await connect(dataDir);
  const signal = AbortSignal.timeout(rehearsalMsMax);
  const snapshot = await takeSnapshot(client, signal);
  const known = new Set(snapshot.nodes.map(({ metadata }) => metadata?.name));
  for (const each of suppositions) {
    if (each.do !== 'drain' && each.do !== 'remove') continue;
    for (const node of each.nodes) {
      if (!known.has(node)) throw new UsageError(`There is no node "${node}".`, 'see "kubectl get nodes"');
    }
  }
  await using scheduling = await schedulingOf(dataDir);
  const outcome = await whatIf(snapshot, suppositions, signal, scheduling?.profiles);
  process.stdout.write(output === 'json' ? `${JSON.stringify(outcome)}\n` : outcomeText(outcome));
  const changes = movesPods(outcome) || outcome.kept.length > 0;
  process.exitCode = changes ? planExitCodes.changes : planExitCodes.same;
}

/** Runs `work`; a failure is explained and ends with 255, so that scripts can tell it from a plan with changes. */
export async function planning(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(explain(error));
    process.exitCode = planExitCodes.failed;
  }
}

export function registerWhatIf(program: Command): void {
  const command = program
    .command('what-if')
    .description('rehearse a change on a copy of the cluster: which pods would go where; changes nothing');
  const add = (name: string, description: string) =>
    command.command(name).description(description).addOption(dataDirOption()).addOption(outputOption());
  add('drain', 'nodes are cordoned and their pods evicted, as far as disruption budgets allow')
    .argument('<node...>')
    .action((nodes: string[], options: Options) => planning(() => rehearse([{ do: 'drain', nodes }], options)));
  add('remove', 'nodes are lost, with everything on them')
    .argument('<node...>')
    .action((nodes: string[], options: Options) => planning(() => rehearse([{ do: 'remove', nodes }], options)));
  add('add', 'nodes are added')
    .option('--count <n>', 'how many', '1')
    .option('--cpu <quantity>', 'cores of each', '4')
    .option('--memory <quantity>', 'memory of each', '16Gi')
    .option('--pods <n>', 'pods each takes', '110')
    .option('-l, --label <key=value...>', 'labels of each', [])
    .action((options: Options & Record<'count' | 'cpu' | 'memory' | 'pods', string> & { label: string[] }) =>
      planning(() => {
        const { cpu, memory, label } = options;
        const [count, pods] = [Number(options.count), Number(options.pods)];
        if (!Number.isInteger(count) || count < 1) {
          throw new UsageError(`--count is "${options.count}".`, 'name a whole number from 1 on');
        }
        const shape = { count, cpu, memory, pods, labels: labelsOf(label), namePrefix: 'what-if-' };
        return rehearse([{ do: 'add', shape }], options);
      }),
    );
  add('scale', 'workloads get another number of replicas')
    .argument('<workload=replicas...>', 'deployment/web=5')
    .option('-n, --namespace <name>', 'theirs', 'default')
    .action((workloads: string[], options: Options) =>
      planning(() =>
        rehearse(
          workloads.map((text) => scalingOf(text, options.namespace)),
          options,
        ),
      ),
    );
}
