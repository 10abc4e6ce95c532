import type { Command } from 'commander';
import { clusterIdOf, writePlanFile } from '#cluster/rehearsal/plan-file.ts';
import { changesAnything, planManifests, type ObjectPlan, type Plan } from '#cluster/rehearsal/plan.ts';
import { connect } from './connect.ts';
import { readManifests } from './manifests.ts';
import { dataDirOption, outputOption, type DataDirOptions } from './options.ts';
import { placementsText } from './placements-text.ts';
import { planExitCodes, planning, rehearsalMsMax, schedulingOf } from './what-if.ts';

interface Options extends DataDirOptions {
  readonly filename: readonly string[];
  readonly namespace: string;
  readonly fieldManager: string;
  readonly forceConflicts: boolean;
  readonly out?: string;
  readonly output?: string;
}

/** Longer values are cut. */
const valueLengthMax = 120;
const marks = { create: '+', change: '~', none: '=' } as const;

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > valueLengthMax ? `${text.slice(0, valueLengthMax)}…` : text;
}

function objectText({ object, action, changes, refusal }: ObjectPlan): string {
  const fields = changes.map(({ field, before, after }) => {
    if (before === undefined && after === undefined) return `    ${field}: (hidden)\n`;
    if (before === undefined) return `    ${field}: + ${shown(after)}\n`;
    if (after === undefined) return `    ${field}: - ${shown(before)}\n`;
    return `    ${field}: ${shown(before)} → ${shown(after)}\n`;
  });
  const mark = refusal === undefined ? marks[action] : '✗';
  return [`${mark} ${object}\n`, ...fields, ...(refusal === undefined ? [] : [`    ${refusal}\n`])].join('');
}

/** What `tutti plan` prints. */
export function planText({ objects, placements }: Plan): string {
  const same = objects.filter(({ action }) => action === 'none').length;
  return [
    ...objects.filter(({ action, refusal }) => action !== 'none' || refusal !== undefined).map(objectText),
    same === 0 ? '' : `= ${same} unchanged\n`,
    placements === undefined
      ? '\nThe server refuses what is marked ✗, so where pods would go has not been looked at.\n'
      : `\n${placementsText(placements)}`,
  ].join('');
}

async function plan(options: Options): Promise<void> {
  const { filename, namespace, fieldManager, forceConflicts: force, dataDir, output, out } = options;
  const manifests = await readManifests(filename);
  await using client = await connect(dataDir);
  const signal = AbortSignal.timeout(rehearsalMsMax);
  const applyOptions = { namespace, fieldManager, force };
  await using scheduling = await schedulingOf(dataDir);
  const made = await planManifests(client, manifests, applyOptions, signal, scheduling?.profiles);
  process.stdout.write(output === 'json' ? `${JSON.stringify(made)}\n` : planText(made));
  if (made.placements === undefined) {
    process.exitCode = planExitCodes.failed;
    return;
  }
  if (out !== undefined) {
    await writePlanFile(out, { cluster: await clusterIdOf(client, signal), options: applyOptions, plan: made });
    if (output !== 'json') process.stdout.write(`\nApply exactly this with: tutti apply ${out}\n`);
  }
  process.exitCode = changesAnything(made) ? planExitCodes.changes : planExitCodes.same;
}

export function registerPlan(program: Command): void {
  program
    .command('plan')
    .description('what applying manifests would change, in objects and in where pods go; changes nothing')
    .requiredOption('-f, --filename <file...>', 'manifests: files, directories, or - for standard input')
    .option('-n, --namespace <name>', 'for objects that name none', 'default')
    .option('--out <file>', 'keep the plan, to apply exactly it later')
    .option('--field-manager <name>', 'who applies', 'tutti')
    .option('--force-conflicts', 'take over fields that others own', false)
    .addOption(dataDirOption())
    .addOption(outputOption())
    .action((options: Options) => planning(() => plan(options)));
}
