import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { Option, type Command } from 'commander';
import { missingPrograms } from '#agent/binaries.ts';
import { startAllInOne } from '#cluster/all-in-one.ts';
import { holderOf, makeDataDir } from '#cluster/data-dir.ts';
import type { NodeShape } from '#agent/sim/node-shape.ts';
import type { LogLevel } from '#cluster/log-file.ts';
import type { Playback } from '#cluster/simulation/trace-player.ts';
import { systemClock } from '#lib/clock.ts';
import { auditFlags, auditOptionsOf, type AuditFlags } from './audit-flags.ts';
import { admissionFlagsOf, policyFlags, type PolicyFlags } from './policy-flags.ts';
import { UsageError } from './fail.ts';
import { mergeIntoUsers } from './kubeconfig.ts';
import { dataDirOption, wholeNumber, type DataDirOptions } from './options.ts';
import { duration } from './terminal.ts';
import { readTrace } from './trace-file.ts';

interface UpOptions extends DataDirOptions, AuditFlags, PolicyFlags {
  readonly port: number;
  readonly sim?: boolean;
  readonly nodes?: number;
  readonly trace?: string;
  readonly traceSpeed: number;
  readonly detach?: boolean;
  readonly dialect: readonly Dialect[];
  readonly storeEtcd?: readonly string[];
  readonly encryptionProviderConfig?: string;
  readonly authenticationConfig?: string;
  readonly schedulerConfig?: string;
  readonly abandonLostKeys?: boolean;
  readonly maxRequestsInflight?: number;
  readonly rebalance?: boolean;
  readonly merge?: boolean;
  readonly logLevel: LogLevel;
}

const dialects = ['docker'] as const;
type Dialect = (typeof dialects)[number];

const nodesMax = 20_000;
const detachedReadyMsMax = 90_000;

/** Pretend nodes, and what happens to them. */
interface Simulated {
  readonly nodes: readonly NodeShape[];
  readonly trace?: Playback;
}

/** The pretend nodes to run; undefined for this host as a real node. Says in a line why they are pretended. */
async function simulatedNodes({ sim, nodes, trace, traceSpeed: speed }: UpOptions): Promise<Simulated | undefined> {
  const isRoot = process.getuid?.() === 0;
  if (sim !== true && isRoot) {
    if (nodes === undefined && trace === undefined) return undefined;
    throw new UsageError(
      nodes === undefined ? '--trace is for pretend nodes.' : '--nodes counts pretend nodes.',
      `add --sim, or leave ${nodes === undefined ? '--trace' : '--nodes'} out: this host is one real node`,
    );
  }
  if (nodes !== undefined && trace !== undefined) {
    throw new UsageError('--trace names the nodes, so --nodes cannot count them.', 'leave one of them out');
  }
  const why = sim === true ? 'as --sim asks' : 'as this is not root';
  process.stdout.write(
    `Nodes are pretended, ${why}: pods are scheduled and reported as running, but there are no containers.\n`,
  );
  if (trace === undefined) return { nodes: [{ count: nodes ?? 3 }] };
  const events = await readTrace(trace);
  // What is there from the beginning is awaited before the cluster is called ready.
  const first = events.filter((event) => event.do === 'nodes' && event.at === 0);
  const rest = events.filter((event) => !first.includes(event));
  return { nodes: first.flatMap((event) => (event.do === 'nodes' ? event.shape : [])), trace: { events: rest, speed } };
}

/** Runs the same command in the background and waits for its ready line. */
async function detach(options: UpOptions): Promise<void> {
  const other = await holderOf(options.dataDir);
  if (other !== undefined) {
    process.stdout.write(`A server with pid ${other.pid} already runs on ${options.dataDir}.\n`);
    return;
  }
  await makeDataDir(path.resolve(options.dataDir));
  mkdirSync(path.join(options.dataDir, 'logs'), { recursive: true, mode: 0o700 });
  const output = path.join(options.dataDir, 'logs', 'up.log');
  const out = openSync(output, 'w', 0o600);
  const args = process.argv.slice(1).filter((arg) => arg !== '--detach' && arg !== '-d');
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    detached: true,
    stdio: ['ignore', out, out, 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(
      () =>
        reject(
          new UsageError(
            `Not ready within ${detachedReadyMsMax / 1000} s.`,
            `look into ${output}; the server (pid ${child.pid}) goes on trying`,
          ),
        ),
      detachedReadyMsMax,
    );
    child.on('message', (line) => {
      clearTimeout(late);
      if (typeof line === 'string') process.stdout.write(line);
      resolve();
    });
    child.on('exit', (code) => {
      clearTimeout(late);
      const [why] = /(?<=^✗ ).*$/m.exec(stripVTControlCharacters(readFileSync(output, 'utf8'))) ?? [];
      reject(
        new UsageError(
          why ?? `The server ended with ${code} before it was ready.`,
          `all it said is in ${output}, its log beside it`,
        ),
      );
    });
  });
  child.disconnect();
  child.unref();
}

/** Until the process is asked to end; a second signal ends it at once. */
async function untilAskedToStop(): Promise<void> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, resolve);
  });
  process.once(signal, () => process.exit(1));
}

/** Before anything is started: what is missing would otherwise show pod by pod. */
async function assertCanRunContainers(): Promise<void> {
  const { names, packages } = await missingPrograms();
  if (names.length > 0)
    throw new UsageError(
      `This host cannot run containers without ${names.join(', ')}: not installed.`,
      `apt-get install ${packages.join(' ')}   (or "tutti up --sim": pretend nodes)`,
    );
}

async function up(options: UpOptions): Promise<void> {
  const simulated = await simulatedNodes(options);
  if (simulated === undefined) await assertCanRunContainers();
  if (options.detach === true) return detach(options);
  // Counted from the start of the process: loading the code is part of what the user waits for.
  const sinceStart = () => process.uptime() * 1000;
  const cluster = await startAllInOne({
    dataDir: options.dataDir,
    port: options.port,
    simNodes: simulated?.nodes,
    trace: simulated?.trace,
    etcdEndpoints: options.storeEtcd ?? [],
    dialects: options.dialect,
    encryptionProviderConfig: options.encryptionProviderConfig,
    authenticationConfig: options.authenticationConfig,
    schedulerConfig: options.schedulerConfig,
    abandonLostKeys: options.abandonLostKeys,
    rebalance: options.rebalance,
    audit: auditOptionsOf(options),
    admission: admissionFlagsOf(options),
    eventTtlMs: options.eventTtl,
    tracingConfig: options.tracingConfigFile,
    compactEveryMs: options.etcdCompactionInterval,
    requestsInFlightMax: options.maxRequestsInflight,
    logLevel: options.logLevel,
    clock: systemClock,
  });
  const serving = sinceStart();
  const asked = untilAskedToStop();
  try {
    const nodes = await Promise.race([cluster.nodesReady.then(() => 'ready' as const), asked]);
    if (nodes !== 'ready') return await cluster[Symbol.asyncDispose]();
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
  if (options.merge === true) process.stdout.write(`${await mergeIntoUsers(cluster.kubeconfigPath)}\n`);
  const line = `ready in ${duration(sinceStart())} (API after ${duration(serving)}): ${cluster.server}  KUBECONFIG=${cluster.kubeconfigPath}\n`;
  process.stdout.write(line);
  if (options.merge !== true)
    process.stdout.write('kubectl uses it with that KUBECONFIG, or after "tutti kubeconfig --merge".\n');
  if (cluster.dockerSocket !== undefined)
    process.stdout.write(`docker uses it with "docker -H unix://${cluster.dockerSocket}".\n`);
  process.send?.(line);
  await asked;
  await cluster[Symbol.asyncDispose]();
  if (simulated === undefined)
    process.stdout.write(
      'The server has stopped. Containers run on: "tutti up" takes them over, "tutti down" stops them.\n',
    );
}

export function registerUp(program: Command): void {
  const command = program
    .command('up')
    .description('start a cluster on this machine, or go on with the one that is there')
    .addOption(dataDirOption())
    .addOption(
      new Option('--port <port>', 'where the API listens').default(6443).argParser(wholeNumber('--port', 0, 65_535)),
    )
    .option('--sim', 'pretend nodes instead of containers')
    .addOption(new Option('--nodes <count>', 'how many pretend nodes').argParser(wholeNumber('--nodes', 0, nodesMax)))
    .option('--trace <file>', 'which pretend nodes, and what happens to them: see "tutti simulate"')
    .addOption(
      new Option('--trace-speed <times>', 'how much faster than it says the trace is played')
        .default(1)
        .argParser(wholeNumber('--trace-speed', 1, 100_000)),
    )
    .option('-d, --detach', 'return once it is ready, and let it run in the background')
    .addOption(
      new Option('--dialect <name...>', 'other APIs to serve beside Kubernetes’').choices(dialects).default([]),
    )
    .option('--store-etcd <endpoint...>', 'keep the state in this etcd instead of a file (http://127.0.0.1:2379)')
    .option(
      '--encryption-provider-config <file>',
      'what to encrypt at rest, and with which keys, instead of Secrets alone',
    )
    .option(
      '--authentication-config <file>',
      "whose tokens to know beside the cluster's own: an AuthenticationConfiguration",
    )
    .option('--scheduler-config <file>', 'how pods are scheduled: a KubeSchedulerConfiguration')
    .addOption(
      new Option(
        '--max-requests-inflight <count>',
        'requests that run at once, shared out by FlowSchemas (240)',
      ).argParser(wholeNumber('--max-requests-inflight', 1, 100_000)),
    )
    .option('--abandon-lost-keys', 'start although keys are lost that stored values need')
    .option('--rebalance', 'move pods to better nodes from time to time, as "tutti rebalance" lists them')
    .option('--merge', 'add the cluster to your kubeconfig')
    .addOption(
      new Option('--log-level <level>', 'what goes to DIR/logs')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .action(up);
  for (const option of [...auditFlags, ...policyFlags]) command.addOption(option);
}
