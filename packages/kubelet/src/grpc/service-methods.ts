// gRPC methods as grpc-js wants them, made from a protobufjs descriptor when they are first used.
import type { MethodDefinition } from "@grpc/grpc-js";
import Long from "long";
import type { INamespace } from "protobufjs";
import protobuf from "protobufjs/light.js";

// Times in nanoseconds are beyond what a number holds exactly.
protobuf.util.Long = Long;
protobuf.configure();

/** As grpc-js takes it: path, kind of stream, and how messages are written and read. */
export type GrpcMethod = MethodDefinition<object, object>;

/** 64-bit integers and enums as text, defaults filled in, field names in camel case. */
const PLAIN = { longs: String, enums: String, defaults: true, arrays: true, objects: true } as const;

/**
 * The methods of some services by their name; the services must not share a name. proto-loader makes the same, but also a
 * descriptor of every message for reflection, which costs the kubelet 9 MB and has no reader.
 */
export function serviceMethods(descriptor: object, services: readonly string[]): Readonly<Record<string, GrpcMethod>> {
  const root = protobuf.Root.fromJSON(descriptor as INamespace);
  const methods: Record<string, GrpcMethod> = {};
  for (const name of services) {
    const service = root.lookupService(name);
    for (const method of service.methodsArray) methods[method.name] = methodOf(name, service, method);
  }
  return methods;
}

/** How one message of a contract is written and read. */
export function messageCodec<T extends object>(
  descriptor: object,
  name: string,
): { encode(message: T): Uint8Array; decode(bytes: Uint8Array): T } {
  const type = protobuf.Root.fromJSON(descriptor as INamespace).lookupType(name);
  return {
    encode: (message) => type.encode(type.fromObject(message)).finish(),
    decode: (bytes) => type.toObject(type.decode(bytes), PLAIN) as T,
  };
}

function methodOf(serviceName: string, service: protobuf.Service, method: protobuf.Method): GrpcMethod {
  // Looked up on first use: most of a contract's messages are never needed.
  const encode = (typeName: string) => (message: object) => {
    const type = service.lookupType(typeName);
    return Buffer.from(type.encode(type.fromObject(message)).finish());
  };
  const decode = (typeName: string) => (bytes: Buffer) => {
    const type = service.lookupType(typeName);
    return type.toObject(type.decode(bytes), PLAIN) as object;
  };
  return {
    path: `/${serviceName}/${method.name}`,
    requestStream: method.requestStream ?? false,
    responseStream: method.responseStream ?? false,
    requestSerialize: encode(method.requestType),
    requestDeserialize: decode(method.requestType),
    responseSerialize: encode(method.responseType),
    responseDeserialize: decode(method.responseType),
  };
}
