// SPDX-License-Identifier: MIT-0
/* Spectra of frames with a real FFT of 2^a numbers: a complex Stockham FFT of half the length, in passes of
 * radix 4 and, if a factor of 2 remains, one pass of radix 2. Copied into generated C. */

/* A pass of radix 4 from x to y: `apart` interleaved transforms of n complex numbers each. wave: the twiddles
 * of the whole real FFT; the pass uses every (2*apart)th twiddle. */
static void cnn_rfft_four_routine(const float *x, float *y, const float *wave, int n, int apart) {
  const int quarter = n / 4, leg = 2 * apart * quarter;
  for (int p = 0; p < quarter; p++) {
    const float *w1 = wave + 4 * apart * p, *w2 = w1 + 4 * apart * p, *w3 = w2 + 4 * apart * p;
    const float *a = x + 2 * apart * p;
    float *to = y + 8 * apart * p;
    for (int q = 0; q < 2 * apart; q += 2) {
      const float *b = a + leg, *c = b + leg, *d = c + leg;
      const float sr = a[q] + c[q], si = a[q + 1] + c[q + 1], dr = a[q] - c[q], di = a[q + 1] - c[q + 1],
                  tr = b[q] + d[q], ti = b[q + 1] + d[q + 1], ur = b[q + 1] - d[q + 1], ui = d[q] - b[q];
      const float r1 = dr + ur, i1 = di + ui, r2 = sr - tr, i2 = si - ti, r3 = dr - ur, i3 = di - ui;
      float *o1 = to + 2 * apart, *o2 = o1 + 2 * apart, *o3 = o2 + 2 * apart;
      to[q] = sr + tr;
      to[q + 1] = si + ti;
      o1[q] = r1 * w1[0] - i1 * w1[1];
      o1[q + 1] = r1 * w1[1] + i1 * w1[0];
      o2[q] = r2 * w2[0] - i2 * w2[1];
      o2[q + 1] = r2 * w2[1] + i2 * w2[0];
      o3[q] = r3 * w3[0] - i3 * w3[1];
      o3[q + 1] = r3 * w3[1] + i3 * w3[0];
    }
  }
}

/* The last pass, of radix 2: each transform has two numbers. */
static void cnn_rfft_two_routine(const float *x, float *y, int apart) {
  for (int q = 0; q < 2 * apart; q++) {
    const float a = x[q], b = x[q + 2 * apart];
    y[q] = a + b;
    y[q + 2 * apart] = a - b;
  }
}

/* Transforms the frame in work[0 .. fft-1] as fft/2 complex numbers; returns the half of work that contains
 * the result. */
static const float *cnn_rfft_half_routine(const float *wave, float *work, int fft) {
  float *x = work, *y = work + fft;
  int n = fft / 2, apart = 1;
  while (n > 1) {
    float *const done = y;
    if (n == 2) cnn_rfft_two_routine(x, y, apart);
    else cnn_rfft_four_routine(x, y, wave, n, apart);
    apart *= n == 2 ? 2 : 4;
    n /= n == 2 ? 2 : 4;
    y = x;
    x = done;
  }
  return x;
}

/* Computes the spectrum of the real numbers from the spectrum of the complex numbers. */
static void cnn_rfft_split_routine(const float *z, const float *wave, float *out, int fft) {
  for (int k = 0; k <= fft / 2; k++) {
    const float *a = z + 2 * (k == fft / 2 ? 0 : k), *b = z + 2 * (k == 0 ? 0 : fft / 2 - k);
    const float er = 0.5f * (a[0] + b[0]), ei = 0.5f * (a[1] - b[1]), odd = 0.5f * (a[1] + b[1]),
                oi = 0.5f * (b[0] - a[0]);
    out[2 * k] = er + odd * wave[2 * k] - oi * wave[2 * k + 1];
    out[2 * k + 1] = ei + odd * wave[2 * k + 1] + oi * wave[2 * k];
  }
}

/* out[frames][2*(fft/2 + 1)]: for each frame of x[n], the real and imaginary part of each bin. A frame has
 * `size` samples, which are multiplied by window[size] and become the inputs at .. at + size - 1 of the
 * transform; all other inputs are 0. before: samples of padding before x; mirror: whether padding is mirrored
 * samples, not zeros. wave[fft][2]: cosines and negative sines of one period. work[2*fft]: scratch. */
static void cnn_rfft_routine(const float *x, const float *window, const float *wave, float *work, float *out,
                             int n, int frames, int size, int step, int before, int fft, int at, int mirror) {
  for (int t = 0; t < frames; t++) {
    for (int i = 0; i < fft; i++) {
      const int k = i - at;
      work[i] = k >= 0 && k < size ? window[k] * cnn_frame_sample_routine(x, t * step + k - before, n, mirror)
                                   : 0.f;
    }
    cnn_rfft_split_routine(cnn_rfft_half_routine(wave, work, fft), wave, out, fft);
    out += 2 * (fft / 2 + 1);
  }
}
