// Addresses and CIDRs: strictness, canonical text and arithmetic.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cidrContains,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  formatIp,
  nthAddress,
  parseCidr,
  parseIp,
  splitCidr,
} from "./ip.ts";

function cidr(text: string) {
  const parsed = parseCidr(text);
  assert.ok(parsed, text);
  return parsed;
}

function ip(text: string) {
  const parsed = parseIp(text);
  assert.ok(parsed, text);
  return parsed;
}

test("parseIp refuses what is ambiguous or no address", () => {
  for (const text of ["010.0.0.1", "1.2.3", "1.2.3.256", "::1%eth0", ":1", "1::2::3", "1:2:3:4:5:6:7", "g::", ""]) {
    assert.equal(parseIp(text), undefined, text);
  }
});

test("formatIp writes the canonical text", () => {
  const cases: Record<string, string> = {
    "10.0.0.1": "10.0.0.1",
    "2001:DB8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
    "::": "::",
    "::ffff:1.2.3.4": "::ffff:1.2.3.4",
    "1:0:2:3:4:5:6:7": "1:0:2:3:4:5:6:7",
    "64:ff9b::10.0.0.1": "64:ff9b::a00:1",
  };
  for (const [text, canonical] of Object.entries(cases)) assert.equal(formatIp(ip(text)), canonical);
});

test("CIDRs contain, overlap, count and enumerate", () => {
  const range = cidr("10.96.3.4/12");
  assert.equal(formatCidr(range), "10.96.0.0/12");
  assert.equal(cidrContains(range, ip("10.111.255.255")), true);
  assert.equal(cidrContains(range, ip("10.112.0.0")), false);
  assert.equal(cidrContains(range, ip("::1")), false);
  assert.equal(cidrsOverlap(range, cidr("10.100.0.0/16")), true);
  assert.equal(cidrsOverlap(range, cidr("10.112.0.0/16")), false);
  assert.equal(cidrSize(cidr("10.0.0.0/24")), 256n);
  assert.equal(formatIp(nthAddress(range, 10)!), "10.96.0.10");
  assert.equal(formatIp(nthAddress(cidr("10.0.0.0/24"), -1)!), "10.0.0.255");
  assert.equal(nthAddress(cidr("10.0.0.0/24"), 256), undefined);
});

test("parseCidr refuses bad prefixes", () => {
  for (const text of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "::/129", "10.0.0.0/"]) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

test("splitCidr gives subnets until the range is used up", () => {
  const range = cidr("10.244.0.0/16");
  assert.equal(formatCidr(splitCidr(range, 24, 1)!), "10.244.1.0/24");
  assert.equal(formatCidr(splitCidr(range, 24, 255)!), "10.244.255.0/24");
  assert.equal(splitCidr(range, 24, 256), undefined);
  assert.equal(splitCidr(range, 8, 0), undefined);
  assert.equal(formatCidr(splitCidr(cidr("fd00::/48"), 64, 2)!), "fd00:0:0:2::/64");
});
