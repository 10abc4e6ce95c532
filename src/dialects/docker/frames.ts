/** Which stream a frame carries. */
export type StreamNumber = 1 | 2;

/** One frame of Docker's multiplexed streams: the stream's number, three zeros, the length, the bytes. */
export function frame(stream: StreamNumber, data: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(8 + data.length);
  framed.writeUInt32BE(stream << 24, 0);
  framed.writeUInt32BE(data.length, 4);
  framed.set(data, 8);
  return framed;
}

/** What the body is, as `Content-Type` says it. */
export const streamType = (tty: boolean): string =>
  tty ? 'application/vnd.docker.raw-stream' : 'application/vnd.docker.multiplexed-stream';
