// Reading and writing header fields; what Node's own encoder makes of them is read in client-connection.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHuffman } from "./decode-huffman.ts";
import { encodeHeaders, HpackDecoder } from "./hpack.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

test("decodeHuffman reads the standard's examples, and long codes", () => {
  assert.equal(decodeHuffman(hex("f1e3c2e5f23a6ba0ab90f4ff")), "www.example.com");
  assert.equal(decodeHuffman(hex("a8eb10649cbf")), "no-cache");
  assert.equal(decodeHuffman(hex("9d29ad171863c78f0b97c8e9ae82ae43d3")), "https://www.example.com");
  // 0xffc00 of 20 bits is a backslash's neighbour in length: `\` is 19 bits, 0x7fff0.
  assert.equal(decodeHuffman(hex("fffe1f")), "\\");
  assert.equal(decodeHuffman(hex("")), "");
});

test("decodeHuffman refuses what is no text", () => {
  // Padding of a whole byte, padding with zeros, and the code of the end itself.
  assert.throws(() => decodeHuffman(hex("1fff")), RangeError);
  assert.throws(() => decodeHuffman(hex("18")), RangeError);
  assert.throws(() => decodeHuffman(hex("fffffffc")), RangeError);
});

test("HpackDecoder follows the standard's three requests through one table", () => {
  const decoder = new HpackDecoder();
  const base = [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ];
  assert.deepEqual(decoder.decode(hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff")), base);
  assert.deepEqual(decoder.decode(hex("8286 84be 5886 a8eb 1064 9cbf")), [...base, ["cache-control", "no-cache"]]);
  assert.deepEqual(decoder.decode(hex("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf")), [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ]);
});

test("HpackDecoder forgets the oldest fields when the table is full or made smaller", () => {
  const decoder = new HpackDecoder();
  const field = (name: string) => [0x40, 1, name.charCodeAt(0), 1, 0x31];
  // 34 bytes each, so two of them fit into 70.
  decoder.decode(Buffer.from([0x3f, 70 - 31, ...field("a"), ...field("b"), ...field("c")]));
  assert.deepEqual(decoder.decode(Buffer.from([0xbe, 0xbf])), [
    ["c", "1"],
    ["b", "1"],
  ]);
  assert.throws(() => decoder.decode(Buffer.from([0xc0])), /no header field has the index 64/);
  assert.throws(() => decoder.decode(Buffer.from([0x20, 0xbe])), /index 62/);
});

test("HpackDecoder refuses blocks that break the rules", () => {
  const refused = { "index 0": "80", "cut name": "4005 61", "cut number": "ff", "endless number": "ffffffffffff7f" };
  const sizes = { "size above 4096": "3fe21f", "size behind a field": "8220" };
  for (const [what, block] of Object.entries({ ...refused, ...sizes })) {
    assert.throws(() => new HpackDecoder().decode(hex(block)), RangeError, what);
  }
});

test("encodeHeaders makes blocks that any decoder reads again and again", () => {
  const fields = { ":path": "/etcdserverpb.KV/Range", te: "trailers", long: "x".repeat(300) };
  const block = encodeHeaders(fields);
  const decoder = new HpackDecoder();
  for (let k = 0; k < 2; k++) assert.deepEqual(decoder.decode(block), Object.entries(fields));
});
