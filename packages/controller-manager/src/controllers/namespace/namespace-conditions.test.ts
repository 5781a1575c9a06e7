// What a terminating namespace says of its content.
import assert from "node:assert/strict";
import { test } from "node:test";
import { namespaceConditions } from "./namespace-conditions.ts";

const NONE = { discoveryFailures: new Map(), deletionFailures: [], remaining: new Map(), finalizers: new Map() };
const START = Date.parse("2026-01-01T00:00:00Z");

test("namespaceConditions reports what is left in upstream's words", () => {
  const conditions = namespaceConditions(
    undefined,
    {
      discoveryFailures: new Map([["metrics.k8s.io/v1beta1", "503"]]),
      deletionFailures: ["b", "a"],
      remaining: new Map([["pods.", 2]]),
      finalizers: new Map([["example.com/hold", 1]]),
    },
    START,
  );
  assert.deepEqual(
    conditions.map(({ type, status, reason, message }) => [type, status, reason, message]),
    [
      [
        "NamespaceDeletionDiscoveryFailure",
        "True",
        "DiscoveryFailed",
        "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: 503",
      ],
      [
        "NamespaceDeletionGroupVersionParsingFailure",
        "False",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
      ],
      [
        "NamespaceDeletionContentFailure",
        "True",
        "ContentDeletionFailed",
        "Failed to delete all resource types, 2 remaining: a, b",
      ],
      [
        "NamespaceContentRemaining",
        "True",
        "SomeResourcesRemain",
        "Some resources are remaining: pods. has 2 resource instances",
      ],
      [
        "NamespaceFinalizersRemaining",
        "True",
        "SomeFinalizersRemain",
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
      ],
    ],
  );
});

test("namespaceConditions moves the transition time with the status only, and keeps others' conditions", () => {
  const others = { type: "Theirs", status: "True" };
  const first = namespaceConditions([others], { ...NONE, remaining: new Map([["pods.", 2]]) }, START);
  const second = namespaceConditions(first, { ...NONE, remaining: new Map([["pods.", 1]]) }, START + 1000);
  const third = namespaceConditions(second, NONE, START + 2000);
  const timesOf = (type: string) =>
    [first, second, third].map((list) => list.find((c) => c.type === type)?.lastTransitionTime?.slice(17, 19));
  assert.deepEqual(timesOf("NamespaceContentRemaining"), ["00", "00", "02"]);
  assert.deepEqual(timesOf("NamespaceDeletionContentFailure"), ["00", "00", "00"]);
  assert.ok(third.includes(others));
});
