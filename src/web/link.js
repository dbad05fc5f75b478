// The client's end of a link (subprotocol `lunette.1`): numbers what it sends,
// keeps it until the server says that it took effect, and goes on with the same
// view over another connection. Knows nothing of sockets or pages; what travels
// is described in src/net/link.rs.

/** After so many frames of the server's, or so many characters, it is told how far we have got. */
const ACK_FRAMES = 16;
const ACK_CHARS = 65536;

/**
 * @typedef {Object} Greeting        the server's first text on each connection
 * @property {number} view
 * @property {boolean} resumed
 * @property {number|null} handled   our frames that took effect in the view we asked for
 * @property {number|null} check
 * @property {string} server
 *
 * @typedef {Object} Sent            a frame that may not have taken effect
 * @property {number} number
 * @property {string} text
 * @property {number} check          of all frames up to this one
 * @property {any} content           what it is made of, for `Link.unsure`
 *
 * @typedef {Object} LinkHooks
 * @property {(text: string) => void} send      to the server, at once; never while the link is not open
 * @property {(resumed: boolean) => void} ready   the view goes on, or is a new one
 * @property {(frame: any, ack: number) => void} frame  a frame, and which of ours it knows of
 * @property {() => void} broken     the connection is of no use: another one is needed
 */

export class Link {
  /** The last of our frames. */
  sent = 0;
  /** What the server has not been told of. */
  unacknowledged = 0;
  unacknowledgedChars = 0;

  /** @param {LinkHooks} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    /** Which server this is, and which view of its session; 0: none yet. */
    this.server = '';
    this.view = 0;
    /** Frames may be sent. */
    this.open = false;
    /** @type {Sent[]} frames of the present view that may not have taken effect */
    this.kept = [];
    /** @type {Sent[]} those of a view that is over */
    this.unsure = [];
    this.#begin();
  }

  /** Counts for a new view. */
  #begin() {
    this.sent = 0;
    this.sentCheck = 0;
    this.received = 0;
    this.receivedCheck = 0;
    /** Our last frame that took effect, and the check up to there. */
    this.handled = 0;
    this.handledCheck = 0;
    this.unacknowledged = 0;
    this.unacknowledgedChars = 0;
    this.kept = [];
  }

  /** What the address of the next connection says of the view to go on with. */
  query() {
    if (!this.view) return '';
    const known = this.received < 0 ? '' : `&received=${this.received}&check=${this.receivedCheck}`;
    return `&view=${this.view}${known}`;
  }

  /** The connection is open and waits for the greeting. */
  greeted = false;

  /** A text of the server's. @param {string} text */
  take(text) {
    if (!this.greeted) return this.#greet(JSON.parse(text));
    const first = text.indexOf(' ');
    const second = text.indexOf(' ', first + 1);
    const number = Number(text.slice(0, first));
    const ack = Number(second < 0 ? text.slice(first + 1) : text.slice(first + 1, second));
    this.#acknowledged(ack);
    if (!number) return this.hooks.frame(null, ack);
    // Sent again, but it came the first time.
    if (number <= this.received) return;
    const body = text.slice(second + 1);
    if (number !== this.received + 1) return this.hooks.broken();
    this.received = number;
    this.receivedCheck = crc32c(this.receivedCheck, body);
    this.unacknowledged++;
    this.unacknowledgedChars += body.length;
    this.hooks.frame(JSON.parse(body), ack);
    if (this.unacknowledged >= ACK_FRAMES || this.unacknowledgedChars >= ACK_CHARS) this.acknowledge(false);
  }

  /** @param {Greeting} greeting */
  #greet({ view, resumed, handled, check, server }) {
    this.greeted = true;
    if (resumed) {
      this.#acknowledged(handled || 0);
      // Not the history that we know: a view of which both know nothing is better.
      if (this.handled !== handled || this.handledCheck !== check) {
        this.received = -1;
        return this.hooks.broken();
      }
      this.open = true;
      for (const { number, text } of this.kept) this.hooks.send(`${number} ${this.received} ${text}`);
      return this.hooks.ready(true);
    }
    const took = handled === null ? -1 : handled;
    // Of a server that is another one nobody knows; else these have not taken effect.
    const lost = this.kept.filter((sent) => sent.number > took);
    this.known = (this.known || !this.unsure.length) && (handled !== null || !lost.length);
    this.unsure.push(...lost);
    this.#begin();
    this.view = view;
    this.server = server;
    this.open = true;
    this.hooks.ready(false);
  }

  /** Whether it is known that what is in `unsure` did not take effect. */
  known = true;

  #acknowledged(ack) {
    let done = 0;
    while (done < this.kept.length && this.kept[done].number <= ack) done++;
    if (!done) return;
    this.handled = ack;
    this.handledCheck = this.kept[done - 1].check;
    this.kept.splice(0, done);
  }

  /**
   * Sends a frame and returns its number.
   * @param {string} text
   * @param {any} content  what it is made of
   */
  send(text, content) {
    const number = ++this.sent;
    this.sentCheck = crc32c(this.sentCheck, text);
    this.kept.push({ number, text, check: this.sentCheck, content });
    this.#forgetAcknowledging();
    this.hooks.send(`${number} ${this.received} ${text}`);
    return number;
  }

  /** Tells the server how far we have got. @param {boolean} ask  and asks it for the same */
  acknowledge(ask) {
    if (!this.open) return;
    this.#forgetAcknowledging();
    this.hooks.send(`0 ${this.received}${ask ? ' ?' : ''}`);
  }

  #forgetAcknowledging() {
    this.unacknowledged = this.unacknowledgedChars = 0;
  }

  /** The connection is lost. */
  lost() {
    this.open = this.greeted = false;
  }

  /** The session is another one: what was said to the old one may never have arrived. */
  forget() {
    this.known = this.known && !this.kept.length;
    this.unsure.push(...this.kept);
    this.#begin();
    this.view = 0;
  }
}

/** @type {Int32Array|null} */
let crcTable = null;

function makeCrcTable() {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let bits = byte;
    for (let i = 0; i < 8; i++) bits = bits & 1 ? (bits >>> 1) ^ 0x82f63b78 : bits >>> 1;
    table[byte] = bits;
  }
  return table;
}

const utf8 = new TextEncoder();

/**
 * CRC32C of what came before and this text.
 * @param {number} before
 * @param {string} text
 */
function crc32c(before, text) {
  const table = crcTable || (crcTable = makeCrcTable());
  let crc = ~before;
  for (const byte of utf8.encode(text)) crc = (crc >>> 8) ^ table[(crc ^ byte) & 255];
  return ~crc >>> 0;
}
