// The WebSocket under the link: opens it, opens it again for as long as the page
// lives, notices when it is dead, and tells a server that is away from a session
// that is gone and from a login that has expired.

/**
 * @typedef {Object} Address
 * @property {string} base     path prefix with a trailing slash, "/" at the root
 * @property {string} session  32 hex digits, or ""
 *
 * @typedef {'gone'|'stopped'|'login'|'restarted'|''} Verdict
 *   no use in trying again, or in this session; empty: there may be
 *
 * @typedef {Object} Listener
 * @property {() => void} lost
 * @property {(address: Address) => string} place  the address to begin a new session at
 * @property {(location: string, known: boolean) => void} moved  the session is another one; known: there was one before
 * @property {(kind: 'gone'|'stopped'|'login') => void} refused  no use in trying again
 */

const SUBPROTOCOL = 'lunette.1';

/** The first try comes almost at once: most breaks are a server's restart. */
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 10000;
/** Failed upgrades before the server is asked why: one may be a restart. */
const REFUSALS_BEFORE_PROBE = 3;

/** Without a word for so long the server is asked for one. */
const QUIET_MS = 30000;
/**
 * An answer that takes longer will not come: a link can die without a sign. On a
 * slow one a large frame takes longer, so patience grows until something came whole.
 */
const DEAD_MS = 10000;
const DEAD_MS_MAX = 300000;
const BEAT_MS = 5000;
/** Most answers come in a fraction of this. */
const DOUBT_MS = 1500;

const IN_PATH = /^(.*?\/)([0-9a-f]{32})(?:\/|$)/;

/** The session from the page's address, else from the cookie. @returns {Address} */
export function findSession() {
  const inPath = IN_PATH.exec(location.pathname);
  if (inPath) return { base: inPath[1], session: inPath[2] };
  const inCookie = /(?:^|;\s*)ui-session=([0-9a-f]{32})(?:;|$)/.exec(document.cookie);
  return { base: '/', session: inCookie ? inCookie[1] : '' };
}

/** Where the user is, for `session.locale` and `session.timezone`. */
function userPlace() {
  const { timeZone = '' } = Intl.DateTimeFormat().resolvedOptions();
  return `locale=${navigator.language || ''}&timezone=${timeZone}`;
}

export class Connection {
  /** @param {Address} address @param {import('./link.js').Link} link @param {Listener} listener */
  constructor(address, link, listener) {
    this.address = address;
    this.link = link;
    this.listener = listener;
    /** @type {WebSocket|null} */
    this.socket = null;
    this.failures = 0;
    this.timer = 0;
    this.stopped = false;
    this.heardAt = 0;
    /** Since when an answer is waited for; 0: none is. */
    this.askedAt = 0;
    this.patience = DEAD_MS;
    // A network that comes back, or a laptop that wakes, need not wait.
    const wake = () => document.hidden || this.#wake();
    addEventListener('online', wake);
    document.addEventListener('visibilitychange', wake);
    setInterval(() => document.hidden || this.#beat(), BEAT_MS);
  }

  open() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.stopped || this.socket) return;
    const { base, session } = this.address;
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const query = `${userPlace()}${this.link.query()}`;
    const socket = new WebSocket(`${scheme}//${location.host}${base}ws/${session}?${query}`, SUBPROTOCOL);
    this.socket = socket;
    this.heardAt = this.askedAt = Date.now();
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      this.heardAt = Date.now();
      this.failures = 0;
      if (this.link.greeted) this.patience = DEAD_MS;
      this.link.take(event.data);
      this.askedAt = this.link.kept.length ? this.heardAt : 0;
    };
    socket.onclose = () => this.socket === socket && this.#closed();
  }

  /** Only a link that is open sends. A socket that is closing drops it; the link says it again. @param {string} text */
  send(text) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return;
    if (!this.askedAt) this.askedAt = Date.now();
    this.socket.send(text);
  }

  /** The connection is of no use: another one. */
  renew() {
    const { socket } = this;
    if (!socket) return;
    this.#closed();
    socket.close(4000);
  }

  /** Whether what was sent is answered later than usual: it may never be. */
  get isDoubtful() {
    return !this.link.open || (this.link.kept.length > 0 && Date.now() - this.askedAt > DOUBT_MS);
  }

  /** No more tries. */
  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.socket) this.socket.close();
  }

  #wake() {
    // How often it was tried in vain before says nothing now.
    this.failures = 0;
    if (this.timer) return this.open();
    if (!this.link.open || this.askedAt) return;
    this.#ask();
  }

  #ask() {
    this.askedAt = Date.now();
    this.link.acknowledge(true);
  }

  #beat() {
    if (!this.socket) return;
    const now = Date.now();
    if (this.askedAt && now - this.askedAt > this.patience) {
      this.patience = Math.min(DEAD_MS_MAX, 2 * this.patience);
      this.renew();
    }
    else if (!this.askedAt && now - this.heardAt > QUIET_MS) this.#ask();
  }

  #closed() {
    const was = this.link.greeted;
    this.socket = null;
    this.link.lost();
    this.listener.lost();
    if (!was) this.failures++;
    if (this.stopped) return;
    if (this.failures >= REFUSALS_BEFORE_PROBE) this.#probe();
    else this.#later();
  }

  #later() {
    const limit = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(this.failures, 10));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), limit * (0.5 + Math.random() / 2));
  }

  /** A browser does not say why an upgrade failed; the session's own address does. */
  async #probe() {
    /** @type {Verdict} */
    let verdict = '';
    try {
      const { base, session } = this.address;
      const headers = { Accept: 'application/json' };
      verdict = this.#judge(await fetch(`${base}${session}`, { redirect: 'manual', cache: 'no-store', headers, signal: AbortSignal.timeout(DEAD_MS) }));
      if (verdict === 'restarted' && (await this.#move())) return this.open();
    } catch {
      // No answer at all: the server is away.
    }
    if (verdict === 'gone' || verdict === 'stopped' || verdict === 'login') {
      this.stop();
      return this.listener.refused(verdict);
    }
    this.#later();
  }

  /** @param {Response} answer @returns {Verdict} */
  #judge(answer) {
    // The server itself never sends this request elsewhere: a login in front of it does.
    if (answer.type === 'opaqueredirect' || answer.status === 401 || answer.status === 403) return 'login';
    if (answer.status === 410) return 'stopped';
    const server = answer.status === 404 && answer.headers.get('Lunette-Server');
    if (!server) return '';
    return server === this.link.server ? 'gone' : 'restarted';
  }

  /** Takes the page to a session of its own on a server that knows nothing of the old one. */
  async #move() {
    const headers = { Accept: 'text/html' };
    const answer = await fetch(this.listener.place(this.address), { cache: 'no-store', headers, signal: AbortSignal.timeout(DEAD_MS) });
    const found = IN_PATH.exec(new URL(answer.url).pathname);
    if (!answer.ok || !found) return false;
    const known = this.link.server !== '';
    this.address.session = found[2];
    this.link.forget();
    this.failures = 0;
    this.listener.moved(answer.url, known);
    return true;
  }
}
