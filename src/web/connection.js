// The WebSocket: opens it, opens it again for as long as the page lives, and
// tells a server that is away from a session that is gone.

/**
 * @typedef {Object} Address
 * @property {string} base     path prefix with a trailing slash, "/" at the root
 * @property {string} session  32 hex digits, or ""
 *
 * @typedef {Object} Listener
 * @property {() => void} opened
 * @property {(frame: any) => void} frame
 * @property {() => void} lost
 * @property {(kind: 'gone'|'login') => void} refused  no use in trying again
 */

/** The first try comes almost at once: most breaks are a server's restart. */
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 10000;
/** Failed upgrades before the page itself is asked for: one may be a restart. */
const REFUSALS_BEFORE_PROBE = 3;

/** The session from the page's address, else from the cookie. @returns {Address} */
export function findSession() {
  const inPath = /^(.*?\/)([0-9a-f]{32})(?:\/|$)/.exec(location.pathname);
  if (inPath) return { base: inPath[1], session: inPath[2] };
  const inCookie = /(?:^|;\s*)ui-session=([0-9a-f]{32})(?:;|$)/.exec(document.cookie);
  return { base: '/', session: inCookie ? inCookie[1] : '' };
}

/** Where the user is, for `session.locale` and `session.timezone`. */
function place() {
  const { timeZone = '' } = Intl.DateTimeFormat().resolvedOptions();
  return `locale=${navigator.language || ''}&timezone=${timeZone}`;
}

export class Connection {
  /** @param {Address} address @param {Listener} listener */
  constructor(address, listener) {
    this.address = address;
    this.listener = listener;
    /** @type {WebSocket|null} */
    this.socket = null;
    this.connected = false;
    this.failures = 0;
    this.timer = 0;
    this.stopped = false;
    // A network that comes back, or a laptop that wakes, need not wait.
    const hurry = () => this.timer && this.open();
    addEventListener('online', hurry);
    document.addEventListener('visibilitychange', () => document.hidden || hurry());
  }

  open() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.stopped) return;
    const { base, session } = this.address;
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}${base}ws/${session}?${place()}`);
    this.socket = socket;
    socket.onopen = () => {
      this.connected = true;
      this.failures = 0;
      this.listener.opened();
    };
    socket.onmessage = (event) => this.listener.frame(JSON.parse(event.data));
    socket.onclose = () => this.#closed();
  }

  /** A socket that is closing takes text, and drops it. */
  get ready() {
    return this.socket !== null && this.socket.readyState === WebSocket.OPEN;
  }

  /** @param {string} text */
  send(text) {
    if (this.socket) this.socket.send(text);
  }

  /** No more tries. */
  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.socket) this.socket.close();
  }

  #closed() {
    const was = this.connected;
    this.connected = false;
    this.socket = null;
    if (was) this.listener.lost();
    else this.failures++;
    if (this.stopped) return;
    if (this.failures >= REFUSALS_BEFORE_PROBE) this.#probe();
    else this.#later();
  }

  #later() {
    const limit = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(this.failures, 10));
    this.timer = setTimeout(() => this.open(), limit * (0.5 + Math.random() / 2));
  }

  /** A browser does not say why an upgrade failed; the page's own address does. */
  async #probe() {
    try {
      const answer = await fetch(location.href, {
        redirect: 'manual',
        cache: 'no-store',
        headers: { Accept: 'text/html' },
      });
      // An opaque redirect hides its target; both a new session and a login lead away.
      const gone = answer.type === 'opaqueredirect' || answer.status === 404;
      if (gone) return this.#refused('gone');
      if (answer.status === 401 || answer.status === 403) return this.#refused('login');
    } catch {
      // No answer at all: the server is away.
    }
    this.#later();
  }

  /** @param {'gone'|'login'} kind */
  #refused(kind) {
    this.stop();
    this.listener.refused(kind);
  }
}
