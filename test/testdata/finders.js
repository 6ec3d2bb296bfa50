// Finds things on a page by what is written on them, visible ones only, and inside the open dialog if there is one.
const flat = text => (text || '').replace(/\s+/g, ' ').trim();
const visible = e => e.checkVisibility({ visibilityProperty: true, opacityProperty: false }) && e.getClientRects().length > 0;
const scope = document.querySelector('dialog[open]') || document;
const labelOf = e => flat(e.getAttribute('aria-label') || (e.labels && [...e.labels].map(l => l.textContent).join(' ')));
const wordsOn = e => flat(e.getAttribute('aria-label') || e.innerText || e.value);

const candidates = {
	button: [...scope.querySelectorAll('button, a[href], summary, [role=button], [role=tab], input[type=submit]')]
		.map(e => [e, wordsOn(e)]),
	field: [...scope.querySelectorAll('input, select, textarea')].map(e => [e, labelOf(e)]),
};

// find prefers the whole text to its beginning, as "Password" is also the beginning of "Password again".
const find = (kind, words) => {
	const wanted = flat(words);
	const seen = candidates[kind].filter(([e]) => visible(e) || (e.labels && [...e.labels].some(visible)));
	const hit = seen.find(([, text]) => text === wanted) || seen.find(([, text]) => text.startsWith(wanted));
	return hit && hit[0];
};

// place gives the middle of an element, or nothing if a click there would hit something else.
const place = e => {
	if (!e || e.disabled) return [];
	const target = visible(e) ? e : [...e.labels].find(visible);
	target.scrollIntoView({ block: 'center', behavior: 'instant' });
	const box = target.getClientRects()[0];
	const x = box.left + box.width / 2, y = box.top + box.height / 2;
	const top = document.elementFromPoint(x, y);
	const same = top && (target.contains(top) || top.contains(target) || (e.labels && [...e.labels].some(l => l.contains(top))));
	return same ? [x, y] : [];
};

const choose = (list, words) => {
	const option = [...list.options].find(o => flat(o.textContent) === flat(words));
	if (!option) throw new Error('no such option: ' + words);
	list.value = option.value;
	list.dispatchEvent(new Event('input', { bubbles: true }));
	list.dispatchEvent(new Event('change', { bubbles: true }));
};
