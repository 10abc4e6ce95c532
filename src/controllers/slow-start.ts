/**
 * Does `fn` `count` times in batches of 1, 2, 4, 8, …, each side by side. A batch with a failure is the last, so a
 * thousand calls that would all be refused for one reason (a quota, say) cost only a few. Returns how many succeeded
 * and the first failure.
 */
export async function slowStart(
  count: number,
  fn: () => Promise<unknown>,
): Promise<{ readonly succeeded: number; readonly failure?: unknown }> {
  let succeeded = 0;
  for (let size = Math.min(1, count); size > 0; size = Math.min(size * 2, count - succeeded)) {
    const results = await Promise.allSettled(Array.from({ length: size }, fn));
    const failed = results.find((result) => result.status === 'rejected');
    succeeded += results.filter(({ status }) => status === 'fulfilled').length;
    if (failed !== undefined) return { succeeded, failure: failed.reason };
  }
  return { succeeded };
}
