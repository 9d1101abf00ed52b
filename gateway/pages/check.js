// Solves the puzzle of the check page: numbers whose SHA-256 begins with enough
// zero bits. Written out because crypto.subtle is missing on plain http and slow
// for many small hashes.
(function () {
  "use strict";
  var form = document.getElementById("check");
  if (!form) return;
  var puzzle = form.elements.puzzle.value, level = +form.dataset.level, parts = +form.dataset.parts;
  var K = [], H0 = [];
  (function constants() {
    var n = 2, found = 0;
    function frac(x) { return ((x - Math.floor(x)) * 4294967296) | 0; }
    while (found < 64) {
      var prime = true;
      for (var d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
      if (prime) {
        if (found < 8) H0.push(frac(Math.pow(n, 1 / 2)));
        K.push(frac(Math.pow(n, 1 / 3)));
        found++;
      }
      n++;
    }
  })();
  var W = new Int32Array(64);
  // zeros returns how many zero bits the hash of text (one or two blocks) begins with.
  function zeros(text) {
    var len = text.length, blocks = (len + 9 + 63) >> 6, words = new Int32Array(blocks * 16), i;
    for (i = 0; i < len; i++) words[i >> 2] |= text.charCodeAt(i) << (24 - (i & 3) * 8);
    words[len >> 2] |= 0x80 << (24 - (len & 3) * 8);
    words[blocks * 16 - 1] = len * 8;
    var h = H0.slice();
    for (var b = 0; b < blocks; b++) {
      var v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
      for (i = 0; i < 64; i++) {
        if (i < 16) W[i] = words[b * 16 + i];
        else {
          var x = W[i - 15], y = W[i - 2];
          W[i] = (W[i - 16] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ (x >>> 3)) + W[i - 7] + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ (y >>> 10))) | 0;
        }
        var t1 = (v7 + ((v4 >>> 6 | v4 << 26) ^ (v4 >>> 11 | v4 << 21) ^ (v4 >>> 25 | v4 << 7)) + ((v4 & v5) ^ (~v4 & v6)) + K[i] + W[i]) | 0;
        var t2 = (((v0 >>> 2 | v0 << 30) ^ (v0 >>> 13 | v0 << 19) ^ (v0 >>> 22 | v0 << 10)) + ((v0 & v1) ^ (v0 & v2) ^ (v1 & v2))) | 0;
        v7 = v6; v6 = v5; v5 = v4; v4 = (v3 + t1) | 0; v3 = v2; v2 = v1; v1 = v0; v0 = (t1 + t2) | 0;
      }
      h[0] = (h[0] + v0) | 0; h[1] = (h[1] + v1) | 0; h[2] = (h[2] + v2) | 0; h[3] = (h[3] + v3) | 0;
      h[4] = (h[4] + v4) | 0; h[5] = (h[5] + v5) | 0; h[6] = (h[6] + v6) | 0; h[7] = (h[7] + v7) | 0;
    }
    return h[0] === 0 ? 32 : Math.clz32(h[0]);
  }
  document.documentElement.className += " working";
  var found = [], n = 0;
  // A slice of work at a time: the page stays usable, the bar moves.
  (function work() {
    var until = Date.now() + 40;
    while (found.length < parts) {
      if (zeros(puzzle + "." + found.length + "." + n) >= level) { found.push(n); n = 0; continue; }
      n++;
      if ((n & 255) === 0 && Date.now() > until) {
        setTimeout(work, 0);
        return;
      }
    }
    form.elements.proof.value = found.join(",");
    form.submit();
  })();
})();
