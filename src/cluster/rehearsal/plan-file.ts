/** A plan kept in a file, to be looked at and applied later, exactly as planned or not at all. */
import { readFile, writeFile } from 'node:fs/promises';
import { Namespace } from '#api/core/namespace.ts';
import type { Client } from '#client/client.ts';
import { isDeepStrictEqual } from 'node:util';
import { badRequest } from '#machinery/status-error.ts';
import type { PlacementChange } from './placements.ts';
import type { ApplyOptions, Plan } from './plan.ts';

/** Of the format; a file of another one is refused. */
const format = 'tutti.dev/plan/1';

export interface PlanFile {
  readonly format: typeof format;
  /** The uid of the namespace `kube-system`, by which clusters are told apart. */
  readonly cluster: string;
  readonly options: ApplyOptions;
  readonly plan: Plan;
}

export async function clusterIdOf(client: Client, signal: AbortSignal): Promise<string> {
  const { metadata } = await client.get(Namespace, { name: 'kube-system' }, { signal });
  return metadata?.uid ?? '';
}

/** For the owner's eyes: manifests may be Secrets. */
export async function writePlanFile(file: string, content: Omit<PlanFile, 'format'>): Promise<void> {
  await writeFile(file, `${JSON.stringify({ format, ...content }, null, 2)}\n`, { mode: 0o600 });
}

/** Throws BadRequest if the file is no plan. */
export async function readPlanFile(file: string): Promise<PlanFile> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw badRequest(`the plan cannot be read: ${error.message}`, error);
  });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw badRequest(`${file} is no plan: ${(error as Error).message}`, error);
  }
  const plan = content as Partial<PlanFile> | null;
  if (plan?.format !== format || !Array.isArray(plan.plan?.objects) || plan.options === undefined) {
    throw badRequest(
      `${file} is no plan of this version of Tutti; make one with "tutti plan -f MANIFEST --out ${file}"`,
    );
  }
  return plan as PlanFile; // written by writePlanFile()
}

/** What has changed since the plan was made that makes it another plan; empty if it still holds. */
export function deviations(then: Plan, now: Plan): readonly string[] {
  const found: string[] = [];
  for (const [index, { object, expected, action }] of then.objects.entries()) {
    const current = now.objects[index];
    if (current?.refusal !== undefined) found.push(`${object} is refused now: ${current.refusal}`);
    else if (expected === undefined && current?.expected !== undefined) found.push(`${object} is there by now`);
    else if (expected !== undefined && current?.expected === undefined) found.push(`${object} is gone`);
    else if (action !== 'none' && !isDeepStrictEqual(expected, current?.expected)) {
      // A status that was written meanwhile is no reason to plan anew.
      if (expected?.uid !== current?.expected?.uid) found.push(`${object} was deleted and made anew`);
      else if (!isDeepStrictEqual(then.objects[index]?.changes, current?.changes)) found.push(`${object} was changed`);
    } else if (action !== current?.action) found.push(`${object} was changed`);
  }
  for (const [workload, summary] of verdicts(now.placements)) {
    const planned = verdicts(then.placements).get(workload) ?? 'nothing';
    if (planned !== summary) found.push(`${workload}: planned ${planned}, now ${summary}`);
  }
  for (const [workload, planned] of verdicts(then.placements)) {
    if (!verdicts(now.placements).has(workload)) found.push(`${workload}: planned ${planned}, now nothing`);
  }
  return found;
}

/** What becomes of each workload's pods, by number: which nodes take them may differ. */
function verdicts(placements: PlacementChange | undefined): ReadonlyMap<string, string> {
  return new Map(
    (placements?.workloads ?? []).map(({ workload, created, removed }) => {
      const waiting = created.filter(({ node }) => node === undefined).length;
      return [
        workload,
        `+${created.length} -${removed.length} pods${waiting === 0 ? '' : `, ${waiting} without a node`}`,
      ];
    }),
  );
}
