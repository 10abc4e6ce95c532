import type { Command } from 'commander';
import { Node } from '#api/core/node.ts';
import { Pod } from '#api/core/pod.ts';
import type { ApiObject, ObjectRef } from '#machinery/object.ts';
import { hasReason } from '#machinery/status-error.ts';
import type { Explanation } from '#scheduler/explain.ts';
import { planMoves, rebalanceDefaults, type MovePlan } from '#scheduler/rebalance/plan-moves.ts';
import { carryOut } from '#scheduler/rebalance/rebalancer.ts';
import { connect } from './connect.ts';
import { UsageError } from './fail.ts';
import { dataDirOption, outputOption, type DataDirOptions } from './options.ts';
import { table } from './terminal.ts';

const passMsMax = 60_000;

interface Options extends DataDirOptions {
  readonly now?: true;
  readonly hot: string;
  readonly gain: string;
  readonly moves: string;
  readonly age: string;
  readonly output?: string;
}

/** What `tutti rebalance` prints of a plan. */
export function movesText({ moves, passedOver }: MovePlan): string {
  const rows = moves.map(({ pod, from, to, rule, gain, because }) => [
    `${pod.namespace}/${pod.name}`,
    from,
    to,
    rule,
    String(gain),
    because,
  ]);
  return [
    rows.length === 0 ? 'Nothing is worth moving.\n' : table(['POD', 'FROM', 'TO', 'RULE', 'GAIN', 'BECAUSE'], rows),
    passedOver.length === 0 ? '' : '\nNot moved:\n',
    ...passedOver.map(({ pod, rule, reason }) => `  ${pod} (${rule}): ${reason}\n`),
  ].join('');
}

function numberOf(option: string, text: string, low: number, high: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= low && value <= high)) {
    throw new UsageError(`${option} is "${text}".`, `name a number from ${low} to ${high}`);
  }
  return value;
}

async function rebalance(options: Options): Promise<void> {
  const policy = {
    hot: numberOf('--hot', options.hot, 0, 1),
    gainMin: numberOf('--gain', options.gain, 0, 1),
    movesMax: numberOf('--moves', options.moves, 1, 100),
    ageMsMin: numberOf('--age', options.age, 0, 1e9) * 1000,
  };
  await using client = await connect(options.dataDir);
  const signal = AbortSignal.timeout(passMsMax);
  const why = async (ref: Required<ObjectRef>): Promise<Explanation | undefined> => {
    try {
      const reply: ApiObject = await client.get(Pod, ref, { subresource: 'why', signal });
      return reply as unknown as Explanation; // that subresource answers with nothing else
    } catch (error) {
      if (hasReason(error, 'NotFound')) return undefined;
      throw error;
    }
  };
  const [{ items: nodes }, { items: pods }] = [await client.list(Node, { signal }), await client.list(Pod, { signal })];
  const plan = await planMoves({ nodes, pods, why }, { ...policy, now: Date.now() });
  process.stdout.write(options.output === 'json' ? `${JSON.stringify(plan)}\n` : movesText(plan));
  if (options.now !== true) {
    if (plan.moves.length > 0 && options.output !== 'json') {
      process.stdout.write('\nNothing has been moved: "tutti rebalance --now" does it.\n');
    }
    return;
  }
  for (const move of plan.moves) {
    const made = await carryOut(client, move, signal);
    const { namespace, name } = move.pod;
    if (options.output !== 'json') {
      process.stdout.write(
        made
          ? `evicted ${namespace}/${name}\n`
          : `kept ${namespace}/${name}: a disruption budget forbids it, or it has changed\n`,
      );
    }
  }
}

export function registerRebalance(program: Command): void {
  const { hot, gainMin, movesMax, ageMsMin } = rebalanceDefaults;
  program
    .command('rebalance')
    .description('list the moves that would spread pods better, with what each gains; --now makes them')
    .option('--now', 'evict those pods, as far as disruption budgets allow')
    .option('--hot <fraction>', 'how full a node may be', String(hot))
    .option('--gain <fraction>', 'what a move must gain at least', String(gainMin))
    .option('--moves <n>', 'moves at most', String(movesMax))
    .option('--age <seconds>', 'younger pods stay', String(ageMsMin / 1000))
    .addOption(dataDirOption())
    .addOption(outputOption())
    .action(rebalance);
}
