// Which addresses the apiserver lets itself be sent to.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyable } from "./proxy-target.ts";

test("proxyable takes pod addresses and refuses those of the apiserver's own machine", () => {
  for (const host of ["10.98.128.29", "1.2.3.4", "fd00::1", "example.com"]) assert.equal(proxyable(host), host);
  for (const host of ["127.0.0.1", "169.254.1.1", "0.0.0.0", "::1", "fe80::1", "::ffff:127.0.0.1", "localhost", ""]) {
    assert.throws(() => proxyable(host), { message: "address not allowed" }, host);
  }
});
