// SPDX-License-Identifier: MIT-0
/* Spectra of frames with direct sums, for lengths that are short or not a power of two. Copied into generated
 * C. */

/* out[frames][2*(fft/2 + 1)]: for each frame of x[n], the real and imaginary part of each bin. window[size]
 * begins at sample `at` of a frame: x[t*step - before] for frame t. wave[fft][2]: cosines and negative sines
 * of one period. work[size]: the samples times the window. */
static void cnn_dft_routine(const float *x, const float *window, const float *wave, float *work, float *out,
                            int n, int frames, int size, int step, int before, int fft, int at, int mirror) {
  for (int t = 0; t < frames; t++) {
    for (int i = 0; i < size; i++)
      work[i] = window[i] * cnn_frame_sample_routine(x, t * step + i - before, n, mirror);
    int first =
        0; /* k * at modulo fft, by additions: k * at may need 64 bits, and 64-bit division may be slow */
    for (int k = 0; k <= fft / 2; k++) {
      float re = 0.f, im = 0.f;
      int turn = first;
      for (int i = 0; i < size; i++) {
        re += work[i] * wave[2 * turn];
        im += work[i] * wave[2 * turn + 1];
        turn += k;
        if (turn >= fft) turn -= fft;
      }
      out[2 * k] = re;
      out[2 * k + 1] = im;
      first += at;
      if (first >= fft) first -= fft;
    }
    out += 2 * (fft / 2 + 1);
  }
}
