import { StatusError, internalError, timeout, unavailable, type StatusReason } from '#machinery/status-error.ts';
import { Codec } from '#lib/proto3.ts';
import { GrpcChannel, GrpcError, grpcCodes } from '#lib/grpc.ts';
import { callPaths, messages, type Calls } from './messages.generated.ts';

/**
 * A typed client of a CRI v1 runtime on a unix socket. Every failure is a `StatusError` whose reason comes from the
 * gRPC code; the runtime's own words are kept in its message.
 */
export interface Cri extends Disposable {
  call<M extends keyof Calls>(method: M, request: Calls[M]['input'], options: CriOptions): Promise<Calls[M]['output']>;
}

export interface CriOptions {
  readonly signal: AbortSignal;
  /** Beyond the method's own bound, e.g. a container's grace period on StopContainer. */
  readonly extraMs?: number;
}

/** Sandbox and container creation touch disks and CNI plugins; pulls take what the network gives. */
const timeoutMsDefault = 10_000;
const timeoutMs: Partial<Record<keyof Calls, number>> = {
  RunPodSandbox: 120_000,
  StopPodSandbox: 120_000,
  RemovePodSandbox: 60_000,
  CreateContainer: 120_000,
  StartContainer: 120_000,
  StopContainer: 30_000,
  RemoveContainer: 60_000,
  PullImage: 30 * 60_000,
  RemoveImage: 60_000,
};

const reasons: Readonly<Record<number, StatusReason>> = {
  [grpcCodes.INVALID_ARGUMENT]: 'BadRequest',
  [grpcCodes.NOT_FOUND]: 'NotFound',
  [grpcCodes.ALREADY_EXISTS]: 'AlreadyExists',
  [grpcCodes.PERMISSION_DENIED]: 'Forbidden',
  [grpcCodes.FAILED_PRECONDITION]: 'Conflict',
  [grpcCodes.UNAUTHENTICATED]: 'Unauthorized',
  [grpcCodes.UNIMPLEMENTED]: 'MethodNotAllowed',
};

const codec = new Codec(messages);

/** Connects on first use; `socketPath` may come and go, each call finds the runtime that then listens. */
export function openCri(socketPath: string): Cri {
  const channel = new GrpcChannel({ path: socketPath });
  return {
    async call(method, request, { signal, extraMs = 0 }) {
      const [path, input, output] = callPaths[method];
      try {
        const limit = (timeoutMs[method] ?? timeoutMsDefault) + extraMs;
        const reply = await channel.unary(path, codec.encode(input, request), { signal, timeoutMs: limit });
        return codec.decode(output, reply) as never;
      } catch (error) {
        throw signal.aborted ? error : criError(method, error);
      }
    },
    [Symbol.dispose]: () => channel[Symbol.dispose](),
  };
}

function criError(method: string, error: unknown): unknown {
  if (!(error instanceof GrpcError)) return internalError(`CRI ${method}: ${String(error)}`, error);
  if (error.code === grpcCodes.DEADLINE_EXCEEDED) return timeout(`CRI ${method}: ${error.message}`);
  if (error.code === grpcCodes.UNAVAILABLE) return unavailable(`CRI ${method}: ${error.message}`, error);
  return new StatusError(reasons[error.code] ?? 'InternalError', error.message, { cause: error });
}
