import { silentLog } from '#lib/log.ts';
import type { ProfileConfig } from '#scheduler/profile.ts';
import { openScheduling, type OpenedScheduling } from '../scheduler-configuration.ts';

/**
 * How pods are scheduled where it is only tried: as the file says, but plugins of the operator's own only judge nodes.
 * What they reserve, permit and bind is meant for the real cluster. Undefined without a file; throws `StartError`.
 */
export async function openRehearsedScheduling(file: string | undefined): Promise<OpenedScheduling | undefined> {
  const opened = await openScheduling(file, { log: silentLog });
  return opened === undefined ? undefined : { ...opened, profiles: opened.profiles.map(judging) };
}

function judging({ plugins, ...profile }: ProfileConfig): ProfileConfig {
  if (plugins === undefined) return profile;
  const { reserve: _reserve, permit: _permit, bind: _bind, ...judges } = plugins;
  return { ...profile, plugins: judges };
}
