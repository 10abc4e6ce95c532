const [carriageReturn, newline] = [13, 10];

/** A terminal ends lines with CR LF; the node's log keeps lines without either. Puts back the CR that it dropped. */
export async function* terminalLines(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let last = 0;
  for await (const chunk of source) {
    const parts: Buffer[] = [];
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, at + 1)) {
      if ((at === 0 ? last : chunk[at - 1]) === carriageReturn) continue;
      parts.push(chunk.subarray(from, at), Buffer.of(carriageReturn));
      from = at;
    }
    parts.push(chunk.subarray(from));
    last = chunk.at(-1) ?? last;
    yield Buffer.concat(parts);
  }
}
