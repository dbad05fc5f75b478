// Checks of the modules that need no page, each on its own.

import { parseBinding, isCall, takesValue } from './paths.js';
import { parseKey, matchesKey } from './keys.js';
import { Link } from './link.js';
import { Store, sameValue } from './store.js';

/** @type {string[]} */
const complaints = [];

function same(got, expected, what) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];
  if (a !== b) complaints.push(`${what}: ${a}, expected ${b}`);
}

function paths() {
  const parsed = (text) => {
    const { path, options } = parseBinding(text);
    return [path, options];
  };
  same(parsed(' a.b '), ['a.b', {}], 'a plain path');
  same(parsed('a?keypress'), ['a', { keypress: 'true' }], 'a key without a value');
  same(parsed('a?x=1&y=a+b%20c& z '), ['a', { x: '1', y: 'a b c', z: 'true' }], 'keys with values');
  same(parsed('has("is it?", 3)?access=r'), ['has("is it?", 3)', { access: 'r' }], 'a question in a text');
  same(parsed("say('it\\'s?')?p"), ["say('it\\'s?')", { p: 'true' }], 'an escaped quote');
  same(parsed('a?x=%'), ['a', { x: '%' }], 'half an escape');
  same([isCall('a()'), isCall('a'), isCall('a().b')], [true, false, false], 'calls');
  const values = ['set(_)', 'set("x", _)', 'set(_ , 1)', 'set("_")', 'set(a_)', 'set()'].map(takesValue);
  same(values, [true, true, true, false, false, false], 'calls with a value');
}

function keys() {
  const hit = (text, key, more = {}) =>
    matchesKey(parseKey(text), { key, code: '', ctrlKey: false, shiftKey: false, altKey: false, metaKey: false, ...more });
  same(hit('enter', 'Enter'), true, 'names in any case');
  same(hit('Left', 'ArrowLeft'), true, 'short names');
  same(hit('enter', 'Enter', { shiftKey: true }), false, 'modifiers are exact');
  same(hit('ctrl-s', 's', { ctrlKey: true }), true, 'a modifier');
  same(hit('ctrl-s', 's'), false, 'a modifier that is missing');
  same(hit('alt-l', '@', { altKey: true, code: 'KeyL' }), true, 'a key that writes something else');
  same(hit('shift-ctrl-1', '!', { ctrlKey: true, shiftKey: true, code: 'Digit1' }), true, 'digits by their place');
  same(hit('minus', '-'), true, 'minus by its name');
  same(hit('-', '-'), true, 'minus itself');
  same(hit('space', ' '), true, 'space');
}

/** A link with what it did. */
function linked() {
  const sent = [];
  const heard = [];
  let broken = 0;
  const link = new Link({
    send: (text) => void sent.push(text),
    ready: (resumed) => void heard.push(resumed ? 'resumed' : 'new'),
    frame: (frame, ack) => void heard.push([frame, ack]),
    broken: () => void broken++,
  });
  const greet = (greeting) => link.take(JSON.stringify({ server: 's', handled: null, check: null, ...greeting }));
  return { link, sent, heard, greet, broken: () => broken };
}

function links() {
  const { link, sent, heard, greet, broken } = linked();
  same(link.query(), '', 'nothing to go on with');
  greet({ view: 3, resumed: false });
  link.send('[a]', ['a']);
  link.take('1 1 {"x":1}');
  link.take('1 1 {"x":1}');
  same(heard, ['new', [{ x: 1 }, 1]], 'each frame once');
  link.send('[b]', ['b']);
  same(sent, ['1 0 [a]', '2 1 [b]'], 'numbers and acknowledgements');
  // The check is the CRC32C of {"x":1}.
  same(link.query(), '&view=3&received=1&check=3181629572', 'where we are');
  const check = link.sentCheck;
  link.lost();
  same(link.open, false, 'lost');
  sent.length = 0;
  greet({ view: 3, resumed: true, handled: 1, check: link.handledCheck });
  same(sent, ['2 1 [b]'], 'what did not take effect is sent again');
  same([heard.at(-1), broken()], ['resumed', 0], 'the view goes on');
  link.take('0 2');
  same([link.kept.length, link.handledCheck === check], [0, true], 'all has taken effect');
  link.take('3 2 {}');
  same(broken(), 1, 'a frame is missing');
  link.lost();
  greet({ view: 3, resumed: true, handled: 2, check: check ^ 1 });
  same([broken(), link.query()], [2, '&view=3'], 'another history: the view is given up');
  link.lost();
  link.kept.push({ number: 3, text: 'c', check: 0, content: ['c'] }, { number: 4, text: 'd', check: 0, content: ['d'] });
  greet({ view: 4, resumed: false, handled: 3 });
  same([link.unsure.map((one) => one.content[0]), link.known, link.sent], [['d'], true, 0], 'what the old view never heard of');
  for (let n = 1; n <= 16; n++) link.take(`${n} 0 []`);
  same(sent.at(-1), '0 16', 'sixteen frames are acknowledged');
  link.acknowledge(true);
  same(sent.at(-1), '0 16 ?', 'an acknowledgement is asked for');
}

/** What a value told with an older acknowledgement than the user's write does to it: nothing. */
function stores() {
  const { link, greet } = linked();
  const store = new Store(link, { app() {}, failed() {}, structure() {}, doubt() {}, settled() {} });
  const told = (varId, value) => ({ type: 'update', data: { varId, value } });
  link.hooks.ready = () => store.resync();
  greet({ view: 1, resumed: false });
  const v = store.create(store.root, { path: 'a' });
  store.outbox.flush(false);
  store.receive([told(v.id, 'old')], v.batch);
  v.write('new');
  store.receive([told(v.id, 'older')], v.batch);
  same(v.value, 'new', 'a write that waits is newer');
  store.outbox.flush(true);
  store.receive([told(v.id, 'older')], v.wrote - 1);
  same(v.value, 'new', 'a write on its way is newer');
  store.receive([told(v.id, 'NEW')], v.wrote);
  same(v.value, 'NEW', 'what came of it is shown');
  const silent = store.create(store.root, { path: 'b' });
  store.outbox.flush(false);
  store.receive(null, silent.batch);
  same(silent.value, null, 'what is not told is nil');
  // One watcher that fails keeps nobody else from hearing.
  const heard = [];
  const reported = [];
  globalThis.reportError = (error) => void reported.push(error.message);
  const fails = () => {
    throw new Error('no');
  };
  v.watch({ changed: () => v.value === 'last' && fails() });
  v.watch({ changed: (told) => void heard.push(told.value) });
  store.receive([told(v.id, 'last')], v.wrote);
  same([heard.at(-1), reported], ['last', ['no']], 'a watcher that fails');
  same([sameValue([1, 2], [1, 2]), sameValue({ obj: 1 }, { obj: 2 }), sameValue(null, undefined)], [true, false, true], 'sameness');
}

globalThis.checkModules = () => {
  for (const check of [paths, keys, links, stores]) {
    try {
      check();
    } catch (error) {
      complaints.push(`${check.name}: ${error}\n${error.stack}`);
    }
  }
  return JSON.stringify(complaints);
};
