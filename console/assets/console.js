// What a script adds to pages that work without it: dialogs, a list that follows the typing, a look at a colour.
(function () {
  'use strict';

  function each(selector, act) { document.querySelectorAll(selector).forEach(act); }

  // A link that leads to a question opens the question's dialog here instead. The browser gives the focus to Cancel.
  each('[data-dialog]', function (opener) {
    var dialog = document.getElementById(opener.dataset.dialog);
    if (!dialog || !dialog.showModal) return;
    opener.setAttribute('role', 'button');
    opener.setAttribute('aria-haspopup', 'dialog');
    opener.addEventListener('click', function (event) {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      dialog.showModal();
    });
    opener.addEventListener('keydown', function (event) {
      if (event.key === ' ') { event.preventDefault(); opener.click(); }
    });
    dialog.querySelectorAll('[data-close]').forEach(function (button) {
      button.addEventListener('click', function () { dialog.close(); });
    });
  });

  // The list follows the form: what is typed is asked for after a short rest, and the address keeps the state.
  each('form[data-live]', function (form) {
    var results = document.getElementById(form.dataset.live), said = document.getElementById('said');
    var timer, asking;
    function address() {
      var query = new URLSearchParams(new FormData(form));
      Array.from(query.keys()).forEach(function (key) { if (!query.get(key)) query.delete(key); });
      return form.action + (query.toString() ? '?' + query : '');
    }
    function ask() {
      clearTimeout(timer);
      var to = address();
      if (asking) asking.abort();
      asking = new AbortController();
      results.setAttribute('aria-busy', 'true');
      fetch(to, { headers: { 'X-Rekey-Part': 'results' }, signal: asking.signal }).then(function (answer) {
        if (answer.redirected || (!answer.ok && answer.status !== 422)) { location.assign(to); return null; } // signed out, or trouble
        return answer.text();
      }).then(function (html) {
        if (html === null) return;
        results.innerHTML = html; // made by our own templates, which escape
        history.replaceState(null, '', to);
        var count = results.querySelector('[data-count]');
        if (count) said.textContent = count.textContent;
        results.removeAttribute('aria-busy');
      }).catch(function (error) {
        if (error.name !== 'AbortError') form.submit();
      });
    }
    form.addEventListener('input', function (event) {
      clearTimeout(timer);
      timer = setTimeout(ask, event.target.type === 'search' ? 200 : 0);
    });
    form.addEventListener('submit', function (event) { event.preventDefault(); ask(); });
  });

  // Typing a value means that it holds here; ticking the box brings back what is inherited.
  each('[data-setting]', function (row) {
    var box = row.querySelector('.check input'), field = row.querySelector('.control input, .control select');
    if (!box || !field) return;
    function show() { row.classList.toggle('inherits', box.checked); }
    field.addEventListener('input', function () { box.checked = false; show(); });
    box.addEventListener('change', function () {
      if (box.checked) field.value = row.dataset.inherited;
      show();
    });
  });

  // The colour of buttons and links, and whether it can be seen. The server judges; this tells beforehand.
  each('[data-accent]', function (row) {
    var field = row.querySelector('input'), fill = row.querySelector('.accent-fill'), text = row.querySelector('.accent-text'), words = row.querySelector('.ratio');
    function luminance(hex) {
      return [1, 3, 5].reduce(function (sum, at, i) {
        var c = parseInt(hex.slice(at, at + 2), 16) / 255;
        return sum + [0.2126, 0.7152, 0.0722][i] * (c <= 0.04045 ? c / 12.92 : Math.pow((c + 0.055) / 1.055, 2.4));
      }, 0);
    }
    function ratio(a, b) {
      var x = luminance(a), y = luminance(b);
      return Math.floor((Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05) * 10) / 10;
    }
    function look() {
      var hex = field.value.trim();
      if (!/^#[0-9a-f]{6}$/i.test(hex)) { words.textContent = ''; return; }
      fill.setAttribute('fill', hex);
      text.setAttribute('fill', ratio(hex, '#ffffff') < 4.5 ? '#000000' : '#ffffff');
      var light = ratio(hex, row.dataset.light), dark = ratio(hex, row.dataset.dark);
      words.textContent = light.toFixed(1) + ' : 1 on light pages, ' + dark.toFixed(1) + ' : 1 on dark ones' +
        (Math.min(light, dark) < 3 ? '. It needs 3 : 1 on both.' : '');
    }
    field.addEventListener('input', look);
    look();
  });

  // How far an incident is: asked for while it runs and the page is looked at. What the head offers changes with the state.
  var progress = document.querySelector('[data-progress]');
  if (progress) {
    var state = function () { return progress.querySelector('[data-state]').dataset.state; }, first = state();
    setInterval(function () {
      if (document.hidden || document.querySelector('dialog[open]')) return;
      fetch(location.pathname, { headers: { 'X-Rekey-Part': 'progress' } }).then(function (answer) {
        if (answer.redirected || !answer.ok) throw answer;
        return answer.text();
      }).then(function (html) {
        progress.innerHTML = html; // made by our own templates, which escape
        if (state() !== first) location.reload();
      }).catch(function () {}); // the next time may do
    }, 2000);
  }

  // Menus close when one turns to something else.
  document.addEventListener('click', function (event) {
    each('details.pick[open]', function (menu) { if (!menu.contains(event.target)) menu.open = false; });
  });
  document.addEventListener('keydown', function (event) {
    if (event.key !== 'Escape') return;
    each('details.pick[open]', function (menu) { menu.open = false; menu.querySelector('summary').focus(); });
  });

  var summary = document.querySelector('.summary');
  if (summary) summary.focus();
})();
