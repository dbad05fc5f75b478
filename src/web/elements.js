// The elements that Lunette brings itself: <ui-chart> and <ui-gauge>. Each is
// loaded when the first template has one, and knows by which property `ui-value`
// reaches it.

/** @type {Object<string, string>} */
const MAIN = { 'ui-chart': 'prop-data', 'ui-gauge': 'prop-value' };

/** @param {DocumentFragment} fragment */
export function loadElements(fragment) {
  if (fragment.querySelector('ui-chart')) import('./chart.js').then((chart) => chart.defineChart());
  if (fragment.querySelector('ui-gauge')) import('./gauge.js').then((gauge) => gauge.defineGauge());
}

/** What `ui-ATTRIBUTE` means on this element. @param {Element} element @param {string} attribute */
export function meantBy(element, attribute) {
  return (attribute === 'value' && MAIN[element.localName]) || attribute;
}

/**
 * Arrays for a chart come as what is new in them: a point costs what a point costs.
 * @param {Element} element @param {string} name  of the property
 * @returns {Object<string, string>}
 */
export function arrayProps(element, name) {
  return element.localName === 'ui-chart' && /^(data|labels)/.test(name) ? { delta: 'true' } : {};
}
