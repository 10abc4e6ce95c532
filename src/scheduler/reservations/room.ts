import type { PortRange, ReservationSpec, ReservationStatus } from '#api/tutti-scheduling/reservation.ts';
import { quantityOfMilli, quantityOfUnits } from '#machinery/quantity.ts';
import type { HostPort } from '../demand.ts';
import { resource, type NodeTable, type Occupant, type Room } from '../node-table.ts';
import { amountOf, describeAmount } from '../requests.ts';

/** What is held, as `status` says it. */
export function roomOfStatus({ resources = {}, hostPorts = [] }: ReservationStatus): Room {
  return { amounts: amountsOf(resources), hostPorts: portsOf(hostPorts) };
}

/**
 * The room that a reservation asks for on `row`, or, if it leaves the amounts out, all that is free there. Slots for
 * pods are one for each that it names, and one at least, unless it says otherwise.
 */
export function roomAskedFor(
  { resources, hostPorts = [], pods = [] }: ReservationSpec,
  table: NodeTable,
  row: number,
): Room {
  if (resources !== undefined) {
    const amounts = amountsOf(resources);
    if (!amounts.has('pods')) amounts.set('pods', Math.max(1, pods.length));
    return { amounts, hostPorts: portsOf(hostPorts) };
  }
  const amounts = new Map<string, number>();
  for (let id = 0; id < table.allocatable.length; id++) {
    const free = table.free(id, row);
    if (free > 0) amounts.set(table.resources.name(id), free);
  }
  return { amounts, hostPorts: portsOf(hostPorts).filter((port) => table.ports.conflict(row, [port]) === undefined) };
}

/** Why `row` has not this room free, in upstream's words where it has some; undefined if it has. */
export function lacking({ amounts, hostPorts }: Room, table: NodeTable, row: number): string | undefined {
  const short: string[] = [];
  for (const [name, asked] of amounts) {
    const free = table.free(table.resourceId(name), row);
    if (asked > free) short.push(shortage(name, asked, Math.max(0, free)));
  }
  const taken = table.ports.conflict(row, hostPorts);
  if (taken !== undefined) short.push(`host port ${taken.port}/${taken.protocol} is taken`);
  return short.length === 0 ? undefined : short.join(', ');
}

/** Why a pod does not fit into `room`; undefined if it does. */
export function exceeding(
  { signature: { demand } }: Pick<Occupant, 'signature'>,
  { amounts, hostPorts }: Room,
): string | undefined {
  const short: string[] = [];
  for (const [name, asked] of [...demand.requests, ['pods', 1] as const]) {
    const left = amounts.get(name) ?? 0;
    if (asked > left) short.push(shortage(name, asked, left));
  }
  const missing = demand.hostPorts.find((port) => !hostPorts.some((held) => isSame(held, port)));
  if (missing !== undefined) short.push(`host port ${missing.port}/${missing.protocol} is not part of it`);
  return short.length === 0 ? undefined : short.join(', ');
}

const shortage = (name: string, asked: number, free: number) =>
  name === 'pods'
    ? 'Too many pods'
    : `Insufficient ${name} (${describeAmount(name, asked)} of ${describeAmount(name, free)})`;

/** What is left of `room` once `pods` have their part of it; nothing where they take more. */
export function roomWithout(room: Room, pods: readonly Pick<Occupant, 'signature'>[]): Room {
  if (pods.length === 0) return room;
  const amounts = new Map(room.amounts);
  const take = (name: string, amount: number) => {
    const left = amounts.get(name);
    if (left !== undefined) amounts.set(name, Math.max(0, left - amount));
  };
  for (const { signature } of pods) {
    for (const [name, amount] of signature.demand.requests) take(name, amount);
    take('pods', 1);
  }
  const used = pods.flatMap(({ signature }) => signature.demand.hostPorts);
  return { amounts, hostPorts: room.hostPorts.filter((held) => !used.some((port) => isSame(held, port))) };
}

const isSame = (a: HostPort, b: HostPort) => a.port === b.port && a.protocol === b.protocol;

/** Amounts that are more than nothing, as quantities. */
export function quantitiesOf({ amounts }: Room): Readonly<Record<string, string>> {
  const quantity = (name: string, amount: number) => {
    if (name === 'cpu') return quantityOfMilli(amount);
    const bytes = name === 'memory' || name === 'ephemeral-storage' || name.startsWith('hugepages-');
    return quantityOfUnits(amount, bytes ? 'BinarySI' : 'DecimalSI');
  };
  return Object.fromEntries(
    [...amounts].filter(([, amount]) => amount > 0).map(([name, amount]) => [name, quantity(name, amount)]),
  );
}

/** Ports as ranges, in order. */
export function rangesOf({ hostPorts }: Room): readonly PortRange[] {
  const ranges: { protocol: string; port: number; endPort: number }[] = [];
  const order = hostPorts.toSorted((a, b) =>
    a.protocol === b.protocol ? a.port - b.port : a.protocol < b.protocol ? -1 : 1,
  );
  for (const { protocol, port } of order) {
    const last = ranges.at(-1);
    if (last !== undefined && last.protocol === protocol && last.endPort + 1 === port) last.endPort = port;
    else ranges.push({ protocol, port, endPort: port });
  }
  return ranges.map(({ protocol, port, endPort }) => ({ protocol, port, ...(endPort === port ? {} : { endPort }) }));
}

/** True if there is anything to hold: slots for pods alone are nothing, and nothing can run without one. */
export function isEmpty({ amounts }: Room): boolean {
  return (amounts.get('pods') ?? 0) <= 0 || [...amounts].every(([name, amount]) => name === 'pods' || amount <= 0);
}

/** Amounts of `room` by resource number. */
export function vectorOf({ amounts }: Room, table: NodeTable): ReadonlyMap<number, number> {
  return new Map(
    [...amounts].map(([name, amount]) => [name === 'pods' ? resource.pods : table.resourceId(name), amount]),
  );
}

function amountsOf(resources: Readonly<Record<string, string>>): Map<string, number> {
  return new Map(Object.entries(resources).map(([name, quantity]) => [name, amountOf(name, quantity)]));
}

function portsOf(ranges: readonly PortRange[]): readonly HostPort[] {
  return ranges.flatMap(({ protocol = 'TCP', port, endPort = port }) =>
    Array.from({ length: endPort - port + 1 }, (_, index) => ({ protocol, ip: '0.0.0.0', port: port + index })),
  );
}
