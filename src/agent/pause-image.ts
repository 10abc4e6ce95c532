import type { TarEntry } from './tar.ts';

/**
 * The sandbox image: one static program of some 200 bytes that holds a pod's namespaces. It ignores SIGCHLD, which
 * makes the kernel reap orphans where the pod's containers share its process namespace, and then sleeps for good.
 * As process 1 it gets no signal it does not handle, so runtimes end it with SIGKILL at once.
 */
export const pauseImageName = 'tutti.dev/pause:1';

/** Linux/x86-64 and Linux/arm64; another architecture throws. `architecture` is GOARCH. */
export function pauseLayer(architecture: string): readonly TarEntry[] {
  return [{ path: 'pause', mode: 0o755, body: { type: 'bytes', bytes: pauseProgram(architecture) } }];
}

const elfHeaderSize = 64;
const programHeaderSize = 56;
const codeOffset = elfHeaderSize + programHeaderSize;
const loadAddress = 0x400000;

function pauseProgram(architecture: string): Uint8Array {
  const machine = machines[architecture];
  if (machine === undefined) throw new Error(`No pause program for the architecture ${architecture}`);
  // struct sigaction of the kernel: handler SIG_IGN (1), flags, restorer, mask; 32 bytes, after the code.
  const action = Buffer.alloc(32);
  action.writeBigUInt64LE(1n, 0);
  const actionOffset = codeOffset + Math.ceil(machine.codeSize / 8) * 8;
  const code = machine.code(loadAddress + actionOffset);
  const size = actionOffset + action.length;
  const file = Buffer.alloc(size);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(machine.elf, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(loadAddress + codeOffset), 24);
  file.writeBigUInt64LE(BigInt(elfHeaderSize), 32);
  file.writeUInt16LE(elfHeaderSize, 52);
  file.writeUInt16LE(programHeaderSize, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(5, 68); // readable, executable
  file.writeBigUInt64LE(BigInt(loadAddress), 80);
  file.writeBigUInt64LE(BigInt(loadAddress), 88);
  file.writeBigUInt64LE(BigInt(size), 96);
  file.writeBigUInt64LE(BigInt(size), 104);
  file.writeBigUInt64LE(0x10000n, 112);
  file.set(code, codeOffset);
  file.set(action, actionOffset);
  return file;
}

interface Machine {
  readonly elf: number;
  readonly codeSize: number;
  readonly code: (actionAddress: number) => Uint8Array;
}

const machines: Readonly<Record<string, Machine>> = {
  amd64: {
    elf: 62,
    codeSize: 36,
    code(actionAddress) {
      const instructions = [
        [0xb8, 13, 0, 0, 0], // mov eax, rt_sigaction
        [0xbf, 17, 0, 0, 0], // mov edi, SIGCHLD
        [0xbe, 0, 0, 0, 0], // mov esi, action
        [0x31, 0xd2], // xor edx, edx
        [0x41, 0xba, 8, 0, 0, 0], // mov r10d, 8 (size of the mask)
        [0x0f, 0x05], // syscall
        [0xb8, 34, 0, 0, 0], // mov eax, pause
        [0x0f, 0x05], // syscall
        [0xeb, 0xf7], // jmp back to mov eax, pause
      ];
      const code = Buffer.from(instructions.flat());
      code.writeUInt32LE(actionAddress, 11);
      return code;
    },
  },
  arm64: {
    elf: 183,
    codeSize: 48,
    code(actionAddress) {
      const movz = (register: number, value: number, shift = 0) =>
        0xd2800000 + shift * 0x200000 + value * 32 + register;
      const movk = (register: number, value: number, shift: number) =>
        0xf2800000 + shift * 0x200000 + value * 32 + register;
      const words = [
        movz(8, 134), // rt_sigaction
        movz(0, 17), // SIGCHLD
        movz(1, actionAddress % 0x10000),
        movk(1, Math.floor(actionAddress / 0x10000), 1),
        movz(2, 0),
        movz(3, 8), // size of the mask
        0xd4000001, // svc 0
        movz(8, 73), // ppoll(NULL, 0, NULL, NULL): arm64 has no pause
        movz(0, 0),
        movz(1, 0),
        0xd4000001, // svc 0; x2 is still zero
        0x17fffffc, // b back to movz(8, 73): the call's result is in x0
      ];
      const code = Buffer.alloc(words.length * 4);
      words.forEach((word, i) => code.writeUInt32LE(word >>> 0, i * 4));
      return code;
    },
  },
};
