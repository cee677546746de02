// Chaining values of BLAKE3, which the signed heads of a live stream name for each piece: see docs/decisions/0001.
const IV = Uint32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);
const ORDER = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const [CHUNK_START, CHUNK_END, PARENT, ROOT] = [1, 2, 4, 8];
const CHUNK = 1024;

const right = (word, by) => (word >>> by) | (word << (32 - by));

function mix(v, a, b, c, d, x, y) {
  v[a] = v[a] + v[b] + x;
  v[d] = right(v[d] ^ v[a], 16);
  v[c] = v[c] + v[d];
  v[b] = right(v[b] ^ v[c], 12);
  v[a] = v[a] + v[b] + y;
  v[d] = right(v[d] ^ v[a], 8);
  v[c] = v[c] + v[d];
  v[b] = right(v[b] ^ v[c], 7);
}

function compress(chain, block, counter, length, flags) {
  const v = Uint32Array.of(...chain, ...IV.subarray(0, 4), counter, 0, length, flags);
  let m = block;
  for (let round = 0; round < 7; round++) {
    for (let i = 0; i < 4; i++) mix(v, i, 4 + i, 8 + i, 12 + i, m[2 * i], m[2 * i + 1]);
    for (let i = 0; i < 4; i++) mix(v, i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4), m[8 + 2 * i], m[9 + 2 * i]);
    m = Uint32Array.from(ORDER, (at) => m[at]);
  }
  return v.subarray(0, 8).map((word, i) => word ^ v[i + 8]);
}

function chunk(bytes, counter, root) {
  let chain = IV;
  for (let at = 0; at === 0 || at < bytes.length; at += 64) {
    const block = new Uint8Array(64);
    block.set(bytes.subarray(at, at + 64));
    const isLast = at + 64 >= bytes.length;
    const flags = (at === 0 ? CHUNK_START : 0) | (isLast ? CHUNK_END | root : 0);
    chain = compress(chain, new Uint32Array(block.buffer), counter, Math.min(64, bytes.length - at), flags);
  }
  return chain;
}

/** The chaining value of a tree of chunks, the first of which has this number; `root` is ROOT where it is all there is. */
function tree(bytes, first, root) {
  if (bytes.length <= CHUNK) return chunk(bytes, first, root);
  let left = CHUNK;
  while (left * 2 < bytes.length) left *= 2;
  return parent(tree(bytes.subarray(0, left), first, 0), tree(bytes.subarray(left), first + left / CHUNK, 0), root);
}

const parent = (left, right, root) => compress(IV, Uint32Array.of(...left, ...right), 0, 64, PARENT | root);
const bytesOf = (words) => Buffer.from(words.buffer, words.byteOffset, 32);

/** The leaves of some bytes: one for each piece. */
export function leaves(bytes, pieceLength) {
  const count = Math.ceil(bytes.length / pieceLength);
  return Array.from({ length: count }, (_, i) => {
    const piece = bytes.subarray(i * pieceLength, (i + 1) * pieceLength);
    return bytesOf(tree(piece, (i * pieceLength) / CHUNK, count === 1 ? ROOT : 0));
  });
}
