// Markup that comes from data: what is not known to be harmless is left out.

const TAGS = new Set(
  ('a abbr address article aside b bdi bdo blockquote br caption cite code col colgroup data dd del details dfn div dl dt em ' +
    'figcaption figure footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li main mark meter nav ol p picture pre progress q ' +
    'rp rt ruby s samp section small source span strong sub summary sup table tbody td tfoot th thead time tr u ul var wbr').split(' '),
);

/** Dropped with all they contain; other unknown tags leave their text. */
const SILENT = new Set('script style template iframe object embed noscript svg math title textarea select'.split(' '));

const ATTRIBUTES = new Set(
  ('alt cite class colspan datetime dir headers height href hreflang id lang low high max min open optimum rel reversed role rowspan ' +
    'scope span src srcset start target title translate type value width').split(' '),
);

const SAFE_URL = /^(?:https?:|mailto:|tel:|#|\/|\.|\?|[^:]*$)/i;
const SAFE_IMAGE = /^data:image\/(?:png|gif|jpeg|webp|avif);/i;

/** @param {string} html @returns {DocumentFragment} */
export function sanitize(html) {
  const template = document.createElement('template');
  // A strict policy complains of handlers and styles when they are parsed; they
  // go below in any case.
  template.innerHTML = html.replace(/<[^<>]*>/g, (tag) => tag.replace(/\s(?:on[\w-]+|style)(?=\s*=)/gi, ' x'));
  clean(template.content);
  return document.importNode(template.content, true);
}

/** As it is. @param {string} html @returns {DocumentFragment} */
export function raw(html) {
  const template = document.createElement('template');
  template.innerHTML = html;
  return document.importNode(template.content, true);
}

/** @param {Node} parent */
function clean(parent) {
  for (const node of [...parent.childNodes]) {
    if (node.nodeType === Node.TEXT_NODE) continue;
    if (!(node instanceof Element) || SILENT.has(node.localName)) {
      parent.removeChild(node);
      continue;
    }
    clean(node);
    if (TAGS.has(node.localName)) cleanAttributes(node);
    else node.replaceWith(...node.childNodes);
  }
}

/** @param {Element} element */
function cleanAttributes(element) {
  for (const { name, value } of [...element.attributes]) {
    const plain = value.replace(/[\s\0-\x1f]+/g, '');
    const isUrl = name === 'href' || name === 'src' || name === 'cite';
    const safeUrl = SAFE_URL.test(plain) || (name === 'src' && SAFE_IMAGE.test(plain));
    const known = ATTRIBUTES.has(name) || name.startsWith('aria-') || name.startsWith('data-');
    if (!known || (isUrl && !safeUrl)) element.removeAttribute(name);
  }
  if (element.getAttribute('target')) element.setAttribute('rel', 'noopener noreferrer');
}
