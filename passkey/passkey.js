// Passkeys: the one thing on these pages that nothing but a script can do. It asks the browser for what the page's form holds,
// puts the answer into the form and sends it; without it, or in a browser that has no passkeys, the page says what else there is.
(function () {
  'use strict';
  if (!window.PublicKeyCredential || !navigator.credentials) return;
  document.documentElement.classList.add('passkeys'); // before the first paint, so that nothing moves

  function bytes(text) {
    return Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), function (c) { return c.charCodeAt(0); });
  }

  function text(buffer) {
    var s = Array.from(new Uint8Array(buffer), function (b) { return String.fromCharCode(b); }).join('');
    return btoa(s).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  }

  function asked(form) {
    var o = JSON.parse(form.dataset.options);
    o.challenge = bytes(o.challenge);
    if (o.user) o.user.id = bytes(o.user.id);
    (o.allowCredentials || []).concat(o.excludeCredentials || []).forEach(function (c) { c.id = bytes(c.id); });
    return o;
  }

  // answer keeps to what the server reads: the browser would add much more.
  function answer(c) {
    var r = c.response, out = { clientDataJSON: text(r.clientDataJSON) };
    if (r.attestationObject) {
      out.attestationObject = text(r.attestationObject);
      out.transports = r.getTransports ? r.getTransports() : [];
    } else {
      out.authenticatorData = text(r.authenticatorData);
      out.signature = text(r.signature);
      if (r.userHandle) out.userHandle = text(r.userHandle);
    }
    return JSON.stringify({ id: c.id, rawId: text(c.rawId), type: c.type, response: out });
  }

  var offered; // in the list of an address field, until somebody asks for another

  function send(form, c) {
    form.elements.passkey.value = answer(c);
    form.submit();
  }

  function offer(form) {
    var can = PublicKeyCredential.isConditionalMediationAvailable;
    if (!can) return;
    can.call(PublicKeyCredential).then(function (yes) {
      if (!yes) return;
      offered = new AbortController();
      return navigator.credentials.get({ publicKey: asked(form), mediation: 'conditional', signal: offered.signal })
        .then(function (c) { send(form, c); });
    }).catch(function () {}); // nobody chose one
  }

  function ask(form) {
    var said = form.querySelector('.said'), make = form.dataset.act === 'create';
    if (offered) offered.abort();
    said.textContent = '';
    navigator.credentials[make ? 'create' : 'get']({ publicKey: asked(form) }).then(function (c) { send(form, c); }, function (why) {
      said.textContent = why.name === 'InvalidStateError' ? form.dataset.known : form.dataset.none;
      if ('auto' in form.dataset) offer(form);
    });
  }

  document.addEventListener('DOMContentLoaded', function () {
    document.querySelectorAll('.without-passkeys').forEach(function (other) { other.hidden = true; });
    document.querySelectorAll('form.passkey').forEach(function (form) {
      var part = form.closest('[hidden]');
      if (part) part.hidden = false;
      form.addEventListener('submit', function (event) {
        event.preventDefault();
        if (form.reportValidity()) ask(form);
      });
      if ('auto' in form.dataset) offer(form);
    });
    var known = document.querySelector('[data-passkeys]'); // so that the browser stops offering what was removed
    if (known && PublicKeyCredential.signalAllAcceptedCredentials) {
      PublicKeyCredential.signalAllAcceptedCredentials(JSON.parse(known.dataset.passkeys)).catch(function () {});
    }
  });
})();
