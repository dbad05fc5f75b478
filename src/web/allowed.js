// What the site's `lunette.toml` allows its pages. This is the strictest answer;
// the server gives its own at this address. It is asked for when it first
// matters, and is no part of the page: nothing in the page can say otherwise.

/** `<script>` in viewdefs, and `ui-code`. */
export const scripts = false;
/** `ui-html` without cleaning. */
export const rawHtml = false;
/** The page is for those who develop the site. */
export const dev = false;
