/**
 * `npm run fuzz [-- MINUTES]` tries the readers of `test/fuzz/targets.ts` for that long in all (10 minutes unless given),
 * with `--seed=N` on the inputs of an earlier run. Ends with 1 and says what was found.
 */
import { spawnSync } from 'node:child_process';
import { targets } from '../test/fuzz/targets.ts';

const args = process.argv.slice(2);
const seed = args.find((arg) => arg.startsWith('--seed='))?.slice('--seed='.length);
const minutes = Number(args.find((arg) => !arg.startsWith('--')) ?? 10);
if (!(minutes > 0) || (seed !== undefined && !Number.isInteger(Number(seed)))) {
  console.error('say: npm run fuzz -- [MINUTES] [--seed=WHOLE_NUMBER]');
  process.exit(2);
}
// Half for random inputs, half for slow ones.
const msPerTarget = Math.ceil((minutes * 60_000) / targets.length / 2);
const { status } = spawnSync(process.execPath, ['--test', 'test/fuzz/fuzz.test.ts'], {
  cwd: `${import.meta.dirname}/..`,
  stdio: 'inherit',
  env: {
    ...process.env,
    TUTTI_FUZZ_MS: String(msPerTarget),
    ...(seed === undefined ? {} : { TUTTI_FUZZ_SEED: seed }),
  },
});
process.exit(status ?? 1);
