import type { Session } from '#client/client.ts';
import { internalError } from '#machinery/status-error.ts';

/**
 * A session on a container that has only just started: if it ends and has shown nothing, although `wroteAndEnded`
 * says that the container wrote and is over, then the container was quicker than its client. The outcome says so, and
 * clients fetch the log instead (`kubectl run --rm -i … -- echo hi`).
 */
export function tellingOfMissedOutput(session: Session, wroteAndEnded: () => Promise<boolean>): Session {
  const outputs = [session.stdout, session.stderr].filter((output) => output !== undefined);
  const outcome = async () => {
    const status = await session.done;
    if (status.status !== 'Success' || outputs.some(({ readableDidRead }) => readableDidRead)) return status;
    if (!(await wroteAndEnded())) return status;
    return internalError('The container had written and ended before it could be attached to').toStatus();
  };
  return { ...session, done: outcome() };
}
