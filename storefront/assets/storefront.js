// What a script adds to pages that work without it: a switch that shows passwords, and advice on strength while typing.
(function () {
  'use strict';
  document.documentElement.classList.add('js'); // before the first paint, so that nothing moves

  // Words that guessing begins with; the server's list is the long one and has the last word.
  var common = /pass|motdepasse|passwor[dt]|qwert|azert|abc|letmein|welcome|bienvenue|willkommen|hallo|iloveyou|soleil|admin|login|dragon|monkey|football|schatz/;
  var rows = ['abcdefghijklmnopqrstuvwxyz', '01234567890', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm', 'azertyuiop', 'qsdfghjklm', 'qwertzuiop'];

  // neighbours tells whether b follows a in the alphabet, in the digits or on a keyboard row, in either direction.
  function neighbours(a, b) {
    return rows.some(function (row) {
      return row.indexOf(a + b) >= 0 || row.indexOf(b + a) >= 0;
    });
  }

  // bits is a rough estimate of the work of guessing: each character counts by the size of its alphabet, and hardly at all
  // when it repeats or follows the one before.
  function bits(password) {
    var size = 0;
    if (/[a-z]/.test(password)) size += 26;
    if (/[A-Z]/.test(password)) size += 26;
    if (/[0-9]/.test(password)) size += 10;
    if (/[^a-zA-Z0-9]/.test(password)) size += 30;
    var each = Math.log2(size || 1), sum = 0, seen = {};
    var letters = Array.from(password.toLowerCase());
    letters.forEach(function (c, i) {
      var before = letters[i - 1];
      if (c === before || (before && neighbours(before, c))) sum += 1;
      else sum += seen[c] ? each / 2 : each;
      seen[c] = true;
    });
    return common.test(letters.join('')) ? sum * 0.6 : sum;
  }

  function level(password) {
    if (!password) return 0;
    var b = bits(password.slice(0, 200));
    return b < 28 ? 1 : b < 45 ? 2 : b < 64 ? 3 : 4;
  }

  function advise(box) {
    var field = document.getElementById(box.dataset.for), word = box.querySelector('.word'), timer;
    if (!field) return;
    field.addEventListener('input', function () {
      var now = level(field.value), says = now ? box.dataset['word' + (now - 1)] : '';
      if (now && Array.from(field.value).length < box.dataset.min) { now = 1; says = box.dataset.short; }
      if (box.dataset.spaces && /\s/.test(field.value)) { now = 1; says = box.dataset.spaces; }
      box.dataset.level = now;
      clearTimeout(timer); // readers hear the outcome of typing, not each key
      timer = setTimeout(function () { word.textContent = says; }, 300);
    });
  }

  function show(box) {
    var fields = box.form.querySelectorAll('input[type=password]');
    function set() {
      fields.forEach(function (f) { f.type = box.checked ? 'text' : 'password'; });
    }
    box.addEventListener('change', set);
    box.form.addEventListener('submit', function () { box.checked = false; set(); }); // browsers keep text fields, not passwords
  }

  document.addEventListener('DOMContentLoaded', function () {
    document.querySelectorAll('.strength').forEach(advise);
    document.querySelectorAll('.show-passwords').forEach(show);
  });

  window.addEventListener('load', function () { // for browsers that know autofocus on form fields only
    var summary = document.querySelector('.summary');
    if (summary && document.activeElement !== summary) summary.focus();
  });
})();
