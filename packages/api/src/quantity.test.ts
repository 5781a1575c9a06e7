// Quantities: canonical forms, rounding and refusals.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatMilliQuantity,
  formatQuantity,
  isQuantity,
  parseQuantity,
  QUANTITY_REGEX_MESSAGE,
  quantityMilliValue,
  quantityValue,
  subtractQuantities,
} from "./quantity.ts";

test("canonicalQuantity keeps the family of suffixes and the value", () => {
  const cases: Record<string, string> = {
    "1000m": "1",
    "0.5": "500m",
    ".5": "500m",
    "1024Mi": "1Gi",
    "1.5Gi": "1536Mi",
    "1000Ki": "1000Ki",
    "1023": "1023",
    "100000": "100k",
    "1e3": "1e3",
    "12E": "9223372036854775807",
    "-1.5Gi": "-1536Mi",
    "0m": "0",
    "+5": "5",
  };
  for (const [text, canonical] of Object.entries(cases)) assert.equal(canonicalQuantity(text), canonical, text);
});

test("canonicalQuantity shows decimals where a binary suffix would lose precision", () => {
  assert.equal(canonicalQuantity("0.1Ki"), "102400m");
  assert.equal(canonicalQuantity("0.5Mi"), "512Ki");
});

test("parseQuantity rounds amounts below a billionth away from zero and bounds absurd exponents", () => {
  assert.equal(parseQuantity("0.0000000001").nano, 1n);
  assert.equal(parseQuantity("-0.0000000001").nano, -1n);
  assert.equal(parseQuantity("1e-999999999").nano, 1n);
  assert.equal(canonicalQuantity("1e999999999"), "9223372036854775807");
});

test("parseQuantity refuses with upstream's words", () => {
  for (const text of ["", "aoeu", "1.1.M", "1 Gi", "-", "1KI"]) {
    assert.throws(() => parseQuantity(text), { message: QUANTITY_REGEX_MESSAGE }, text);
  }
  assert.throws(() => parseQuantity("1i"), { message: "unable to parse quantity's suffix" });
  assert.throws(() => parseQuantity("."), { message: "unable to parse numeric part of quantity" });
  assert.equal(isQuantity("1e"), false);
});

test("quantityValue and quantityMilliValue round up", () => {
  assert.equal(quantityValue("1500m"), 2);
  assert.equal(quantityValue("-1500m"), -1);
  assert.equal(quantityValue("1Gi"), 1024 ** 3);
  assert.equal(quantityMilliValue("2"), 2000);
  assert.equal(quantityMilliValue("100u"), 1);
});

test("quantities add, subtract, compare and format exactly", () => {
  assert.equal(addQuantities("500m", "1.5"), "2");
  assert.equal(addQuantities("0", "1Gi"), "1Gi");
  assert.equal(subtractQuantities("1Gi", "512Mi"), "512Mi");
  assert.equal(compareQuantities("1Gi", "1G"), 1);
  assert.equal(compareQuantities("1", "1000m"), 0);
  assert.equal(formatQuantity(1024 ** 2, "binary"), "1Mi");
  assert.equal(formatMilliQuantity(1500), "1500m");
});
