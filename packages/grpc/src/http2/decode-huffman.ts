// HPACK's Huffman code (RFC 7541, appendix B), reading. It is canonical, so that the lengths of its codes say it all.

/** One character for each byte. Throws RangeError for bits that are no text. */
export function decodeHuffman(bytes: Uint8Array): string {
  const symbols: number[] = [];
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((byte >> bit) & 1);
      const codes = CODES[++length];
      if (!codes) throw new RangeError("no Huffman code");
      const offset = code - codes.first;
      if (offset >= codes.symbols.length) continue;
      const symbol = codes.symbols[offset] as number;
      if (symbol === END_OF_STRING) throw new RangeError("the end of a string within it");
      symbols.push(symbol);
      code = 0;
      length = 0;
    }
  }
  // What is left of the last byte are the first bits of the code of the end, which are ones.
  if (length > 7 || code !== (1 << length) - 1) throw new RangeError("a Huffman code that is cut off");
  return Buffer.from(symbols).toString("latin1");
}

const END_OF_STRING = 256;
const MAX_LENGTH = 30;

/** For each byte, and for the end of a string after them, how many bits its code has: one digit of base 36 each. */
const LENGTHS = [
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca",
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds",
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn",
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq",
  "u",
].join("");

/** The codes of a length are consecutive numbers, the first one of them belonging to the smallest symbol. */
interface CodesOfLength {
  readonly first: number;
  readonly symbols: readonly number[];
}

/** By length; there is no code without bits. */
const CODES: readonly CodesOfLength[] = numberCodes();

function numberCodes(): CodesOfLength[] {
  const symbols = Array.from(LENGTHS, (_, symbol) => symbol);
  const codes: CodesOfLength[] = [];
  let next = 0;
  for (let length = 0; length <= MAX_LENGTH; length++) {
    const digit = length.toString(36);
    const first = next * 2;
    codes.push({ first, symbols: symbols.filter((symbol) => LENGTHS[symbol] === digit) });
    next = first + (codes[length]?.symbols.length ?? 0);
  }
  return codes;
}
