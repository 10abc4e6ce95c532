import { Option, type Command } from 'commander';
import type { GeneratorOptions } from '#cluster/simulation/generate.ts';
import type { Moment, SimulationReport } from '#cluster/simulation/simulate.ts';
import { UsageError } from './fail.ts';
import { outputOption, wholeNumber } from './options.ts';
import { unplacedLines } from './placements-text.ts';
import { table } from './terminal.ts';
import { readTrace } from './trace-file.ts';
import { planExitCodes, planning } from './what-if.ts';

/** A simulation that takes longer is given up. */
const simulationMsMax = 60 * 60_000;
const strategies = ['LeastAllocated', 'MostAllocated', 'BinPack', 'Random'] as const;
type Strategy = (typeof strategies)[number];

interface RunOptions {
  readonly scoring: Strategy;
  readonly schedulerConfig?: string;
  readonly seed: number;
  readonly output?: string;
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

function momentRow(name: string, { at, holding, waiting, packing }: Moment): readonly string[] {
  const { nodesUsed, lowerBound, cpu, memory } = packing;
  const counts = [at, holding, waiting, nodesUsed, lowerBound].map(String);
  return [name, ...counts, percent(cpu), percent(memory)];
}

/** What `tutti simulate run` prints. */
export function reportText(report: SimulationReport): string {
  const { seconds, nodes, pods, ended, delay, fullest, end, skew, unplaced, refusals } = report;
  const more = refusals.count - refusals.first.length;
  return [
    `${pods} pods on ${nodes} nodes in ${seconds} s; ${ended} pods ended\n`,
    `from creation to a node: half within ${delay.p50} s, 99 of 100 within ${delay.p99} s, all within ${delay.most} s\n\n`,
    table(
      ['', 'AT', 'PLACED', 'WAITING', 'NODES USED', 'NEEDED AT LEAST', 'CPU OF THEM', 'MEMORY'],
      [momentRow('fullest', fullest), momentRow('end', end)],
    ),
    skew.constraints === 0
      ? ''
      : `\nspread: ${skew.constraints} constraints, the worst skew is ${skew.most}${skew.of === undefined ? '' : ` (${skew.of})`}\n`,
    unplaced.length === 0 ? '' : `\n${unplaced.length} pods have no node:\n`,
    ...unplacedLines(unplaced),
    refusals.count === 0 ? '' : `\n${refusals.count} events were refused:\n`,
    ...refusals.first.map(({ at, attempt, why }) => `  at ${at / 1000} s: ${attempt}: ${why}\n`),
    more === 0 ? '' : `  and ${more} more\n`,
  ].join('');
}

async function run(file: string, { scoring, schedulerConfig, seed, output }: RunOptions): Promise<void> {
  const events = await readTrace(file);
  const { simulate } = await import('#cluster/simulation/simulate.ts');
  const { openRehearsedScheduling } = await import('#cluster/rehearsal/rehearsed-scheduling.ts');
  await using scheduling = await openRehearsedScheduling(schedulerConfig);
  const usual = [{ scoring: scoring === 'Random' ? { type: scoring, seed } : { type: scoring } }];
  const profiles = scheduling?.profiles ?? usual;
  const report = await simulate(events, { profiles, seed, signal: AbortSignal.timeout(simulationMsMax) });
  process.stdout.write(output === 'json' ? `${JSON.stringify(report)}\n` : reportText(report));
  const allWell = report.unplaced.length === 0 && report.refusals.count === 0;
  process.exitCode = allWell ? planExitCodes.same : planExitCodes.changes;
}

async function generate(options: GeneratorOptions): Promise<void> {
  const { generateTrace } = await import('#cluster/simulation/generate.ts');
  const { traceText } = await import('#cluster/simulation/trace.ts');
  process.stdout.write(traceText(generateTrace(options)));
}

function batchShare(value: string): number {
  const number = Number(value);
  if (!(number >= 0 && number <= 1)) {
    throw new UsageError(`--batch-share must be from 0 to 1, not "${value}".`, 'see "tutti simulate generate --help"');
  }
  return number;
}

export function registerSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description('play a trace of nodes, workloads and failures on a simulated cluster, in virtual time');
  command
    .command('run')
    .description('play a trace and report how pods were placed; exit code 1 if some have no node at the end')
    .argument('<trace>', 'a file of JSON lines, or - for standard input')
    .addOption(
      new Option('--scoring <strategy>', 'how nodes are compared').choices(strategies).default('LeastAllocated'),
    )
    .addOption(
      new Option('--scheduler-config <file>', 'a KubeSchedulerConfiguration, instead of --scoring').conflicts(
        'scoring',
      ),
    )
    .option('--seed <n>', 'for what is left to chance', wholeNumber('--seed', 0, 2 ** 31), 1)
    .addOption(outputOption())
    .action((file: string, options: RunOptions) => planning(() => run(file, options)));
  command
    .command('generate')
    .description(
      'print a trace: a workload of many sizes, as shared clusters have it; the same seed makes the same one',
    )
    .option('--seed <n>', 'what makes it this one', wholeNumber('--seed', 0, 2 ** 31), 1)
    .option('--nodes <n>', 'how many', wholeNumber('--nodes', 1, 20_000), 100)
    .option('--equal-nodes', 'all of 32 cores and 128 GiB, instead of three shapes', false)
    .option('--pods <n>', 'how many arrive in all', wholeNumber('--pods', 1, 1_000_000), 2_000)
    .option('--tenants <n>', 'namespaces', wholeNumber('--tenants', 1, 10_000), 4)
    .option('--seconds <n>', 'how long they arrive; 0: all at once', wholeNumber('--seconds', 0, 30 * 86_400), 600)
    .option('--failures <n>', 'nodes that fall silent for a while', wholeNumber('--failures', 0, 10_000), 0)
    .option('--batch-share <share>', 'of the workloads that end after a while, 0 to 1', batchShare, 0.2)
    .action((options: GeneratorOptions) => planning(() => generate(options)));
}
