/** Ends a `switch` over a union: the compiler shows that no case is left, and a wrong value at run time is loud. */
export function unreachable(value: never): never {
  throw new Error(`Unexpected value ${JSON.stringify(value)}`);
}
