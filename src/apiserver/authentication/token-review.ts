import type { TokenReview } from '#api/authentication/token-review.ts';
import { badRequest, hasReason } from '#machinery/status-error.ts';
import type { TokenAuthenticator } from './bearer-token.ts';
import { withAuthenticated } from './union.ts';

/** Answers a TokenReview: whose token it is, or why it is nobody's. `audiences` are the API's own, meant if none are asked for. */
export async function reviewToken(
  review: TokenReview,
  tokens: TokenAuthenticator,
  audiences: readonly string[],
): Promise<TokenReview> {
  const { token, audiences: asked } = review.spec;
  if (token === undefined || token === '') throw badRequest('token is required for TokenReview in authentication');
  try {
    const identity = await tokens.authenticateToken(
      token,
      asked === undefined || asked.length === 0 ? audiences : asked,
    );
    if (identity === undefined) return { ...review, status: { authenticated: false, user: {} } };
    return {
      ...review,
      status: {
        authenticated: true,
        user: withAuthenticated(identity.user),
        ...(asked === undefined || asked.length === 0 ? {} : { audiences: identity.audiences }),
      },
    };
  } catch (error) {
    if (!hasReason(error, 'Unauthorized')) throw error;
    return { ...review, status: { authenticated: false, user: {}, error: error.message } };
  }
}
