import type * as core from '#api/core/types.generated.ts';
import type { AgentContext } from '../agent-context.ts';
import { execCommand } from '../probes/exec-command.ts';
import { grpcHealth } from '../probes/grpc-health.ts';
import { httpGet, portNumber, type HandlerResult } from '../probes/http-get.ts';
import { tcpConnect } from '../probes/tcp-connect.ts';

/** Where a container is reached. */
export interface HandlerTarget {
  readonly containerId: string;
  readonly spec: core.Container;
  /** The pod's address. */
  readonly ip: string;
}

type Handler = core.LifecycleHandler & Pick<core.Probe, 'grpc'>;
type Tools = Pick<AgentContext, 'cri' | 'clock'>;

/** Runs a probe's or a hook's handler once. A failure is a result; only `signal` makes it throw. */
export async function runHandler(
  { cri, clock }: Tools,
  handler: Handler,
  { containerId, spec, ip }: HandlerTarget,
  userAgent: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HandlerResult> {
  const target = (host: string | undefined, port: number | string) => ({
    host: host === undefined || host === '' ? ip : host,
    port: portNumber(port, spec),
  });
  try {
    if (handler.exec !== undefined) {
      return await execCommand(cri, containerId, handler.exec.command ?? [], timeoutMs, signal);
    }
    if (handler.httpGet !== undefined) {
      const { host, port } = handler.httpGet;
      return await httpGet(handler.httpGet, target(host, port), userAgent, timeoutMs, signal);
    }
    if (handler.tcpSocket !== undefined) {
      return await tcpConnect(target(handler.tcpSocket.host, handler.tcpSocket.port), timeoutMs, signal);
    }
    if (handler.grpc !== undefined) return await grpcHealth(handler.grpc, ip, timeoutMs, signal);
    if (handler.sleep !== undefined) await clock.sleep(handler.sleep.seconds * 1000, signal);
    return { ok: true, message: '' };
  } catch (error) {
    signal.throwIfAborted();
    return { ok: false, message: (error as Error).message };
  }
}
