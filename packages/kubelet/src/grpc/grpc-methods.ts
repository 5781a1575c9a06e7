// The methods of gRPC services as a protobufjs descriptor names them: path, encoder, decoder.
import Long from "long";
import type { INamespace } from "protobufjs";
import protobuf from "protobufjs/light.js";

// Times in nanoseconds are beyond what a number holds exactly.
protobuf.util.Long = Long;
protobuf.configure();

export interface GrpcMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  encode(request: object): Uint8Array;
  /** 64-bit integers and enums as text, defaults filled in, field names in camel case. */
  decode(bytes: Uint8Array): object;
}

const PLAIN = { longs: String, enums: String, defaults: true, arrays: true, objects: true } as const;

/** By name; the services must not share a name. */
export function grpcMethods(descriptor: object, services: readonly string[]): ReadonlyMap<string, GrpcMethod> {
  const root = protobuf.Root.fromJSON(descriptor as INamespace);
  const methods = new Map<string, GrpcMethod>();
  for (const name of services) {
    const service = root.lookupService(name);
    for (const { name: method, requestType, responseType } of service.methodsArray) {
      methods.set(method, {
        path: `/${name}/${method}`,
        // Looked up on first use: most of a contract's messages are never needed.
        encode(request) {
          const type = service.lookupType(requestType);
          return type.encode(type.fromObject(request)).finish();
        },
        decode(bytes) {
          const type = service.lookupType(responseType);
          return type.toObject(type.decode(bytes), PLAIN);
        },
      });
    }
  }
  return methods;
}
