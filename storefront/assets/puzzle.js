// Starts ALTCHA's widget in a form that asks for a proof of work. It works by itself; a form that is sent before the work is
// done is held until then. Where the work cannot be done, the words about waiting stay, and the form is not held.
const box = document.querySelector('.puzzle');
const capable = box && window.isSecureContext && window.crypto?.subtle && window.Worker && window.$altcha;

if (capable) {
  const words = box.dataset, form = box.closest('form'), said = box.querySelector('[role=status]');
  const language = document.documentElement.lang.toLowerCase();
  $altcha.algorithms.set('PBKDF2/SHA-256', () => new Worker(words.worker));
  $altcha.i18n.set(language, {
    ...$altcha.i18n.get('en'), label: words.label, verifying: words.verifying, verified: words.verified,
    error: words.failed, expired: words.failed, waitAlert: words.verifying,
  });
  const widget = document.createElement('altcha-widget');
  widget.setAttribute('challenge', words.challenge);
  widget.setAttribute('language', language);
  widget.setAttribute('configuration', JSON.stringify({
    hideLogo: true, hideFooter: true, humanInteractionSignature: false, minDuration: 0, type: 'checkbox', name: 'altcha',
    workers: Math.max(1, Math.min(4, (navigator.hardwareConcurrency || 2) - 1)), // one is left for the page
  }));
  let held = null; // what was pressed while the work was not done

  function give() { // up: the words about waiting are the way on
    box.classList.remove('puzzle-works');
    box.classList.add('puzzle-failed');
    said.textContent = words.failed;
    held = null;
  }

  widget.addEventListener('statechange', (event) => {
    const state = event.detail.state;
    if (state === 'error') give();
    if (state === 'verified') {
      said.textContent = words.verified;
      if (held) requestAnimationFrame(() => form.requestSubmit(held.submitter)); // the widget's field is there then
    }
  });
  widget.addEventListener('load', () => widget.verify());
  form.addEventListener('submit', (event) => {
    const state = widget.getState?.();
    if (state === 'verified' || box.classList.contains('puzzle-failed')) return;
    event.preventDefault();
    if (held) return;
    held = {submitter: event.submitter};
    said.textContent = words.verifying;
    if (state !== 'verifying') widget.verify();
  });
  box.classList.add('puzzle-works');
  box.append(widget);
}
