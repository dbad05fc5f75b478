// What the client has to say, in order, until it is said.
//
// Messages wait here as references to variables, not as ids: after a lost
// connection ids are different, but what the user did is still meant.

/**
 * @typedef {import('./store.js').Variable} Variable
 *
 * @typedef {Object} Wire
 * @property {boolean} ready
 * @property {(text: string) => void} send
 *
 * @typedef {Object} Entry
 * @property {'create'|'update'|'destroy'|'get'|'raw'} kind
 * @property {Variable} [v]
 * @property {any} [value]
 * @property {Object<string,string>} [props]
 * @property {number} [id]
 * @property {Object} [message]
 * @property {number} [at]  when it was sent, ms
 */

/** How long messages that are not a user's action are gathered. */
const COALESCE_MS = 10;
/** Well below the server's frame limit of 1 MiB, counted in characters. */
const FRAME_CHARS_MAX = 250000;
/** A write older than this has surely arrived, or was answered. */
const DOUBT_MS = 5000;

export class Outbox {
  /**
   * @param {Wire} wire
   * @param {(v: Variable) => void} sent  a creation has left
   */
  constructor(wire, sent) {
    this.wire = wire;
    this.sent = sent;
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Entry[]} writes that left after the last frame came in */
    this.doubtful = [];
    /** @type {Entry[]} about variables that are not created yet */
    this.early = [];
    /** Counts the frames that carried creations; variable 1 is in the first. */
    this.batch = 1;
    this.timer = 0;
    this.open = false;
  }

  /** @param {Variable} v */
  create(v) {
    // Queued again when its parent's address changed: then only the last counts,
    // which comes after the parent's own.
    v.queued = { kind: 'create', v };
    this.#push(v.queued);
  }

  /** @param {Variable} v @param {any} value */
  update(v, value) {
    v.unsent++;
    this.#push({ kind: 'update', v, value });
  }

  /** @param {Variable} v @param {Object<string,string>} props */
  setProperties(v, props) {
    this.#push({ kind: 'update', v, props });
  }

  /** @param {Variable} v  asks for its present value */
  get(v) {
    this.#push({ kind: 'get', v });
  }

  /** @param {number} id */
  destroy(id) {
    this.#push({ kind: 'destroy', id });
  }

  /** @param {Object} message */
  raw(message) {
    this.#push({ kind: 'raw', message });
  }

  #push(entry) {
    this.entries.push(entry);
    if (!this.timer) this.timer = setTimeout(() => this.flush(false), COALESCE_MS);
  }

  /** Sends everything that waits. @param {boolean} userEvent */
  flush(userEvent) {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.open || !this.wire.ready) return;
    this.#frames(this.entries.splice(0), userEvent);
    const created = this.early.filter((entry) => entry.v.batch);
    this.early = this.early.filter((entry) => !entry.v.batch && !entry.v.gone);
    this.#frames(created, userEvent);
  }

  #frames(entries, userEvent) {
    for (let from = 0; from < entries.length; ) from = this.#frame(entries, from, userEvent);
  }

  /** One frame's worth; returns where the next begins. */
  #frame(entries, from, userEvent) {
    const parts = [];
    let chars = 0;
    let counted = false;
    let at = from;
    for (; at < entries.length && chars < FRAME_CHARS_MAX; at++) {
      const entry = entries[at];
      if (entry.v && !entry.v.batch && entry.kind !== 'create') {
        this.early.push(entry);
        continue;
      }
      const message = encode(entry);
      if (!message) continue;
      if (entry.kind === 'create') {
        if (!counted) this.batch++;
        counted = true;
        this.sent(entry.v);
      } else if (entry.kind === 'update' && !entry.props) {
        entry.v.unsent--;
        entry.at = Date.now();
        if (entry.v.props.access !== 'action') this.doubtful.push(entry);
      }
      const text = JSON.stringify(message);
      chars += text.length;
      parts.push(text);
    }
    if (parts.length) this.wire.send(`{"userEvent":${userEvent},"messages":[${parts.join(',')}]}`);
    return at;
  }

  /** A frame came in: what left before it was heard. */
  heard() {
    this.doubtful.length = 0;
  }

  /** The connection is lost: what may have been lost with it is said again. */
  lost() {
    this.open = false;
    const since = Date.now() - DOUBT_MS;
    const again = this.doubtful.filter((e) => !e.v.gone && e.at > since && e.v.value === e.value);
    for (const entry of again) entry.v.unsent++;
    this.entries = again.concat(this.entries);
    this.doubtful = [];
  }

  /** Takes out the user's writes; creations and destructions are made anew. */
  restart() {
    const waiting = this.early.concat(this.entries).filter((e) => e.kind === 'update' && e.v && !e.v.gone);
    this.entries = [];
    this.early = [];
    this.open = true;
    return waiting;
  }

  /** @param {Entry[]} waiting */
  resume(waiting) {
    this.entries.push(...waiting);
  }
}

/** @param {Entry} entry @returns {Object|null} null when it is no longer needed */
function encode(entry) {
  const { kind, v } = entry;
  if (kind === 'raw') return entry.message;
  if (kind === 'destroy') return { type: 'destroy', data: { varId: entry.id } };
  if (v.gone) return null;
  if (kind === 'create') {
    if (v.queued !== entry) return null;
    v.queued = null;
    const data = { id: v.id, parentId: v.parent.id, properties: v.props };
    return { type: 'create', data: v.item ? { ...data, value: v.item } : data };
  }
  if (kind === 'get') return { type: 'get', data: { varIds: [v.id] } };
  if (entry.props) return { type: 'update', data: { varId: v.id, properties: entry.props } };
  return { type: 'update', data: { varId: v.id, value: entry.value } };
}
