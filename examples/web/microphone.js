// microphone.js: an audio worklet that passes the samples of the microphone's first channel to the page.
// SPDX-License-Identifier: MIT-0
registerProcessor(
  "microphone",
  class extends AudioWorkletProcessor {
    process([[samples]]) {
      if (samples) this.port.postMessage(samples.slice());
      return true;
    }
  },
);
