import { Option } from 'commander';
import path from 'node:path';
import { UsageError } from './fail.ts';

const root = '/var/lib/tutti';

/** Root's clusters live under /var/lib; anyone else's under their own state folder, as the XDG base directories have it. */
export function defaultDataDir(env: NodeJS.ProcessEnv, uid: number | undefined): string {
  if (uid === 0) return root;
  const state = env['XDG_STATE_HOME'] ?? path.join(env['HOME'] ?? '.', '.local', 'state');
  return path.join(state, 'tutti');
}

/** `--data-dir DIR`, which every subcommand takes; TUTTI_DATA_DIR stands in for it. */
export const dataDirOption = () =>
  new Option('--data-dir <dir>', 'where the cluster keeps everything')
    .env('TUTTI_DATA_DIR')
    .default(defaultDataDir(process.env, process.getuid?.()));

/** `--output json`, for the commands that machines read. */
export const outputOption = () => new Option('-o, --output <format>', 'for machines').choices(['json']);

export interface DataDirOptions {
  readonly dataDir: string;
}

/** Parses a flag of `tutti up` that is a whole number. */
export const wholeNumber = (name: string, min: number, max: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new UsageError(
      `${name} must be a whole number from ${min} to ${max}, not "${text}".`,
      'see "tutti up --help"',
    );
  return value;
};
