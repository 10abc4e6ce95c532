import { execFile } from 'node:child_process';
import { readFile, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { styleText, promisify } from 'node:util';
import { Option, type Command } from 'commander';
import { findCniDir, findProgram } from '#agent/binaries.ts';
import { holderOf } from '#cluster/data-dir.ts';
import { dataDirOption, outputOption, type DataDirOptions } from './options.ts';

/** One thing a host must have, what was found, and the command that mends it. `needed` for real containers only. */
interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly found: string;
  readonly fix: string;
}

const run = promisify(execFile);
const freeBytesMin = 2 * 1024 ** 3;
const callMsMax = 5000;

async function program(
  name: string,
  debianPackage: string,
  versionArgs: readonly string[],
  what: string,
): Promise<Finding> {
  const file = await findProgram(name);
  const expected = `${name} installed (${what})`;
  const fix = `apt-get install ${debianPackage}`;
  if (file === undefined) return { check: name, ok: false, expected, found: 'not installed', fix };
  const found = await run(file, versionArgs, { timeout: callMsMax }).then(
    ({ stdout, stderr }) => (stdout || stderr).split('\n')[0]!.trim(),
    (error: Error) => error.message.split('\n')[0]!,
  );
  return { check: name, ok: true, expected, found, fix };
}

async function cni(): Promise<Finding> {
  const dir = await findCniDir();
  return {
    check: 'cni plugins',
    ok: dir !== undefined,
    expected: 'bridge, host-local, loopback and portmap in /usr/lib/cni or /opt/cni/bin',
    found: dir ?? 'not found',
    fix: 'apt-get install containernetworking-plugins',
  };
}

async function nftables(): Promise<Finding> {
  const file = await findProgram('nft');
  const listed =
    file === undefined
      ? undefined
      : await run(file, ['list', 'tables'], { timeout: callMsMax }).then(
          () => 'usable',
          (error: Error) => error.message,
        );
  return {
    check: 'nftables',
    ok: listed === 'usable',
    expected: 'the kernel lets nft list its tables',
    found: listed ?? 'nft is not installed',
    fix:
      file === undefined
        ? 'apt-get install nftables'
        : 'run as root, on a kernel with CONFIG_NF_TABLES (modprobe nf_tables)',
  };
}

async function filesystem(name: string): Promise<Finding> {
  const text = await readFile('/proc/filesystems', 'utf8').catch(() => '');
  const ok = new RegExp(`\\t${name}$`, 'm').test(text);
  return { check: name, ok, expected: `the kernel knows ${name}`, found: ok ? 'yes' : 'no', fix: `modprobe ${name}` };
}

async function controlGroups(): Promise<Finding> {
  const has = async (file: string) => (await stat(file).catch(() => undefined)) !== undefined;
  const two = await has('/sys/fs/cgroup/cgroup.controllers');
  const one = (await has('/sys/fs/cgroup/memory')) && (await has('/sys/fs/cgroup/cpu'));
  return {
    check: 'control groups',
    ok: one || two,
    expected: 'version 2, or version 1 with cpu and memory, mounted at /sys/fs/cgroup',
    found: two ? 'version 2' : one ? 'version 1' : 'neither',
    fix: 'mount -t cgroup2 none /sys/fs/cgroup',
  };
}

async function freePort(port: number, dataDir: string): Promise<Finding> {
  const own = await holderOf(dataDir);
  const server = createServer();
  const found = await new Promise<string>((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? 'taken' : error.message),
    );
    server.listen(port, () => resolve('free'));
  });
  server.close();
  const isOurs = found === 'taken' && own?.server?.endsWith(`:${port}`) === true;
  return {
    check: `port ${port}`,
    ok: found === 'free' || isOurs,
    expected: 'free, or this cluster’s own',
    found: isOurs ? `this cluster (pid ${own?.pid})` : found,
    fix: `find who has it with "ss -ltnp sport = :${port}", or start with "tutti up --port OTHER"`,
  };
}

async function disk(dataDir: string): Promise<Finding> {
  let dir = path.resolve(dataDir);
  while ((await stat(dir).catch(() => undefined)) === undefined) dir = path.dirname(dir);
  const { bavail, bsize } = await statfs(dir);
  const free = bavail * bsize;
  return {
    check: 'disk',
    ok: free >= freeBytesMin,
    expected: `${freeBytesMin / 1024 ** 3} GiB free for ${dataDir}`,
    found: `${(free / 1024 ** 3).toFixed(1)} GiB free`,
    fix: 'make room, or choose a --data-dir on another disk',
  };
}

function root(): Finding {
  const uid = process.getuid?.();
  return {
    check: 'root',
    ok: uid === 0,
    expected: 'root (real containers; without it nodes are pretend ones)',
    found: `user ${uid}`,
    fix: 'run it with sudo',
  };
}

async function findings({ dataDir, port }: { dataDir: string; port: number }): Promise<readonly Finding[]> {
  return [
    root(),
    ...(await Promise.all([
      program('containerd', 'containerd', ['--version'], 'runs containers'),
      program('runc', 'runc', ['--version'], 'starts a container'),
      program('ctr', 'containerd', ['--version'], 'loads images'),
      program('ip', 'iproute2', ['-V'], 'makes network interfaces'),
      program('conntrack', 'conntrack', ['--version'], 'forgets flows to pods that are gone'),
      cni(),
      nftables(),
      filesystem('overlay'),
      controlGroups(),
      freePort(port, dataDir),
      disk(dataDir),
    ])),
  ];
}

export function registerDoctor(program_: Command): void {
  program_
    .command('doctor')
    .description('check this host: what is expected, what was found, and how to mend it')
    .addOption(dataDirOption())
    .addOption(new Option('--port <port>', 'the API server’s').default(6443).argParser(Number))
    .addOption(outputOption())
    .action(async (options: DataDirOptions & { port: number; output?: string }) => {
      const all = await findings(options);
      if (options.output === 'json') process.stdout.write(`${JSON.stringify(all)}\n`);
      else {
        for (const { check, ok, expected, found, fix } of all) {
          const mark = ok ? styleText('green', '✔') : styleText('red', '✗');
          process.stdout.write(`${mark} ${check.padEnd(15)} ${found}\n`);
          if (!ok) process.stdout.write(`  expected: ${expected}\n  → ${fix}\n`);
        }
      }
      if (all.some(({ ok }) => !ok)) process.exitCode = 1;
    });
}
