import type { Command } from 'commander';
import { clusterIdOf, deviations, readPlanFile } from '#cluster/rehearsal/plan-file.ts';
import { applyObject, planManifests, targetsOf } from '#cluster/rehearsal/plan.ts';
import { StatusError } from '#machinery/status-error.ts';
import { connect } from './connect.ts';
import { UsageError } from './fail.ts';
import { dataDirOption, type DataDirOptions } from './options.ts';
import { rehearsalMsMax } from './what-if.ts';

/** Of reasons that a plan does not hold any more. */
const reasonsShownMax = 20;

async function apply(file: string, { dataDir }: DataDirOptions): Promise<void> {
  const { cluster, options, plan } = await readPlanFile(file);
  await using client = await connect(dataDir);
  const signal = AbortSignal.timeout(rehearsalMsMax);
  const again = 'make a new plan with "tutti plan"';
  if ((await clusterIdOf(client, signal)) !== cluster) {
    throw new UsageError(`${file} is a plan for another cluster.`, 'name that one by --data-dir');
  }
  const manifests = plan.objects.map(({ manifest }) => manifest);
  const now = await planManifests(client, manifests, options, signal);
  const moved = deviations(plan, now);
  if (moved.length > 0) {
    const shown = moved.slice(0, reasonsShownMax).map((reason) => `\n  - ${reason}`);
    const more = moved.length > reasonsShownMax ? `\n  - and ${moved.length - reasonsShownMax} more` : '';
    throw new UsageError(
      `The cluster has moved since the plan was made; nothing was applied:${shown.join('')}${more}`,
      again,
    );
  }
  const targets = await targetsOf(client, manifests, options, signal);
  for (const [index, target] of targets.entries()) {
    const { object, action, expected } = now.objects[index]!; // planned in the same order
    if (action === 'none') continue;
    try {
      await applyObject(client, target, options, { signal, expected });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      const done = `${index} of ${targets.length} objects were applied before`;
      throw new UsageError(`${object} could not be applied: ${error.message}\n  ${done}.`, again);
    }
    process.stdout.write(`${object} ${action === 'create' ? 'created' : 'changed'}\n`);
  }
}

export function registerApply(program: Command): void {
  program
    .command('apply')
    .description('apply a plan of "tutti plan --out", unless the cluster has moved since')
    .argument('<plan>')
    .addOption(dataDirOption())
    .action(apply);
}
