// The fields that hold resource quantities, which the generated models show as plain texts.

/** Model to fields, space-separated; of lists and maps each value is a quantity. Upstream's type resource.Quantity. */
const QUANTITIES: Readonly<Record<string, string>> = {
  CSIStorageCapacity: "capacity maximumVolumeSize",
  CapacityRequestPolicy: "default validValues",
  CapacityRequestPolicyRange: "max min step",
  CapacityRequirements: "requests",
  ContainerStatus: "allocatedResources",
  Counter: "value",
  DeviceCapacity: "value",
  DeviceRequestAllocationResult: "consumedCapacity",
  EmptyDirVolumeSource: "sizeLimit",
  LimitRangeItem: "default defaultRequest max maxLimitRequestRatio min",
  NodeAllocatableResourceClaimStatus: "resources",
  NodeAllocatableResourceMapping: "allocationMultiplier",
  NodeStatus: "allocatable capacity",
  Overhead: "podFixed",
  PersistentVolumeClaimStatus: "allocatedResources capacity",
  PersistentVolumeSpec: "capacity",
  PodSpec: "overhead",
  PodStatus: "allocatedResources",
  ResourceFieldSelector: "divisor",
  // Counts of objects are quantities too: a quota has one map for both.
  ResourceQuotaSpec: "hard",
  ResourceQuotaStatus: "hard used",
  ResourceRequirements: "limits requests",
  V2MetricTarget: "averageValue value",
  V2MetricValueStatus: "averageValue value",
  V2HPAScalingRules: "tolerance",
  VolumeResourceRequirements: "limits requests",
};

/** Model to its fields. Quantities may be written as numbers, are compared by value and kept as texts. */
export const quantityTable: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(QUANTITIES).map(([model, fields]) => [model, new Set(fields.split(" "))]),
);
