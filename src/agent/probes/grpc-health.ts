import type * as core from '#api/core/types.generated.ts';
import { Codec } from '#lib/proto3.ts';
import { GrpcChannel, GrpcError, grpcCodes } from '#lib/grpc.ts';
import type { HandlerResult } from './http-get.ts';

/** Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
const codec = new Codec({
  HealthCheckRequest: { fields: [[1, 'service', 'single', 'string']] },
  HealthCheckResponse: { fields: [[1, 'status', 'single', 'ServingStatus']] },
  ServingStatus: { enum: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } },
});

/** Asks grpc.health.v1.Health/Check; success is the answer SERVING. */
export async function grpcHealth(
  { port, service = '' }: core.GRPCAction,
  host: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HandlerResult> {
  const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  using channel = new GrpcChannel({ host, port }, at);
  try {
    const request = codec.encode('HealthCheckRequest', { service });
    const reply = await channel.unary('/grpc.health.v1.Health/Check', request, { timeoutMs, signal });
    const { status } = codec.decode('HealthCheckResponse', reply) as { status: string };
    if (status === 'SERVING') return { ok: true, message: 'service is healthy' };
    return { ok: false, message: `service unhealthy (responded with "${status}")` };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof GrpcError)) throw error;
    if (error.code === grpcCodes.UNAVAILABLE || error.code === grpcCodes.DEADLINE_EXCEEDED) {
      return {
        ok: false,
        message: `timeout: failed to connect service "${at}" within ${timeoutMs} ms: ${error.message}`,
      };
    }
    if (error.code === grpcCodes.UNIMPLEMENTED) {
      return {
        ok: false,
        message: `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.message}`,
      };
    }
    return { ok: false, message: `error: health rpc failed: ${error.message}` };
  }
}
