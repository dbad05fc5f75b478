// What the client itself has to tell: the link is down, the session is over,
// a call failed. Small, out of the way, and never in place of the page.

/** A break shorter than this goes unmentioned. */
const STRIP_AFTER_MS = 1000;
const TOAST_MS = 6000;
/** A toast that is being read or used stays; this is how often it is asked. */
const TOAST_AGAIN_MS = 2000;
const TOASTS_MAX = 4;

export class Notices {
  constructor() {
    this.stripTimer = 0;
    /** @type {HTMLElement|null} */
    this.strip = null;
    this.final = false;
    // What is said where nothing is shown. Both are there from the start: screen readers hear changes of what they know.
    this.voice = element('div', '');
    this.voice.style.cssText = 'position: fixed; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)';
    this.toasts = element('div', 'ui-toasts');
    for (const region of [this.voice, this.toasts]) region.setAttribute('role', 'status');
    /** All that stands beside the page's own. */
    this.place = element('div', '');
    this.#show(this.voice, this.toasts);
    for (const event of ['focusin', 'close']) document.addEventListener(event, () => this.#show(), true);
  }

  /** A modal dialog covers everything else and keeps it from hands and readers: what is said then is said inside it. @param {HTMLElement[]} more */
  #show(...more) {
    this.place.append(...more);
    const home = [...document.querySelectorAll('dialog:modal')].pop() || document.body;
    if (this.place.parentNode !== home) home.append(this.place);
  }

  /** For those who do not see it. @param {string} text */
  say(text) {
    this.#show();
    this.voice.textContent = text;
  }

  /** The link is down; the strip comes if it stays down. */
  offline() {
    if (this.stripTimer || this.strip || this.final) return;
    this.stripTimer = setTimeout(() => {
      this.stripTimer = 0;
      this.strip = element('div', 'ui-reconnecting', 'Connection lost. Reconnecting…');
      this.#show(this.strip);
      this.say('Connection lost. Reconnecting…');
    }, STRIP_AFTER_MS);
  }

  online() {
    clearTimeout(this.stripTimer);
    this.stripTimer = 0;
    if (!this.strip) return;
    this.strip.remove();
    this.strip = null;
    this.say('Connected again.');
  }

  /** @param {string} text @param {string} [kind]  info, success, warning, error */
  toast(text, kind = 'info') {
    this.#show();
    const same = [...this.toasts.children].find((toast) => toast.firstChild && toast.firstChild.textContent === text);
    if (same) same.remove();
    const toast = element('div', `ui-toast ui-toast-${kind}`);
    const close = element('button', 'ui-toast-close', '×');
    close.setAttribute('type', 'button');
    close.setAttribute('aria-label', 'Dismiss');
    close.addEventListener('click', () => toast.remove());
    toast.append(element('span', '', text), close);
    this.toasts.append(toast);
    while (this.toasts.children.length > TOASTS_MAX) this.toasts.children[0].remove();
    // What went wrong stays until somebody has read it.
    if (kind === 'error') return;
    const leave = () => (toast.matches(':hover, :focus-within') ? setTimeout(leave, TOAST_AGAIN_MS) : toast.remove());
    setTimeout(leave, TOAST_MS);
  }

  /** The server does not know this session any more, or runs it no more. @param {string} home @param {boolean} [stopped] */
  gone(home, stopped) {
    const [title, why, way] = stopped
      ? ['This session was stopped', 'The server ended twice while it ran this session.', 'Start over']
      : ['This session has ended', 'What was on this page is no longer on the server.', 'Start a new session'];
    this.#last(title, `${why} Text that was not sent yet comes along.`, [[way, () => location.assign(home)]]);
  }

  /** The login ran out. */
  login() {
    this.#last('Please sign in again', 'Your login has expired. Text that was not sent yet comes along.', [
      ['Sign in', () => location.reload()],
    ]);
  }

  /** @param {string} title @param {string} detail */
  fatal(title, detail) {
    this.#last(title, detail, [['Try again', () => location.reload()]]);
  }

  /** @param {[string, () => void][]} ways */
  #last(title, detail, ways) {
    this.online();
    if (this.final) return;
    this.final = true;
    const box = element('div', 'ui-notice');
    box.setAttribute('role', 'alertdialog');
    box.setAttribute('aria-labelledby', 'ui-notice-title');
    const heading = element('strong', '', title);
    heading.id = 'ui-notice-title';
    const buttons = ways.map(([label, act]) => {
      const button = element('button', '', label);
      button.setAttribute('type', 'button');
      button.addEventListener('click', act);
      return button;
    });
    box.append(heading, element('p', '', detail), ...buttons);
    this.#show(box);
    this.say(`${title}. ${detail}`);
  }
}

/** @param {string} tag @param {string} className @param {string} [text] */
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
