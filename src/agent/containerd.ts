import { spawn } from 'node:child_process';
import { mkdir, open, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import type { Clock } from '#lib/clock.ts';
import type { Log } from '#lib/log.ts';
import { unavailable } from '#machinery/status-error.ts';
import { findCniDir, needProgram, programPath } from './binaries.ts';
import { containerdConfig, type ContainerdConfig } from './containerd-config.ts';
import { openCri, type Cri } from './cri/cri.ts';
import type { AgentPaths } from './paths.ts';
import { pauseImageName } from './pause-image.ts';
import { formatIdentity, identityOf, isAlive, parseIdentity, type ProcessIdentity } from './process-identity.ts';

/**
 * A containerd of Tutti's own: own state, own socket, own images; the host's containerd and Docker are never touched.
 * It outlives the agent, and its shims and containers outlive it, so that neither of the two restarts a container.
 */
export interface Containerd {
  readonly cri: Cri;
  readonly version: string;
  readonly socket: string;
  /** Starts it again, with back-off, whenever it dies. Settles when `signal` aborts; containerd then runs on. */
  supervise(signal: AbortSignal): Promise<void>;
}

const versionMin = [1, 6] as const;
const startMsMax = 20_000;
const probeEveryMs = 10;
const watchEveryMs = 2_000;
const restartDelayMsMin = 200;
const restartDelayMsMax = 10_000;
const calmAfterMs = 60_000;
const logBytesMax = 10 * 1024 * 1024;

interface Options {
  readonly paths: AgentPaths;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Adopts the containerd that already runs for this data directory, or starts one; resolves once it answers. */
export async function startContainerd({ paths, clock, log, signal }: Options): Promise<Containerd> {
  const config = await writeConfig(paths);
  const cri = openCri(paths.containerd.socket);
  const process: ContainerdProcess = { paths, clock, log, program: config.program };
  let running = await recorded(paths);
  if (running !== undefined && config.changed) {
    log.info('containerd gets a new configuration', { pid: running.pid });
    await terminate(running, clock, signal);
    running = undefined;
  }
  const adopted = running !== undefined;
  running ??= await launch(process);
  const version = await waitUntilReady(cri, running, process, signal);
  log.info(adopted ? 'containerd adopted' : 'containerd started', { pid: running.pid, version });
  checkVersion(version);
  let current = running;
  return {
    cri,
    version,
    socket: paths.containerd.socket,
    async supervise(stop) {
      let delayMs = restartDelayMsMin;
      let startedAt = clock.now();
      while (!stop.aborted) {
        try {
          await clock.sleep(watchEveryMs, stop);
          if (await isAlive(current)) continue;
          if (clock.now() - startedAt > calmAfterMs) delayMs = restartDelayMsMin;
          log.warn('containerd died and is started again', { pid: current.pid, delayMs });
          await clock.sleep(delayMs, stop);
          delayMs = Math.min(delayMs * 2, restartDelayMsMax);
          startedAt = clock.now();
          current = await launch(process);
          await waitUntilReady(cri, current, process, stop);
        } catch (error) {
          if (!stop.aborted) log.error('containerd cannot be started', { error });
        }
      }
    },
  };
}

/** Ends this data directory's containerd, if one runs. Containers and their shims are not touched. */
export async function stopContainerd(paths: AgentPaths, clock: Clock, signal: AbortSignal): Promise<boolean> {
  const running = await recorded(paths);
  if (running === undefined) return false;
  await terminate(running, clock, signal);
  await rm(paths.containerd.pidFile, { force: true });
  return true;
}

interface ContainerdProcess {
  readonly paths: AgentPaths;
  readonly clock: Clock;
  readonly log: Log;
  readonly program: string;
}

async function writeConfig(paths: AgentPaths): Promise<{ program: string; changed: boolean }> {
  const program = await needProgram('containerd', 'containerd');
  const runc = await needProgram('runc', 'runc');
  const { root, state, socket, registries, dir, config: file } = paths.containerd;
  await mkdir(root, { recursive: true, mode: 0o711 });
  await mkdir(state, { recursive: true, mode: 0o711 });
  await mkdir(registries, { recursive: true });
  await mkdir(paths.cniConf, { recursive: true });
  const config: ContainerdConfig = {
    root,
    state: `${state}/state`,
    socket,
    sandboxImage: pauseImageName,
    snapshotter: await snapshotterFor(dir),
    cniBin: (await findCniDir()) ?? '/opt/cni/bin',
    cniConf: paths.cniConf,
    registries,
    runc,
    mayLowerOomScore: await hasCapability(capSysResource),
  };
  const text = containerdConfig(config);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before === text) return { program, changed: false };
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
  return { program, changed: before !== undefined };
}

/** From linux/capability.h. A container that runs Tutti itself often lacks it. */
const capSysResource = 24n;

async function hasCapability(bit: bigint): Promise<boolean> {
  const [, effective] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8')) ?? [];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> bit) & 1n) === 1n;
}

/** overlayfs cannot lie on another overlay, as in a container; copying snapshots work everywhere. */
async function snapshotterFor(dir: string): Promise<'overlayfs' | 'native'> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '));
  const holds = ([, at]: string[]) => at !== undefined && (at === '/' || dir === at || dir.startsWith(`${at}/`));
  const [mount] = mounts.filter(holds).toSorted((a, b) => (b[1]?.length ?? 0) - (a[1]?.length ?? 0));
  return mount?.[2] === 'overlay' ? 'native' : 'overlayfs';
}

async function recorded(paths: AgentPaths): Promise<ProcessIdentity | undefined> {
  const text = await readFile(paths.containerd.pidFile, 'utf8').catch(() => '');
  const identity = parseIdentity(text);
  return identity !== undefined && (await isAlive(identity)) ? identity : undefined;
}

async function launch({ paths, program }: ContainerdProcess): Promise<ProcessIdentity> {
  const { socket, log: logFile, pidFile, config, state } = paths.containerd;
  await mkdir(state, { recursive: true, mode: 0o711 });
  await rm(socket, { force: true });
  await rm(`${socket}.ttrpc`, { force: true });
  const size = await stat(logFile).then(
    (found) => found.size,
    () => 0,
  );
  if (size > logBytesMax) await truncate(logFile);
  await using log = await open(logFile, 'a', 0o600);
  const child = spawn(program, ['--config', config], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    cwd: '/',
    env: { PATH: programPath },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject);
  child.once('spawn', () => resolve(child.pid ?? 0));
  const pid = await promise;
  child.unref();
  const identity = await identityOf(pid);
  if (identity === undefined) throw unavailable(`containerd ended as soon as it was started; see ${logFile}`);
  await writeFile(`${pidFile}.new`, formatIdentity(identity));
  await rename(`${pidFile}.new`, pidFile);
  return identity;
}

async function waitUntilReady(
  cri: Cri,
  running: ProcessIdentity,
  { paths, clock }: ContainerdProcess,
  signal: AbortSignal,
): Promise<string> {
  const deadline = clock.now() + startMsMax;
  for (;;) {
    try {
      return (await cri.call('Version', {}, { signal })).runtimeVersion;
    } catch (error) {
      signal.throwIfAborted();
      if (!(await isAlive(running))) {
        throw unavailable(`containerd ended while it started; see ${paths.containerd.log}`, error);
      }
      if (clock.now() > deadline) {
        throw unavailable(
          `containerd does not answer after ${startMsMax / 1000} s; see ${paths.containerd.log}`,
          error,
        );
      }
    }
    await clock.sleep(probeEveryMs, signal);
  }
}

function checkVersion(version: string): void {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  if (major > versionMin[0] || (major === versionMin[0] && minor >= versionMin[1])) return;
  throw unavailable(
    `containerd ${version} is too old: Tutti needs ${versionMin.join('.')} or newer; upgrade containerd`,
  );
}

async function terminate(running: ProcessIdentity, clock: Clock, signal: AbortSignal): Promise<void> {
  for (const [name, waitMs] of [
    ['SIGTERM', 10_000],
    ['SIGKILL', 5_000],
  ] as const) {
    try {
      process.kill(running.pid, name);
    } catch {
      return;
    }
    const deadline = clock.now() + waitMs;
    while (clock.now() < deadline) {
      if (!(await isAlive(running))) return;
      await clock.sleep(probeEveryMs, signal);
    }
  }
}
