// lzma.js: Decompressor for the output of `xz --format=lzma` (Igor Pavlov's specification of LZMA). The
// formats that browsers decompress are a quarter larger.
// SPDX-License-Identifier: Apache-2.0

const HEAD = 13, // bytes of the header: lc, lp and pb, dictionary size, uncompressed size or all ones
  BIT = 11, // bits of a probability
  FAST = 5, // a probability is adapted by 2^-FAST of its distance from 0 or 1
  STATES = 12,
  PLACES = 16, // the maximum number of position states, position modulo 2^pb
  LENGTHS = 4, // length classes with separate distance slots
  END = 0xffffffff, // the distance of the end marker
  DAMAGED = "the compressed file is damaged";

const even = (n) => new Uint16Array(n).fill(1 << (BIT - 1));
const lengths = () => {
  const [short, middle] = [0, 1].map(() => even(PLACES * 8));
  return { which: even(2), short, middle, long: even(256) };
};

// The range decoder.
class Bits {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = HEAD + 1; // the first byte is 0
    this.range = END;
    this.code = 0;
    for (let i = 0; i < 4; i++) this.more();
  }
  more() {
    if (this.at >= this.bytes.length) throw new Error("the compressed file is truncated");
    this.code = ((this.code << 8) | this.bytes[this.at++]) >>> 0;
  }
  shift() {
    if (this.range >= 1 << 24) return;
    this.range = (this.range << 8) >>> 0;
    this.more();
  }
  one(odds, i) {
    const p = odds[i],
      bound = (this.range >>> BIT) * p,
      bit = this.code >= bound ? 1 : 0;
    if (bit) {
      this.range -= bound;
      this.code -= bound;
      odds[i] = p - (p >>> FAST);
    } else {
      this.range = bound;
      odds[i] = p + (((1 << BIT) - p) >>> FAST);
    }
    this.shift();
    return bit;
  }
  // n bits with fixed probability 1/2
  plain(n) {
    let value = 0;
    while (n--) {
      this.range >>>= 1;
      const bit = this.code >= this.range ? 1 : 0;
      if (bit) this.code -= this.range;
      value = value * 2 + bit;
      this.shift();
    }
    return value;
  }
  // n bits, most significant first; the probability of each depends on those before it
  tree(odds, from, n) {
    let m = 1;
    for (let i = 0; i < n; i++) m = 2 * m + this.one(odds, from + m);
    return m - (1 << n);
  }
  // the same, least significant bit first
  reversed(odds, from, n) {
    let m = 1,
      value = 0;
    for (let i = 0; i < n; i++) {
      const bit = this.one(odds, from + m);
      m = 2 * m + bit;
      value |= bit << i;
    }
    return value;
  }
  length({ which, short, middle, long }, place) {
    if (!this.one(which, 0)) return 2 + this.tree(short, 8 * place, 3);
    if (!this.one(which, 1)) return 10 + this.tree(middle, 8 * place, 3);
    return 18 + this.tree(long, 0, 8);
  }
}

// The distances of matches, decoded by slot, low bits and aligned bits.
class Distances {
  slot = even(LENGTHS * 64);
  low = even(128);
  align = even(16);
  next(bits, length) {
    const slot = bits.tree(this.slot, 64 * Math.min(length - 2, LENGTHS - 1), 6),
      n = (slot >> 1) - 1;
    if (slot < 4) return slot;
    const high = (2 | (slot & 1)) * 2 ** n;
    if (slot < 14) return high + bits.reversed(this.low, (2 | (slot & 1)) * (1 << n) - slot, n);
    return high + bits.plain(n - 4) * 16 + bits.reversed(this.align, 0, 4);
  }
}

export function unpack(packed) {
  const how = packed[0],
    lc = how % 9,
    lp = Math.floor(how / 9) % 5,
    pb = Math.floor(how / 45);
  if (how >= 225 || packed[HEAD]) throw new Error(DAMAGED);
  const bits = new Bits(packed),
    distances = new Distances(),
    literal = even(0x300 << (lc + lp)),
    [isRepeat, isOld, isOld1, isOld2] = [0, 1, 2, 3].map(() => even(STATES)),
    [isMatch, isLong] = [0, 1].map(() => even(STATES * PLACES)),
    newLength = lengths(),
    oldLength = lengths();
  let out = new Uint8Array(4 * packed.length),
    n = 0,
    state = 0,
    old = [0, 0, 0, 0];

  function putLiteral() {
    const from = 0x300 * (((n & ((1 << lp) - 1)) << lc) + ((n ? out[n - 1] : 0) >> (8 - lc)));
    let symbol = 1;
    if (state >= 7)
      for (let match = out[n - old[0] - 1]; symbol < 0x100; match <<= 1) {
        const wanted = (match >> 7) & 1,
          bit = bits.one(literal, from + ((1 + wanted) << 8) + symbol);
        symbol = 2 * symbol + bit;
        if (bit !== wanted) break;
      }
    while (symbol < 0x100) symbol = 2 * symbol + bits.one(literal, from + symbol);
    out[n++] = symbol & 0xff;
    state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  }
  // Decodes a match, with its distance in old[0]; returns its length, or 0 at the end marker.
  function repetition(place) {
    if (!bits.one(isRepeat, state)) {
      const length = bits.length(newLength, place),
        distance = distances.next(bits, length);
      old = [distance, old[0], old[1], old[2]];
      state = state < 7 ? 7 : 10;
      return distance === END ? 0 : length;
    }
    if (!bits.one(isOld, state)) {
      if (!bits.one(isLong, state * PLACES + place)) {
        state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      const which = !bits.one(isOld1, state) ? 1 : !bits.one(isOld2, state) ? 2 : 3;
      old.unshift(...old.splice(which, 1));
    }
    state = state < 7 ? 8 : 11;
    return bits.length(oldLength, place);
  }

  for (;;) {
    const place = n & ((1 << pb) - 1);
    let length = 0;
    if (bits.one(isMatch, state * PLACES + place)) {
      length = repetition(place);
      if (length ? old[0] >= n : bits.code) throw new Error(DAMAGED);
      if (!length) return out.subarray(0, n);
    }
    while (n + length >= out.length) {
      const room = new Uint8Array(2 * out.length);
      room.set(out);
      out = room;
    }
    if (!length) putLiteral();
    for (; length; length--, n++) out[n] = out[n - old[0] - 1];
  }
}
