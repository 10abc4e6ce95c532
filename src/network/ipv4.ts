import { isIPv4 } from 'node:net';
import { StatusError } from '#machinery/status-error.ts';

/** A block of IPv4 addresses: the lowest address as an unsigned 32-bit number, and the prefix length in bits. */
export interface Ipv4Block {
  readonly base: number;
  readonly bits: number;
}

/** An address in dotted form as an unsigned number. Throws Invalid for anything else. */
export function parseIpv4(text: string): number {
  if (!isIPv4(text)) throw new StatusError('Invalid', `"${text}" is not an IPv4 address, such as 10.0.0.1`);
  return text.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}

export function formatIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

const maskOf = (bits: number) => (bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0);

/** `10.244.0.0/24` as a block; host bits are cleared. Throws Invalid. */
export function parseBlock(text: string): Ipv4Block {
  const [address = '', bits = '', rest] = text.split('/');
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32 || rest !== undefined) {
    throw new StatusError('Invalid', `"${text}" is not a block of IPv4 addresses, such as 10.244.0.0/24`);
  }
  return { base: (parseIpv4(address) & maskOf(Number(bits))) >>> 0, bits: Number(bits) };
}

export const formatBlock = ({ base, bits }: Ipv4Block) => `${formatIpv4(base)}/${bits}`;

export function contains({ base, bits }: Ipv4Block, address: number): boolean {
  return (address & maskOf(bits)) >>> 0 === base;
}

/** The first usable address of a node's block: its bridge, and the gateway of its pods. */
export const gatewayOf = ({ base }: Ipv4Block) => formatIpv4(base + 1);

/**
 * True for an address that traffic for a service may be sent to: never this host's loopback, link-local (where
 * clouds keep their metadata), multicast or unspecified addresses, whoever wrote the slice.
 */
export function isRoutableTarget(address: string): boolean {
  if (!isIPv4(address)) return false;
  const [first = 0, second = 0] = address.split('.').map(Number);
  return first !== 0 && first !== 127 && first < 224 && !(first === 169 && second === 254);
}
