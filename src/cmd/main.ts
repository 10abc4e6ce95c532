import { Command } from 'commander';
import { versionInfo } from '#machinery/version.ts';
import { explain } from './fail.ts';

/** Each subcommand's module is loaded only when it is called: `tutti version` needs no API server. */
const subcommands = {
  up: async (program: Command) => (await import('./up.ts')).registerUp(program),
  down: async (program: Command) => (await import('./down.ts')).registerDown(program),
  status: async (program: Command) => (await import('./status.ts')).registerStatus(program),
  version: async (program: Command) => (await import('./version.ts')).registerVersion(program),
  doctor: async (program: Command) => (await import('./doctor.ts')).registerDoctor(program),
  kubeconfig: async (program: Command) => (await import('./kubeconfig.ts')).registerKubeconfig(program),
  image: async (program: Command) => (await import('./image.ts')).registerImage(program),
  why: async (program: Command) => (await import('./why.ts')).registerWhy(program),
  plan: async (program: Command) => (await import('./plan.ts')).registerPlan(program),
  apply: async (program: Command) => (await import('./apply.ts')).registerApply(program),
  'what-if': async (program: Command) => (await import('./what-if.ts')).registerWhatIf(program),
  simulate: async (program: Command) => (await import('./simulate.ts')).registerSimulate(program),
  encryption: async (program: Command) => (await import('./encryption.ts')).registerEncryption(program),
  rebalance: async (program: Command) => (await import('./rebalance.ts')).registerRebalance(program),
  reset: async (program: Command) => (await import('./reset.ts')).registerReset(program),
} as const;

const program = new Command('tutti')
  .description('A container orchestrator that every conductor can lead.')
  .version(versionInfo.tutti)
  .showHelpAfterError('(see tutti --help)');

const [wanted] = process.argv.slice(2);
const known = Object.keys(subcommands) as (keyof typeof subcommands)[];
for (const name of known.includes(wanted as keyof typeof subcommands) ? [wanted as keyof typeof subcommands] : known) {
  await subcommands[name](program);
}

// The timers of Tutti's loops keep no process alive, but a command must live until it is done.
const alive = setInterval(() => undefined, 2 ** 30);
try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(explain(error));
  process.exitCode = 1;
} finally {
  clearInterval(alive);
}
