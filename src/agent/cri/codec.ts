export * from '#lib/proto3.ts';
