// Solves the puzzle of the check page: numbers whose SHA-256 begins with enough
// zero bits. Written out because crypto.subtle is missing on plain http and slow
// for many small hashes.
(function () {
  "use strict";
  var form = document.getElementById("check");
  if (!form) return;
  var level = +form.dataset.level, parts = +form.dataset.parts;
  var K = new Int32Array(64), start = new Int32Array(8), W = new Int32Array(64), H = new Int32Array(8);
  (function constants() {
    function frac(x) { return ((x - Math.floor(x)) * 4294967296) | 0; }
    for (var n = 2, found = 0; found < 64; n++) {
      var prime = true;
      for (var d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
      if (!prime) continue;
      if (found < 8) start[found] = frac(Math.pow(n, 1 / 2));
      K[found++] = frac(Math.pow(n, 1 / 3));
    }
  })();
  // compress takes the 16 words at the front of W into H.
  function compress() {
    var a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7], i, x, y, t;
    for (i = 16; i < 64; i++) {
      x = W[i - 15]; y = W[i - 2];
      W[i] = (W[i - 16] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ (x >>> 3)) + W[i - 7] + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ (y >>> 10))) | 0;
    }
    for (i = 0; i < 64; i++) {
      t = (h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + (g ^ (e & (f ^ g))) + K[i] + W[i]) | 0;
      h = g; g = f; f = e; e = (d + t) | 0;
      t = (t + ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + ((a & b) ^ (c & (a ^ b)))) | 0;
      d = c; c = b; b = a; a = t;
    }
    H[0] += a; H[1] += b; H[2] += c; H[3] += d; H[4] += e; H[5] += f; H[6] += g; H[7] += h;
  }
  function put(at, code) { W[at >> 2] |= code << (24 - (at & 3) * 8); }
  // The puzzle fills the first block, so that each try costs one more.
  var middle = (function () {
    var text = form.elements.puzzle.value;
    while (text.length < 64) text += ".";
    H.set(start);
    W.fill(0);
    for (var i = 0; i < 64; i++) put(i, text.charCodeAt(i));
    compress();
    return H.slice();
  })();
  // zeros is how many zero bits the hash for one try begins with.
  function zeros(part, n) {
    var tail = part + "." + n, len = tail.length, i;
    for (i = 0; i < 16; i++) W[i] = 0;
    for (i = 0; i < len; i++) put(i, tail.charCodeAt(i));
    put(len, 0x80);
    W[15] = (64 + len) * 8;
    H.set(middle);
    compress();
    return H[0] === 0 ? 32 : Math.clz32(H[0]);
  }
  var page = document.documentElement, busy = document.getElementById("busy");
  page.classList.add("working");
  busy.textContent = busy.dataset.says;
  // A device this slow has waited long enough: its visitor may press the button.
  setTimeout(function () { page.classList.remove("working"); }, 12000);
  // Who comes back by the browser's own button finds the page as it was left.
  window.addEventListener("pageshow", function (e) { if (e.persisted) page.classList.remove("working"); });
  var found = [], n = 0;
  // A slice of work at a time: the page stays usable, the bar moves.
  (function work() {
    for (var until = Date.now() + 60; found.length < parts;) {
      if (zeros(found.length, n) >= level) { found.push(n); n = 0; continue; }
      if ((++n & 511) === 0 && Date.now() > until) { setTimeout(work, 0); return; }
    }
    form.elements.proof.value = found.join(",");
    form.submit();
  })();
})();
