// SPDX-License-Identifier: MIT-0
/* Features in integer arithmetic, bit-identical to those of TensorFlow Lite Micro's micro frontend. Copied
 * into generated C. */

/* The number of bits of x, without leading zeros. */
static int cnn_micro_bits_routine(unsigned x) {
  int n = 0;
  for (; x; x >>= 1) n++;
  return n;
}

/* x / 2^15, rounded, then wrapped to int16. */
static int cnn_micro_round_routine(int x) { return (int16_t)((x + (1 << 14)) >> 15); }

/* to = x*w, a product of complex numbers. */
static void cnn_micro_turn_routine(const int32_t *x, const float *w, int *to) {
  const int re = (int)w[0], im = (int)w[1];
  to[0] = cnn_micro_round_routine((int)x[0] * re - (int)x[1] * im);
  to[1] = cnn_micro_round_routine((int)x[0] * im + (int)x[1] * re);
}

/* Butterflies of radix 2 or 4 on complex numbers at a distance of `apart` numbers, which are first divided by
 * the radix. every: distance of the twiddles in `wave`. */
static void cnn_micro_butterfly_routine(int32_t *x, const float *wave, int radix, int apart, int every) {
  for (int k = 0; k < apart; k++) {
    int32_t *at[4];
    int s[4][2];
    for (int q = 0; q < radix; q++) {
      at[q] = x + 2 * (k + q * apart);
      for (int c = 0; c < 2; c++) at[q][c] = cnn_micro_round_routine((int)at[q][c] * (32767 / radix));
      if (q) cnn_micro_turn_routine(at[q], wave + 2 * q * k * every, s[q]);
    }
    for (int c = 0; c < 2 && radix == 2; c++) {
      const int a = (int)at[0][c];
      at[1][c] = (int16_t)(a - s[1][c]);
      at[0][c] = (int16_t)(a + s[1][c]);
    }
    if (radix == 2) continue;
    int sum[2], other[2], odd[2], turned[2];
    for (int c = 0; c < 2; c++) {
      other[c] = (int16_t)((int)at[0][c] - s[2][c]);
      sum[c] = (int16_t)((int)at[0][c] + s[2][c]);
      odd[c] = (int16_t)(s[1][c] + s[3][c]);
      turned[c] = (int16_t)(s[1][c] - s[3][c]);
      at[2][c] = (int16_t)(sum[c] - odd[c]);
      at[0][c] = (int16_t)(sum[c] + odd[c]);
    }
    at[1][0] = (int16_t)(other[0] + turned[1]);
    at[1][1] = (int16_t)(other[1] - turned[0]);
    at[3][0] = (int16_t)(other[0] - turned[1]);
    at[3][1] = (int16_t)(other[1] + turned[0]);
  }
}

/* The complex FFT of n numbers in x, in place. The input is in digit-reversed order. */
static void cnn_micro_transform_routine(int32_t *x, const float *wave, int n) {
  int apart = 1, radix = 4;
  for (int left = n; left > 1; left /= 4) radix = left == 2 ? 2 : 4;
  for (; apart < n; radix = 4) {
    for (int at = 0; at < n; at += radix * apart)
      cnn_micro_butterfly_routine(x + 2 * at, wave, radix, apart, n / (radix * apart));
    apart *= radix;
  }
}

/* Position of number i of n in digit-reversed order: digits of radix 4, then at most one of radix 2. */
static int cnn_micro_place_routine(int i, int n) {
  int place = 0;
  for (int left = n; left > 1;) {
    const int radix = left == 2 ? 2 : 4;
    left /= radix;
    place += i % radix * left;
    i /= radix;
  }
  return place;
}

/* energy[n + 1]: the power spectrum of 2*n real numbers, from their FFT as n complex numbers. */
static void cnn_micro_energy_routine(const int32_t *x, const float *split, uint32_t *energy, int n) {
  const int half = 32767 / 2;
  for (int k = 0; k <= n / 2; k++) {
    const int32_t *p = x + 2 * k, *q = x + 2 * (k ? n - k : 0);
    int re[2], im[2];
    const int a0 = cnn_micro_round_routine((int)p[0] * half), a1 = cnn_micro_round_routine((int)p[1] * half);
    if (k == 0) {
      re[0] = (int16_t)(a0 + a1);
      re[1] = (int16_t)(a0 - a1);
      im[0] = im[1] = 0;
    } else {
      const int b0 = cnn_micro_round_routine((int)q[0] * half),
                b1 = cnn_micro_round_routine((int16_t)-q[1] * half);
      const int32_t other[2] = {(int16_t)(a0 - b0), (int16_t)(a1 - b1)};
      const int sum0 = (int16_t)(a0 + b0), sum1 = (int16_t)(a1 + b1);
      int turned[2];
      cnn_micro_turn_routine(other, split + 2 * (k - 1), turned);
      re[0] = (sum0 + turned[0]) >> 1;
      im[0] = (sum1 + turned[1]) >> 1;
      re[1] = (sum0 - turned[0]) >> 1;
      im[1] = (turned[1] - sum1) >> 1;
    }
    energy[k] = (uint32_t)(re[0] * re[0]) + (uint32_t)(im[0] * im[0]);
    energy[n - k] = (uint32_t)(re[1] * re[1]) + (uint32_t)(im[1] * im[1]);
  }
}

/* The square root, rounded. */
static uint32_t cnn_micro_root_routine(uint64_t x) {
  const uint64_t most = x >> 32 ? 0xFFFFFFFFu : 0xFFFFu;
  uint64_t root = 0, bit = (uint64_t)1 << 62;
  while (bit > x) bit >>= 2;
  for (; bit; bit >>= 2) {
    if (x >= root + bit) {
      x -= root + bit;
      root = (root >> 1) + bit;
    } else root >>= 1;
  }
  return (uint32_t)(x > root && root != most ? root + 1 : root);
}

/* The gain for the noise estimate x. `gain` has a quadratic function for each bit length of x. */
static int cnn_micro_gain_routine(uint32_t x, const float *gain) {
  if (x <= 2) return (int)gain[x];
  const int bits = cnn_micro_bits_routine(x);
  const float *of = gain + 4 * bits - 6;
  const int part = (int)((bits < 11 ? x << (11 - bits) : x >> (bits - 11)) & 0x3FF);
  int y = (((int)of[2] * part) >> 5) + (int)of[1] * 32;
  y *= part;
  return (int16_t)(((y + (1 << 14)) >> 15) + (int)of[0]);
}

/* The natural logarithm of x > 1, with `shift` fractional bits. table[i]: log2(1 + i/128) - i/128,
 * times 2^16. */
static uint32_t cnn_micro_log_routine(uint32_t x, const float *table, int shift) {
  const int whole = cnn_micro_bits_routine(x) - 1;
  const uint32_t rest = x - ((uint32_t)1 << whole),
                 part = whole < 16 ? rest << (16 - whole) : rest >> (whole - 16), segment = part >> 9;
  const int c0 = (int)table[segment], c1 = (int)table[segment + 1],
            rises = (c1 - c0) * (int)(part - (segment << 9));
  const uint32_t two = ((uint32_t)whole << 16) + part + (uint32_t)(c0 + (rises >> 16)),
                 natural = (uint32_t)(((uint64_t)45426 * two + 32768) >> 16);
  return ((natural << shift) + 32768) >> 16;
}

/* The feature of one band: noise reduction, gain, logarithm. Also updates the noise estimate of the band.
 * number: [0]: fractional bits of the noise estimate
 * [1], [2]: weight of a new frame in the noise estimate of even and of odd bands, times 2^14
 * [3]: minimum fraction of the signal that is kept, times 2^14
 * [4], [5]: whether the gain is applied; its shift
 * [6]: whether the result is a logarithm
 * [7]: left shift of the signal before the logarithm; negative: right shift
 * [8]: fractional bits of the logarithm */
static uint32_t cnn_micro_band_routine(uint32_t signal, uint32_t *noise, int odd, const float *table,
                                       const float *number) {
  const int bits = (int)number[0], smooth = (int)number[odd ? 2 : 1], correct = (int)number[7];
  const uint32_t up = signal << bits;
  *noise =
      (uint32_t)(((uint64_t)up * (uint32_t)smooth + (uint64_t)*noise * (uint32_t)((1 << 14) - smooth)) >> 14);
  const uint32_t low = *noise > up ? up : *noise, left = (up - low) >> bits,
                 least = (uint32_t)(((uint64_t)signal * (uint32_t)(int)number[3]) >> 14);
  signal = left > least ? left : least;
  if (number[4] != 0.f) {
    const uint32_t snr =
        (uint32_t)(((uint64_t)signal * (uint32_t)cnn_micro_gain_routine(*noise, table + 130)) >>
                   (int)number[5]);
    signal = snr < 8192 ? (snr * snr) >> 20 : (snr >> 6) - 64;
  }
  if (number[6] != 0.f) {
    signal = correct < 0 ? signal >> -correct : signal << correct;
    signal = signal > 1 ? cnn_micro_log_routine(signal, table, (int)number[8]) : 0;
  }
  return signal < 0xFFFF ? signal : 0xFFFF;
}

/* x: the samples
 * out[frames + 2][bands]: the features, then the upper and the lower 16 bits of the noise estimates
 * start[2*bands + 1]: the noise estimates before the first frame, then the number of frames to skip, whose
 * features are 0
 * table: logarithms [130], gains [125], window [size], twiddles of the complex FFT [fft], twiddles that
 * convert the complex to the real spectrum [fft/2], first bins of the bands [bands + 2], weights
 * [fft/2 + 1][2]
 * work: numbers of the FFT [fft], energies [fft/2 + 1], noise estimates [bands] */
static void cnn_micro_frontend_routine(const float *x, const float *table, const float *number,
                                       const float *start, int32_t *work, float *out, int frames, int size,
                                       int step, int fft, int bands) {
  const float *window = table + 255, *wave = window + size, *split = wave + fft, *first = split + fft / 2,
              *weight = first + bands + 2;
  uint32_t *energy = (uint32_t *)(work + fft), *noise = energy + fft / 2 + 1;
  for (int m = 0; m < bands; m++)
    noise[m] = ((uint32_t)(int)start[m] << 16) + (uint32_t)(int)start[bands + m];
  for (int t = 0; t < frames; t++, x += step, out += bands) {
    if ((float)t < start[2 * bands]) {
      for (int m = 0; m < bands; m++) out[m] = 0;
      continue;
    }
    int most = 0;
    for (int i = 0; i < fft; i++) {
      const int y = i < size ? (int16_t)(((int)x[i] * (int)window[i]) >> 12) : 0;
      work[2 * cnn_micro_place_routine(i / 2, fft / 2) + i % 2] = y;
      if ((int16_t)(y < 0 ? -y : y) > most)
        most = y < 0 ? -y : y; /* -32768 has no effect, as in the original */
    }
    const int shift = 15 - cnn_micro_bits_routine((unsigned)most);
    for (int i = 0; i < fft; i++) work[i] = (int16_t)(work[i] * (1 << shift));
    cnn_micro_transform_routine(work, wave, fft / 2);
    cnn_micro_energy_routine(work, split, energy, fft / 2);
    uint64_t sum = 0;
    for (int m = 0; m <= bands; m++) {
      uint64_t next = 0;
      for (int k = (int)first[m]; k < (int)first[m + 1]; k++) {
        const uint64_t e = (uint64_t)(int64_t)(int32_t)energy[k];
        sum += (uint64_t)(int)weight[2 * k] * e;
        next += (uint64_t)(int)weight[2 * k + 1] * e;
      }
      if (m > 0)
        out[m - 1] = (float)cnn_micro_band_routine(cnn_micro_root_routine(sum) >> shift, &noise[m - 1],
                                                   (m - 1) % 2, table, number);
      sum = next;
    }
  }
  for (int m = 0; m < bands; m++) {
    out[m] = (float)(noise[m] >> 16);
    out[bands + m] = (float)(noise[m] & 0xFFFF);
  }
}
