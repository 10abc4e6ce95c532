#!/usr/bin/env node
// Runs on any Node.js from 20 on, before anything is installed: brings what a script of this repository needs,
// saying what and why, then runs it on the Node that package.json pins.
//
//   node tools/bootstrap.mjs [--needs=runtime,tests] SCRIPT [ARGUMENT …]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants } from 'node:os';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Debian packages, the command or file that shows one is there already, and what Tutti uses it for. */
const packages = {
  runtime: [
    { name: 'containerd', provides: ['containerd'], why: 'runs the containers (a private instance of it)' },
    { name: 'runc', provides: ['runc'], why: 'starts a container for containerd' },
    {
      name: 'containernetworking-plugins',
      provides: ['/usr/lib/cni/bridge', '/opt/cni/bin/bridge'],
      why: 'connects pods to the network',
    },
    { name: 'nftables', provides: ['nft'], why: 'routes Services to pods' },
    { name: 'iproute2', provides: ['ip'], why: 'inspects and removes network interfaces' },
    { name: 'conntrack', provides: ['conntrack'], why: 'forgets UDP flows to pods that are gone' },
    {
      name: 'busybox-static',
      provides: ['/bin/busybox', '/usr/bin/busybox'],
      why: 'fills the example image, as no registry may be in reach',
    },
  ],
  tests: [
    { name: 'etcd-server', provides: ['etcd'], why: 'the distributed store, tested for real' },
    { name: 'openssl', provides: ['openssl'], why: 'checks our certificates independently' },
    { name: 'procps', provides: ['ps'], why: 'shows what a test left behind' },
  ],
};

const onPath = (command) =>
  (process.env.PATH ?? '')
    .split(':')
    .concat('/usr/sbin', '/sbin')
    .some((dir) => existsSync(path.join(dir, command)));
const isThere = ({ provides }) => provides.some((what) => (what.startsWith('/') ? existsSync(what) : onPath(what)));

/** What is being installed; beside figures that a program reads (`--json`), on stderr. */
const say = process.argv.includes('--json') ? console.error : console.log;

function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    ...options,
  });
  return { ok: result.status === 0, error: (result.stderr ?? result.error?.message ?? '').trim() };
}

function fail(what, detail, fix) {
  console.error(`\n✗ ${what}\n${detail === '' ? '' : `  ${detail.split('\n').slice(-5).join('\n  ')}\n`}  → ${fix}`);
  process.exit(1);
}

function installNpmPackages() {
  const lock = readFileSync(path.join(root, 'package-lock.json'));
  const stamp = path.join(root, 'node_modules', '.tutti-installed');
  const wanted = createHash('sha256').update(lock).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('• npm packages: installing what package-lock.json pins, Node 24 among them (npm ci --ignore-scripts)');
  const { ok, error } = run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  if (!ok)
    fail(
      'The npm packages could not be installed.',
      error,
      'check that the npm registry can be reached, then run this again',
    );
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

function installDebianPackages(groups) {
  const missing = groups.flatMap((group) => packages[group] ?? []).filter((entry) => !isThere(entry));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name);
  if (process.getuid?.() !== 0) {
    say(`• Not root: going on without ${names.join(', ')} (what needs them is skipped, or runs on pretend nodes)`);
    return;
  }
  if (!onPath('apt-get')) {
    fail(
      `Missing: ${names.join(', ')}`,
      '',
      'install these with your system’s package manager (this script knows only apt-get), then run this again',
    );
  }
  for (const { name, why } of missing) say(`• ${name}: installing; it ${why}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = () => run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], { env });
  let result = install();
  if (!result.ok) {
    run('apt-get', ['update', '-qq'], { env });
    result = install();
  }
  if (!result.ok)
    fail(
      `apt-get could not install ${names.join(', ')}.`,
      result.error,
      `see what "apt-get install ${names.join(' ')}" says, mend it, then run this again`,
    );
}

const args = process.argv.slice(2);
const needs = args[0]?.startsWith('--needs=') ? args.shift().slice('--needs='.length).split(',') : [];
const major = Number(process.versions.node.split('.')[0]);
if (major < 20)
  fail(`Node.js ${process.versions.node} is too old.`, '', 'install Node.js 20 or newer: https://nodejs.org');
installNpmPackages();
installDebianPackages(needs);

const node = path.join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
if (!existsSync(node))
  fail(`There is no pinned Node for ${process.platform}/${process.arch}.`, '', 'Tutti runs on Linux, on x64 and arm64');
const [script, ...rest] = args;
const child = spawn(node, [path.join(root, script), ...rest], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${path.dirname(node)}:${path.join(root, 'node_modules', '.bin')}:${process.env.PATH}:/usr/sbin:/sbin`,
  },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
