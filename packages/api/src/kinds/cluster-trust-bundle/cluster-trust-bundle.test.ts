// Which bundles of root certificates are taken.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pemBlocks, pemText } from "../../pem-blocks.ts";
import { created, judgeNew, judgeUpdate } from "../judge.ts";
import { clusterTrustBundleKind } from "./cluster-trust-bundle.ts";
import { LEAF, ROOT_ONE, ROOT_TWO } from "./sample-certificates.ts";

function judge(name: string, trustBundle: string, signerName?: string): string[] {
  return judgeNew(clusterTrustBundleKind, { metadata: { name }, spec: { trustBundle, signerName } });
}

test("the name of a bundle tells its signer, or that it has none", () => {
  assert.deepEqual(judge("plain", ROOT_ONE), []);
  assert.deepEqual(judge("example.com:foo:v1", ROOT_ONE, "example.com/foo"), []);
  const [colon, ...rest] = judge("a:b", ROOT_ONE);
  assert.match(colon ?? "", /metadata.name: .*without signer name must not have ":" in its name/);
  assert.deepEqual(rest, []);
  assert.match(judge("plain", ROOT_ONE, "example.com/foo").join(), /must be named with prefix example.com:foo:/);
  assert.match(judge("example.com:foo:V1", ROOT_ONE, "example.com/foo").join(), /lowercase RFC 1123 subdomain/);
  assert.match(judge("example:foo", ROOT_ONE, "example").join(), /spec.signerName: .*fully qualified domain and path/);
});

test("a bundle holds certificates of authorities, each once, and nothing else", () => {
  const why = (text: string) => judge("plain", text).join("; ");
  assert.equal(why(`first\n${ROOT_ONE}between\n${ROOT_TWO}last`), "");
  assert.match(why(""), /spec.trustBundle: .*<value omitted>.*at least one trust anchor must be provided/);
  assert.match(why(ROOT_ONE + LEAF), /entry 1 does not have the CA bit set/);
  assert.match(why(ROOT_ONE.replaceAll("CERTIFICATE", "PUBLIC KEY")), /entry 0 has bad block type: PUBLIC KEY/);
  assert.match(why(pemText("CERTIFICATE", Buffer.from("nothing"))), /entry 0 does not parse as X.509/);
  const withHeaders = ROOT_ONE.replace("-----\n", "-----\nProc-Type: 4\n\n");
  assert.match(why(withHeaders), /entry 0 has PEM block headers/);
  assert.match(why(ROOT_ONE + ROOT_TWO + ROOT_ONE), /duplicate trust anchor \(indices \[0 2\]\)/);
  assert.match(why("x".repeat(1024 * 1024 + 1)), /Too long/);
});

test("a bundle's certificates may change and its signer may not", () => {
  const manifest = {
    metadata: { name: "example.com:foo:v1" },
    spec: { trustBundle: ROOT_ONE, signerName: "example.com/foo" },
  };
  const stored = created(clusterTrustBundleKind, manifest);
  const change = (edit: (spec: typeof stored.spec) => void) =>
    judgeUpdate(clusterTrustBundleKind, stored, ({ spec }) => edit(spec)).join("; ");
  assert.equal(
    change((spec) => {
      spec.trustBundle = ROOT_TWO;
    }),
    "",
  );
  assert.match(
    change((spec) => {
      spec.trustBundle = LEAF;
    }),
    /does not have the CA bit set/,
  );
  assert.match(
    change((spec) => {
      spec.signerName = "example.com/bar";
    }),
    /spec.signerName: .*field is immutable/,
  );
  // What an earlier release took is not judged again while it stays as it is.
  const old = created(clusterTrustBundleKind, { metadata: { name: "old" }, spec: { trustBundle: LEAF } });
  assert.deepEqual(
    judgeUpdate(clusterTrustBundleKind, old, (next) => {
      next.metadata.labels = { a: "b" };
    }),
    [],
  );
});

test("pemBlocks passes over what is no block", () => {
  const [one] = pemBlocks(ROOT_ONE);
  assert.ok(one);
  assert.equal(pemText(one.type, one.der), ROOT_ONE);
  const broken = ROOT_ONE.replace(/\n(.)/, "\n!$1");
  assert.deepEqual(
    pemBlocks(`${broken}${ROOT_TWO}`).map(({ der }) => der),
    pemBlocks(ROOT_TWO).map(({ der }) => der),
  );
  assert.deepEqual(pemBlocks(ROOT_ONE.replaceAll("\n", "\n \n"))[0]?.der, one.der);
});
