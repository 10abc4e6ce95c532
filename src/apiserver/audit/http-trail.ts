import { StatusError } from '#machinery/status-error.ts';
import type { UserInfo } from '#client/client.ts';
import type { HttpRequest } from '../rest/exchange.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { Auditor, AuditTrail } from './auditor.ts';

/** Addresses a request may say it came through. */
const forwardedMax = 16;

/** Where a request came from: what proxies have noted, then the socket's other end. Source: apimachinery's net.SourceIPs. */
export function sourceIPsOf({ headers, socket }: HttpRequest): readonly string[] {
  const forwarded = headers['x-forwarded-for'];
  const noted = (Array.isArray(forwarded) ? forwarded.join(',') : (forwarded ?? '')).split(',').slice(0, forwardedMax);
  const real = headers['x-real-ip'];
  const all = [...noted, typeof real === 'string' ? real : '', socket.remoteAddress ?? '']
    .map((each) => each.trim().replace(/^::ffff:/, ''))
    .filter((each) => /^[\da-fA-F:.]{2,45}$/.test(each));
  return [...new Set(all)];
}

/** Begins the trail of a request over HTTP. */
export function beginTrail(
  auditor: Auditor | undefined,
  req: HttpRequest,
  info: RequestInfo,
  who: { readonly user: UserInfo; readonly auditId: string },
): AuditTrail | undefined {
  return auditor?.begin({
    ...info,
    ...who,
    uri: req.url ?? '/',
    sourceIPs: sourceIPsOf(req),
    userAgent: req.headers['user-agent'] ?? '',
  });
}

/** Notes a request whose caller could not be told. Source: k8s.io/apiserver's WithFailedAuthenticationAudit. */
export function noteUnauthenticated(
  auditor: Auditor | undefined,
  req: HttpRequest,
  info: RequestInfo,
  auditId: string,
): void {
  const trail = beginTrail(auditor, req, info, { user: { username: '', groups: [] }, auditId });
  trail?.refused(401, `Authentication failed, attempted: ${attempted(req)}`);
}

function attempted({ headers }: HttpRequest): string {
  const [scheme] = (headers.authorization ?? '').split(' ', 1);
  return scheme === '' || scheme === undefined
    ? 'none'
    : scheme
        .toLowerCase()
        .replaceAll(/[^a-z]/g, '')
        .slice(0, 16);
}

/** Ends a trail by what became of the request: an error that is no StatusError, of a request still wanted, is a panic. */
export function endTrail(
  trail: AuditTrail | undefined,
  outcome: { readonly code: number; readonly cause: unknown; readonly abandoned: boolean },
): void {
  if (trail === undefined) return;
  const { code, cause, abandoned } = outcome;
  const error = cause instanceof StatusError ? cause : undefined;
  trail.end({ code, error, panicked: cause !== undefined && error === undefined && !abandoned });
}
