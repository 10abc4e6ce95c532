export * from '#lib/grpc.ts';
