/** A status tells what is; whoever creates an object cannot know. */
export function resetStatus<T extends object>(object: T): T {
  return { ...object, status: {} };
}
