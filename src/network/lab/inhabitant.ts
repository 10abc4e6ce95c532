import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { lookUp } from './look-up.ts';
import type { Order } from './lab.ts';

/**
 * A process that lives in one network namespace of a test: takes orders as lines of JSON, answers each with one
 * line. Its servers answer every connection or packet with their name and the client's address.
 */
const connectMsMax = 2_500;

async function listen({ protocol, port, host = '0.0.0.0', name }: Extract<Order, { do: 'listen' }>): Promise<void> {
  if (protocol === 'tcp') {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(`${name} ${socket.remoteAddress}\n`);
    });
    await once(server.listen(port, host), 'listening');
    return;
  }
  const socket = createSocket('udp4');
  socket.on('message', (_message, from) => socket.send(`${name} ${from.address}`, from.port, from.address));
  socket.bind(port, host);
  await once(socket, 'listening');
}

function askTcp(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket: Socket = connect({ host, port });
    const end = (outcome: string) => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setTimeout(connectMsMax, () => end('timeout'));
    socket.on('data', (data) => (text += data.toString()));
    socket.on('end', () => end(text.trim()));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

function askUdp(host: string, port: number, localPort: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const end = (outcome: string) => {
      clearTimeout(timer);
      socket.close(() => resolve(outcome));
    };
    const timer = setTimeout(() => end('timeout'), connectMsMax);
    socket.on('message', (message) => end(message.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.bind(localPort, () => socket.connect(port, host, () => socket.send('?')));
  });
}

async function obey(order: Order): Promise<unknown> {
  if (order.do === 'listen') return listen(order);
  if (order.do === 'look-up') return lookUp(order.server, 53, order);
  const replies: string[] = [];
  for (let i = 0; i < (order.times ?? 1); i++) {
    const { protocol, host, port, localPort = 0 } = order;
    replies.push(await (protocol === 'tcp' ? askTcp(host, port) : askUdp(host, port, localPort)));
  }
  return replies;
}

for await (const line of createInterface({ input: process.stdin })) {
  const reply = await obey(JSON.parse(line) as Order).then(
    (value) => ({ value: value ?? null }),
    (error: unknown) => ({ error: String(error) }),
  );
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
process.exit(0);
