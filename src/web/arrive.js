// What a browser does when another page comes, for a page whose content changes:
// it is announced, its heading has the focus, and it is scrolled to where it was
// left.

/** What has not come so long after the address changed is no part of that. */
const PATIENCE_MS = 3000;
/** A change that brings no new content is announced after this. */
const ANNOUNCE_AFTER_MS = 500;

const HEADING = 'h1, h2, h3, [role="heading"]';
/** Who is here stays here: types, or was sent here by the new content itself. */
const TYPING = 'input, textarea, select, [contenteditable], [autofocus]';

export class Arrivals {
  /** @param {string} session @param {import('./notices.js').Notices} notices */
  constructor(session, notices) {
    this.notices = notices;
    this.key = `lunette-places-${session}`;
    /** Where each entry of the history was scrolled to. @type {Object<number, [number, number]>} */
    this.places = readPlaces(this.key);
    this.index = 0;
    /** Until then new content is what the present address brought; 0: none is awaited. */
    this.until = 0;
    /** @type {[number, number]|null} where to scroll */
    this.goal = null;
    this.timer = 0;
    this.title = this.siteTitle = document.title;
    history.scrollRestoration = 'manual';
    addEventListener('scroll', () => this.#scrolled(), { passive: true });
    addEventListener('pagehide', () => this.#save());
    // Whoever acts meanwhile has arrived.
    for (const name of ['keydown', 'pointerdown', 'wheel', 'touchstart']) {
      addEventListener(name, () => this.#interrupted(), { capture: true, passive: true });
    }
    new MutationObserver(() => this.#titled()).observe(document.head, { childList: true, subtree: true, characterData: true });
  }

  /** The page has loaded: where it was before, if it was there already. @param {number} index */
  opened(index) {
    this.index = index;
    this.goal = this.places[index] || null;
    this.until = this.goal ? Date.now() + PATIENCE_MS : 0;
    this.isFirst = true;
  }

  /** @param {number} index @returns {[number, number]} */
  placeOf(index) {
    return this.places[index] || [0, 0];
  }

  /** The address is another. @param {number} index @param {[number, number]|null} goal  null: it stays where it is */
  begin(index, goal) {
    // Events of scrolling come late.
    this.#scrolled();
    this.isFirst = false;
    this.index = index;
    this.goal = goal;
    this.until = Date.now() + PATIENCE_MS;
    this.title = document.title;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.#announceRoute(document.body);
      this.#arrive();
    }, ANNOUNCE_AFTER_MS);
  }

  /** New content took the place of old. @param {Node[]} nodes */
  shown(nodes) {
    if (Date.now() > this.until) return;
    if (!this.isFirst && this.timer) {
      const heading = this.#headingIn(nodes);
      if (heading) {
        this.#announceRoute(heading);
        if (!isTyping()) focusOn(heading);
      }
    }
    this.#arrive();
  }

  /** A frame is applied: there may be more to scroll to. */
  settled() {
    // What is there before the new content is of no use.
    if (!this.timer) this.#arrive();
  }

  /** Scrolls, as far as there is content; again until it is enough. */
  #arrive() {
    const { goal } = this;
    if (!goal) return;
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && !goal[1]) target.scrollIntoView();
    else window.scrollTo({ left: goal[0], top: goal[1], behavior: 'instant' });
    const isThere = Math.abs(window.scrollY - goal[1]) < 2;
    if (target || isThere || Date.now() > this.until) this.goal = null;
  }

  /** @param {Node[]} nodes @returns {HTMLElement|null} */
  #headingIn(nodes) {
    for (const node of nodes) {
      if (!(node instanceof Element)) continue;
      const found = node.matches(HEADING) ? node : node.querySelector(HEADING);
      if (found) return /** @type {HTMLElement} */ (found);
    }
    return null;
  }

  /** By what it begins with, which is its title then unless it has one of its own. @param {Element} within */
  #announceRoute(within) {
    clearTimeout(this.timer);
    this.timer = 0;
    if (document.title !== this.title) return;
    const heading = within.matches(HEADING) ? within : within.querySelector(HEADING);
    const text = heading ? (heading.textContent || '').trim() : '';
    if (text) this.title = document.title = `${text} · ${this.siteTitle}`;
    this.notices.say(text || document.title);
  }

  #titled() {
    if (document.title === this.title) return;
    this.title = document.title;
    clearTimeout(this.timer);
    this.timer = 0;
    this.notices.say(document.title);
  }

  #interrupted() {
    this.until = 0;
    this.goal = null;
  }

  #scrolled() {
    // On the way to somewhere the place is none of this entry.
    if (!this.goal) this.places[this.index] = [window.scrollX, window.scrollY];
  }

  #save() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.places));
    } catch {
      // Without storage a reloaded page begins at its top.
    }
  }
}

function readPlaces(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) || '{}');
  } catch {
    return {};
  }
}

function isTyping() {
  return !!document.activeElement && document.activeElement.matches(TYPING);
}

/** @param {HTMLElement} heading */
function focusOn(heading) {
  if (!heading.hasAttribute('tabindex')) heading.setAttribute('tabindex', '-1');
  heading.focus({ preventScroll: true });
}
